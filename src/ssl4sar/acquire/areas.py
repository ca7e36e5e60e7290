"""Glaciers and their areas of interest, read from a GeoJSON file (RFC 7946).

Longitudes and latitudes are degrees (WGS 84). An area across the antimeridian may be given in two
parts, as the standard wants it, or in one piece whose ring crosses 180 degrees, to the east or to
the west: it is cut here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely import from_geojson, get_coordinates, is_valid_reason, make_valid, to_geojson
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json, read_json
from ssl4sar.core.pair_layout import BENCHMARK_TEST_GLACIERS, is_named_after

#: A number alone would be taken for a date in names of files.
_NAME: Final = re.compile(r"(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,40}")
_LONGEST_FILE_BYTES: Final = 16_000_000
#: No catalogue takes an area of half the Earth, and no glacier needs one.
_WIDEST_DEG: Final = 180.0
_GLOBE_DEG: Final = 360.0
#: A UTM zone is 6 degrees wide, up to 12 off Svalbard; images may use the next one.
_FARTHEST_FROM_ZONE_DEG: Final = 9.0
#: Below this an area is a line or a point.
_SMALLEST_DEG2: Final = 1e-9
KM_PER_DEG: Final = 111.195
"""Length of one degree of a great circle of the mean Earth radius, 6371.0 km."""


class _Properties(BaseModel):
    """What a feature says of its glacier."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    long_name: str
    region: str
    rgi_id: str | None = None
    epsg: int = Field(ge=32601, le=32760)
    stable_terrain: str | None = None
    caffe: str | None = Field(default=None, pattern="^(train|test)$")
    note: str | None = None


@dataclass(frozen=True)
class Glacier:
    """A glacier and its area.

    Attributes:
        name: letters and digits, at least one letter, fit for the file names of SSL4SAR.
        long_name: name for people.
        region: where it is.
        area: polygons in degrees, longitudes -180 to 180, cut at the antimeridian.
        rgi_id: number in the Randolph Glacier Inventory, where known.
        epsg: UTM zone of its images.
        stable_terrain: where rock that does not move is found in the area.
        caffe: train or test for a glacier of the benchmark, else None.
    """

    name: str
    long_name: str
    region: str
    area: MultiPolygon
    epsg: int
    rgi_id: str | None = None
    stable_terrain: str | None = None
    caffe: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether it is a test glacier of CaFFe, never to be pretrained on."""
        return self.caffe == "test"

    def as_feature(self) -> dict[str, Any]:
        """Return it as a GeoJSON feature, as :func:`read_glaciers` reads it."""
        names = ("name", "long_name", "region", "rgi_id", "epsg", "stable_terrain", "caffe")
        return {
            "type": "Feature",
            "properties": {name: getattr(self, name) for name in names},
            "geometry": self.geojson,
        }

    @classmethod
    def from_feature(cls, feature: Mapping[str, Any]) -> Glacier:
        """Return the glacier of a feature.

        Raises:
            UserError: a property or the area is wrong.
        """
        return _glacier("glacier", 1, feature)

    @property
    def geojson(self) -> dict[str, Any]:
        """The area as a GeoJSON geometry: a Polygon if it is in one piece, else a MultiPolygon."""
        parts = list(self.area.geoms)
        shape: BaseGeometry = parts[0] if len(parts) == 1 else self.area
        geometry: dict[str, Any] = parse_json(to_geojson(shape))
        return geometry


def read_glaciers(path: str | Path) -> dict[str, Glacier]:
    """Read a list of glaciers.

    Args:
        path: GeoJSON file with one feature per glacier; docs/acquisition.md describes it.

    Returns:
        Glaciers by name, in the order of the file.

    Raises:
        UserError: the file is missing or no GeoJSON, a property is wrong, a name is there twice, an
            area is empty, crosses itself, is outside the globe or at a pole, or is far from its
            UTM zone, or a glacier has the name of a test glacier of CaFFe but not its flag.
    """
    path = Path(path)
    fix = "correct acquisition.glaciers_file"
    try:
        document = read_json(path, _LONGEST_FILE_BYTES)
    except FileNotFoundError as error:
        raise UserError(path, "the file does not exist", fix) from error
    except OSError as error:
        raise UserError(path, f"the file cannot be read ({error.strerror})", fix) from error
    except ForeignTextError as error:
        raise UserError(path, str(error), "give a GeoJSON file") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features:
        raise UserError(
            path, "there are no features in it", "give a FeatureCollection, one feature per glacier"
        )
    glaciers: dict[str, Glacier] = {}
    taken = set()
    for index, feature in enumerate(features, start=1):
        glacier = _glacier(path, index, feature)
        # Names become folders, and for some file systems Store and STORE are the same.
        if glacier.name.casefold() in taken:
            raise UserError(f"{path}: {glacier.name}", "is there twice", "give each its own name")
        taken.add(glacier.name.casefold())
        glaciers[glacier.name] = glacier
    return glaciers


def choose_glaciers(
    glaciers: Mapping[str, Glacier], names: Sequence[str], source: str
) -> list[Glacier]:
    """Return the glaciers of some names; without names all that are not of CaFFe.

    Args:
        glaciers: glaciers by name.
        names: wanted names.
        source: file they come from, for the error.

    Raises:
        UserError: a name is unknown.
    """
    unknown = sorted(set(names) - set(glaciers))
    if unknown:
        raise UserError(
            f"acquisition.glaciers: {', '.join(unknown)}",
            f"is not in {source}",
            f"use names of it ({', '.join(glaciers)}) or add the glacier there",
        )
    if names:
        return [glaciers[name] for name in dict.fromkeys(names)]
    return [glacier for glacier in glaciers.values() if glacier.caffe is None]


def polygons_of(geometry: BaseGeometry) -> list[Polygon]:
    """Return the polygons of a geometry that are not empty, in their order."""
    parts = getattr(geometry, "geoms", [geometry])
    return [part for part in parts if isinstance(part, Polygon) and not part.is_empty]


def coverage_percent(area: BaseGeometry, footprint: BaseGeometry) -> float:
    """Return how much of an area a footprint covers, 0 to 100, in longitude and latitude.

    Sides are straight in degrees; a side of 250 km along a circle of latitude near 80 degrees bows
    by some 7 km on the ground.

    Args:
        area: in degrees, cut at the antimeridian; valid and not empty.
        footprint: in degrees, cut at the antimeridian; may cross itself.
    """
    if not footprint.is_valid:
        footprint = make_valid(footprint)
    # A degree of longitude is the same for both, so its length on the ground cancels.
    return min(100.0, float(100.0 * area.intersection(footprint).area / area.area))


def area_km2(area: BaseGeometry) -> float:
    """Return the size of a small area on the ground, square kilometres (sphere)."""
    parts = getattr(area, "geoms", [area])
    return float(
        sum(part.area * KM_PER_DEG**2 * math.cos(math.radians(part.centroid.y)) for part in parts)
    )


def unwrap(polygon: Polygon) -> Polygon:
    """Return a polygon in one piece, whose longitudes may leave -180 to 180 degrees.

    A ring whose longitude jumps by more than half the globe is taken to go the short way round.

    Args:
        polygon: longitudes -360 to 360 degrees.

    Raises:
        ValueError: it holds a pole: its ring winds around the globe.
    """
    shell = _unwrapped(get_coordinates(polygon.exterior))
    holes = [_unwrapped(get_coordinates(ring)) for ring in polygon.interiors]
    turns = [_GLOBE_DEG * round((shell[0, 0] - hole[0, 0]) / _GLOBE_DEG) for hole in holes]
    moved = [hole + np.array([turn, 0.0]) for hole, turn in zip(holes, turns, strict=True)]
    return Polygon(shell, moved)


def cut_at_antimeridian(polygon: Polygon) -> list[Polygon]:
    """Return a polygon with longitudes within -180 to 180, in two pieces if it crosses 180.

    Args:
        polygon: longitudes -360 to 360 degrees; see :func:`unwrap`.

    Raises:
        ValueError: it holds a pole.
    """
    whole = unwrap(polygon)
    pieces = []
    for turn in (_GLOBE_DEG * number for number in range(-2, 3)):
        piece = whole.intersection(box(turn - 180.0, -90.0, turn + 180.0, 90.0))
        pieces += [orient(translate(part, -turn)) for part in polygons_of(piece)]
    return pieces


def _unwrapped(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a ring, longitudes and latitudes, whose longitude never jumps by half the globe."""
    turns = np.round(-np.diff(ring[:, 0], prepend=ring[0, 0]) / _GLOBE_DEG).cumsum()
    unwrapped: NDArray[np.float64] = ring + np.column_stack(
        [_GLOBE_DEG * turns, np.zeros_like(turns)]
    )
    if abs(unwrapped[-1, 0] - unwrapped[0, 0]) > _WIDEST_DEG:
        raise ValueError("it holds a pole")
    return unwrapped


def _glacier(path: str | Path, index: int, feature: Any) -> Glacier:
    subject = f"{path}: feature {index}"
    if not isinstance(feature, Mapping):
        raise UserError(subject, "is not a GeoJSON feature", "correct the file")
    given = feature.get("properties")
    name = given.get("name") if isinstance(given, dict) else None
    if isinstance(name, str):
        if _NAME.fullmatch(name) is None:
            raise UserError(
                subject,
                f"the name {name[:60]!r} is not of 1 to 40 letters (a to z) and digits, or is a "
                "number alone, and it becomes part of file names",
                "give a short name, and the full one as long_name",
            )
        subject = f"{path}: {name}"
    try:
        properties = _Properties.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "properties"
        raise UserError(
            subject, f"{key}: {first['msg'].lower()}", "docs/acquisition.md lists the properties"
        ) from error
    _check_flag(subject, properties)
    area = _area(subject, feature.get("geometry"))
    _check_zone(subject, properties.epsg, area)
    return Glacier(area=area, **properties.model_dump(exclude={"note"}))


def _check_flag(subject: str, properties: _Properties) -> None:
    """Refuse a test glacier of the benchmark that would pass for an ordinary one."""
    names = (properties.name, properties.long_name)
    if properties.caffe != "test" and any(
        is_named_after(name, BENCHMARK_TEST_GLACIERS) for name in names
    ):
        raise UserError(
            subject,
            "it is named after a test glacier of CaFFe, which no pretraining may see",
            "set caffe to test, or give another glacier another name and long_name",
        )


def _check_zone(subject: str, epsg: int, area: MultiPolygon) -> None:
    """Refuse a zone far from the area: one of the two is wrong, e.g. longitude after latitude."""
    number, southern = epsg % 100, epsg >= 32700
    if not 1 <= number <= 60:
        raise UserError(
            subject, f"epsg: {epsg} is not a UTM zone", "give 32601 to 32660 or 32701 to 32760"
        )
    # The parts of an area across the antimeridian are far from each other in longitude.
    point = area.geoms[0].representative_point()
    meridian = 6 * number - 183
    away = abs((point.x - meridian + 180.0) % 360.0 - 180.0)
    if away > _FARTHEST_FROM_ZONE_DEG or (point.y < 0) != southern:
        hemisphere = "south" if southern else "north"
        raise UserError(
            subject,
            f"epsg: {epsg} is the zone around {meridian} E in the {hemisphere}, but the area is "
            f"at {point.x:.2f} E {point.y:.2f} N",
            "give the UTM zone of the area; coordinates are longitude first",
        )


def _area(subject: str, geometry: Any) -> MultiPolygon:
    """Return the checked area of a feature, cut at the antimeridian."""
    try:
        shape = from_geojson(json.dumps(geometry))
    except ShapelyError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            subject, f"its geometry is not GeoJSON ({reason})", "give a Polygon"
        ) from error
    parts = polygons_of(shape)
    if not parts:
        raise UserError(subject, "its area is empty or not a polygon", "give a Polygon")
    west, south, east, north = shape.bounds
    for what, least, most, limit in (
        ("latitudes", south, north, 90.0),
        ("longitudes", west, east, 360.0),
    ):
        if not -limit <= least <= most <= limit:
            raise UserError(
                subject,
                f"its {what} reach from {least:g} to {most:g}, beyond {limit:g} degrees",
                "give degrees, longitude first",
            )
    wholes = [_whole(subject, part) for part in parts]
    united = unary_union([piece for whole in wholes for piece in cut_at_antimeridian(whole)])
    _check_width(subject, united)
    # Normalised, so that the same area always has the same corners in the same order.
    normal = [each for part in polygons_of(united) for each in polygons_of(part.normalize())]
    return MultiPolygon([orient(part) for part in normal])


def _whole(subject: str, polygon: Polygon) -> Polygon:
    """Return a polygon in one piece that neither crosses itself nor holds or touches a pole."""
    west, south, east, north = polygon.bounds
    try:
        whole = unwrap(polygon)
    except ValueError:
        whole = None
    if whole is None or north >= 90.0 or south <= -90.0:
        raise UserError(
            subject,
            "its area goes around or up to a pole",
            "split it into areas that keep off the pole",
        )
    if not whole.is_valid or whole.area < _SMALLEST_DEG2:
        problem = f"is empty or crosses itself ({is_valid_reason(whole)})"
        if east - west >= _GLOBE_DEG:  # its west and east end are one meridian
            problem = f"reaches around the globe, from {west:g} to {east:g} degrees of longitude"
        raise UserError(subject, f"its area {problem}", "draw one small Polygon per glacier")
    return whole


def _check_width(subject: str, area: BaseGeometry) -> None:
    """Refuse parts that together span half the globe: they could be around a pole."""
    longitudes = get_coordinates(area)[:, 0]
    width = min(np.ptp(longitudes), np.ptp(longitudes % _GLOBE_DEG))
    if width > _WIDEST_DEG:
        raise UserError(
            subject,
            f"its area is {width:.0f} degrees of longitude wide",
            "give one area per glacier, without the pole",
        )
