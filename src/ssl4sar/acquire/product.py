"""One Sentinel product as a catalogue lists it, whatever the catalogue.

What services and other people's files say becomes a :class:`Product` before anything is done with
it: there, and nowhere else, names and values are checked. Names become files and folders, addresses
and texts are frozen into inventories, numbers decide what is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, Literal, Self, get_type_hints

import numpy as np
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic import create_model as create_form
from shapely import get_coordinates
from shapely.geometry import shape

from ssl4sar.core.wording import printable

Mission = Literal["sentinel-1", "sentinel-2"]
OrbitDirection = Literal["ascending", "descending"]
#: Product type of images of the scene model, which stand for any other.
SYNTHETIC_TYPE: Final = "synthetic"
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
#: Fit for the name of a file or folder with endings behind it; two dots in a row are left out too.
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,149}")
#: Years that times of products have; both hubs and people write 0001 and 9999 for "unknown".
_YEARS: Final = range(1950, 2200)
_MOST_URLS: Final = 500


def _in_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has control characters in it")
    return text


def _fit_for_a_file(name: str) -> str:
    if _FILE_NAME.fullmatch(name) is None:
        raise ValueError("it is not fit for a file")
    return name


def _within_years(time: datetime) -> datetime:
    if time.year not in _YEARS:
        raise ValueError("it is not the time of a product")
    return time


def _on_the_globe(footprint: Mapping[str, Any]) -> Mapping[str, Any]:
    problem = "it is not a polygon with longitudes and latitudes on the globe"
    try:
        points = get_coordinates(shape(dict(footprint)))
        is_polygon = footprint["type"] in {"Polygon", "MultiPolygon"}
    except Exception as error:  # shapely raises whatever its parts raise
        raise ValueError(problem) from error
    # Cutting at the antimeridian may move a corner by a last digit; what is not a number is not
    # below a limit either.
    if not is_polygon or not (np.abs(points) <= (180.000001, 90.000001)).all():
        raise ValueError(problem)
    return footprint


Text = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_in_one_line)]
Time = Annotated[AwareDatetime, AfterValidator(_within_years)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{1,256}\z")]
Url = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_in_one_line)]
Polarisation = Annotated[str, Field(pattern=r"^(HH|HV|VV|VH)\z")]


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of a catalogue; a line of an inventory.

    Every value is checked when a product is made, so that nothing else has to check it again.

    Attributes:
        provider: name of the provider that lists and serves it.
        id: what the provider calls it, e.g. a UUID.
        name: name of the product without ``.SAFE`` or ``.zip``; fit for a file name and the same at
            every provider.
        mission: sentinel-1 or sentinel-2.
        platform: e.g. S1A.
        product_type: e.g. IW_GRDH_1S or S2MSI2A.
        start: first line, UTC.
        stop: last line, UTC.
        mode: acquisition mode of the radar, e.g. IW.
        polarisations: e.g. HH and HV; empty where the catalogue does not say.
        relative_orbit: track, from 1.
        orbit_direction: of the satellite over the scene.
        direction_stated: whether the direction is only what the service says of the datatake, of
            which the scene is a part; rows have this key only where it is true.
        datatake: identifier of the datatake as in the product's name, hexadecimal.
        processor_version: version of the processor (IPF) or processing baseline, e.g. 3.40.
        cloud_percent: clouds in the whole product, 0 to 100.
        size_bytes: size as listed; None where the catalogue does not say.
        checksums: hexadecimal digests by algorithm (md5, blake3, sha256), lower case; may be empty.
        online: whether it can be fetched now.
        footprint: GeoJSON geometry in degrees, cut at the antimeridian; None where unknown.
        urls: addresses by role: ``product`` for the whole, else names of assets.
        tile: tile of a Sentinel-2 product, e.g. 33XVG.

    Raises:
        ValueError: a value is of another form or out of its range; the message is a short phrase.
    """

    provider: Text
    id: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_in_one_line)]
    name: Annotated[str, AfterValidator(_fit_for_a_file)]
    mission: Mission
    platform: Text
    product_type: Text
    start: Time
    stop: Time
    mode: Text | None = None
    polarisations: tuple[Polarisation, ...] = ()
    relative_orbit: Annotated[int, Field(ge=0, le=1000)] | None = None
    orbit_direction: OrbitDirection | None = None
    direction_stated: bool = False
    datatake: Text | None = None
    processor_version: Text | None = None
    # Percentages are computed: a last digit may be beyond a hundred.
    cloud_percent: Annotated[float, Field(ge=-0.01, le=100.01)] | None = None
    size_bytes: Annotated[int, Field(ge=0, le=10**15)] | None = None
    checksums: Annotated[Mapping[Text, Digest], Field(max_length=_MOST_URLS)] = field(
        default_factory=dict
    )
    online: bool = True
    footprint: Annotated[Mapping[str, Any], AfterValidator(_on_the_globe)] | None = None
    urls: Annotated[Mapping[Text, Url], Field(max_length=_MOST_URLS)] = field(default_factory=dict)
    tile: Text | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a product's."""
        try:
            _form().model_validate(vars(self))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key, why = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            text = f"{printable(key, 60)}: {printable(repr(first['input']), 60)} is not valid: "
            raise ValueError(text + printable(why, 90)) from None
        if self.stop < self.start:
            raise ValueError(f"it stops at {self.stop}, before it starts at {self.start}")

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values, with the keys in the order of their names."""
        values = dict(vars(self))
        values["start"] = utc_text(self.start)
        values["stop"] = utc_text(self.stop)
        values["polarisations"] = list(self.polarisations)
        values["checksums"] = dict(sorted(self.checksums.items()))
        values["urls"] = dict(sorted(self.urls.items()))
        if not self.direction_stated:
            del values["direction_stated"]
        return dict(sorted(values.items()))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the product of a line.

        Raises:
            ValueError: a key is missing, unknown, or its value is of another form.
        """
        values = dict(row)
        try:
            for key in ("start", "stop"):
                values[key] = _written_time(values[key])
            values["polarisations"] = tuple(values.get("polarisations", ()))
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is not a product: {printable(error, 100)}") from error


@cache
def _form() -> type[BaseModel]:
    """Return the model that checks the values of a product by the annotations of its fields."""
    hints = get_type_hints(Product, include_extras=True)
    config = ConfigDict(strict=True, allow_inf_nan=False)
    form: dict[str, Any] = {each.name: (hints[each.name], ...) for each in fields(Product)}
    return create_form("ProductForm", __config__=config, **form)


def orbit_direction(text: Any) -> OrbitDirection | None:
    """Return the direction that a catalogue or manifest spells in its own way, else None."""
    match str(text).lower():
        case "ascending":
            return "ascending"
        case "descending":
            return "descending"
    return None


def utc_text(time: datetime) -> str:
    """Return a time in UTC as services and inventories write it, with microseconds and Z."""
    return time.astimezone(UTC).strftime(_TIME)


def _written_time(text: Any) -> datetime:
    """Read a time as `utc_text` writes it."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        problem = f"{printable(repr(text), 60)} is not the time of a product"
        raise ValueError(problem) from error


def utc_time(text: Any) -> datetime:
    """Read a time as services write it (ISO 8601); without a zone it is UTC.

    Raises:
        ValueError: it is not a time, or one that no product has, e.g. of the year 1.
    """
    try:
        time = _within_years(datetime.fromisoformat(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{printable(repr(text), 60)} is not the time of a product") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
