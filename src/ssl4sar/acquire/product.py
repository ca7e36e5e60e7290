"""One Sentinel product as a catalogue lists it, whatever the catalogue.

What services and other people's files say becomes a :class:`Product` before anything is done with
it: there, and nowhere else, names and values are checked. Names become files and folders, addresses
and texts are frozen into inventories, numbers decide what is chosen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from shapely import get_coordinates
from shapely.geometry import shape

from ssl4sar.core.wording import printable

Mission = Literal["sentinel-1", "sentinel-2"]
OrbitDirection = Literal["ascending", "descending"]
#: Product type of images of the scene model, which stand for any other.
SYNTHETIC_TYPE: Final = "synthetic"
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
#: Fit for the name of a file or folder with endings behind it; two dots in a row are left out too.
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,149}")
_DIGEST: Final = re.compile(r"[0-9a-f]{1,256}")
_POLARISATIONS: Final = frozenset({"HH", "HV", "VV", "VH"})
#: Years that times of products have; both hubs and people write 0001 and 9999 for "unknown".
_YEARS: Final = range(1950, 2200)
_LONGEST_ID: Final = 1000
_LONGEST_URL: Final = 4000
_LONGEST_TEXT: Final = 100
_MOST_URLS: Final = 500
_MOST_BYTES: Final = 10**15
_MOST_TRACKS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of a catalogue; a line of an inventory.

    Every value is checked when a product is made, so that nothing else has to doubt it.

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
        polarisations: e.g. HH and HV; empty where the catalogue does not tell.
        relative_orbit: track, from 1.
        orbit_direction: of the satellite over the scene.
        direction_stated: whether the direction is only what the service says of the datatake, of
            which the scene is a part; rows have this key only where it is true.
        datatake: identifier of the datatake as in the product's name, hexadecimal.
        processor_version: version of the processor (IPF) or processing baseline, e.g. 3.40.
        cloud_percent: clouds in the whole product, 0 to 100.
        size_bytes: size as listed; None where the catalogue does not tell.
        checksums: hexadecimal digests by algorithm (md5, blake3, sha256), lower case; may be empty.
        online: whether it can be fetched now.
        footprint: GeoJSON geometry in degrees, cut at the antimeridian; None where unknown.
        urls: addresses by role: ``product`` for the whole, else names of assets.
        tile: tile of a Sentinel-2 product, e.g. 33XVG.

    Raises:
        ValueError: a value is of another form or out of its range; the message is a short phrase.
    """

    provider: str
    id: str
    name: str
    mission: Mission
    platform: str
    product_type: str
    start: datetime
    stop: datetime
    mode: str | None = None
    polarisations: tuple[str, ...] = ()
    relative_orbit: int | None = None
    orbit_direction: OrbitDirection | None = None
    direction_stated: bool = False
    datatake: str | None = None
    processor_version: str | None = None
    cloud_percent: float | None = None
    size_bytes: int | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    online: bool = True
    footprint: Mapping[str, Any] | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    tile: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a product's."""
        if not isinstance(self.name, str) or _NAME.fullmatch(self.name) is None:
            raise ValueError(f"the name {_shown(self.name)} is not fit for a file")
        _check_texts(self)
        _check_numbers(self)
        _check_footprint(self.footprint)

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values, with the keys in the order of their names."""
        values = dict(vars(self))
        values["start"] = self.start.astimezone(UTC).strftime(_TIME)
        values["stop"] = self.stop.astimezone(UTC).strftime(_TIME)
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
                values[key] = datetime.strptime(values[key], _TIME).replace(tzinfo=UTC)
            values["polarisations"] = tuple(values.get("polarisations", ()))
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no product: {printable(error, 100)}") from error


def utc_time(text: Any) -> datetime:
    """Read a time as services write it (ISO 8601); without a zone it is UTC.

    Raises:
        ValueError: it is not a time, or one that no product has, e.g. of the year 1.
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_shown(text)} is not a time") from error
    if time.year not in _YEARS:
        raise ValueError(f"{_shown(text)} is not the time of a product")
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _check_texts(product: Product) -> None:
    _check_text("id", product.id, _LONGEST_ID)
    for key in ("provider", "platform", "product_type"):
        _check_text(key, getattr(product, key), _LONGEST_TEXT)
    for key in ("mode", "datatake", "processor_version", "tile"):
        if getattr(product, key) is not None:
            _check_text(key, getattr(product, key), _LONGEST_TEXT)
    if product.mission not in get_args(Mission):
        raise ValueError(f"mission: {_shown(product.mission)} is not known")
    if product.orbit_direction not in {None, *get_args(OrbitDirection)}:
        raise ValueError(f"orbit_direction: {_shown(product.orbit_direction)} is not known")
    if (
        not isinstance(product.polarisations, tuple)
        or not set(product.polarisations) <= _POLARISATIONS
    ):
        raise ValueError(f"polarisations: {_shown(product.polarisations)} are not known")
    if not isinstance(product.urls, Mapping) or len(product.urls) > _MOST_URLS:
        raise ValueError(f"urls: more than {_MOST_URLS}, or not a table")
    for role, url in product.urls.items():
        _check_text("urls", role, _LONGEST_TEXT)
        _check_text(f"urls.{role}", url, _LONGEST_URL)
    if not isinstance(product.checksums, Mapping) or len(product.checksums) > _MOST_URLS:
        raise ValueError(f"checksums: more than {_MOST_URLS}, or not a table")
    for algorithm, digits in product.checksums.items():
        _check_text("checksums", algorithm, _LONGEST_TEXT)
        if not isinstance(digits, str) or _DIGEST.fullmatch(digits) is None:
            raise ValueError(f"checksums.{algorithm}: {_shown(digits)} is not hexadecimal")


def _check_text(key: str, value: Any, longest: int) -> None:
    """Refuse what is not a text, empty, long, or holds control characters or half characters."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise ValueError(f"{key}: {_shown(value)} is not a text of 1 to {longest} characters")


def _check_numbers(product: Product) -> None:
    for key in ("start", "stop"):
        time = getattr(product, key)
        if not isinstance(time, datetime) or time.tzinfo is None or time.year not in _YEARS:
            raise ValueError(f"{key}: {_shown(time)} is not the time of a product")
    if product.stop < product.start:
        raise ValueError(f"it stops at {product.stop}, before it starts at {product.start}")
    if product.size_bytes is not None and not _is_within(product.size_bytes, 0, _MOST_BYTES):
        raise ValueError(f"size_bytes: {_shown(product.size_bytes)} is not the size of a product")
    if product.relative_orbit is not None and not _is_within(
        product.relative_orbit, 0, _MOST_TRACKS
    ):
        raise ValueError(f"relative_orbit: {_shown(product.relative_orbit)} is not a track")
    clouds = product.cloud_percent
    # Percentages are computed: a last digit may stand beyond a hundred.
    if clouds is not None and not (
        isinstance(clouds, int | float) and math.isfinite(clouds) and -0.01 <= clouds <= 100.01
    ):
        raise ValueError(f"cloud_percent: {_shown(clouds)} is not a percentage")
    for key in ("online", "direction_stated"):
        if not isinstance(getattr(product, key), bool):
            problem = f"{key}: {_shown(getattr(product, key))} is neither true nor false"
            raise ValueError(problem)  # noqa: TRY004 - a wrong value


def _is_within(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _check_footprint(footprint: Any) -> None:
    """Refuse what is not a polygon on the globe."""
    if footprint is None:
        return
    problem = "footprint: it is not a polygon with longitudes and latitudes on the globe"
    try:
        points = get_coordinates(shape(dict(footprint)))
        is_polygon = footprint["type"] in {"Polygon", "MultiPolygon"}
    except Exception as error:  # shapely raises whatever its parts raise
        raise ValueError(problem) from error
    # Cutting at the antimeridian may move a corner by a last digit; what is not a number is not
    # below a limit either.
    if not is_polygon or not (np.abs(points) <= (180.000001, 90.000001)).all():
        raise ValueError(problem)


def _shown(value: Any) -> str:
    return printable(repr(value), 60)
