"""Glaciers and their areas of interest, read from a GeoJSON file (RFC 7946).

Longitudes and latitudes are degrees (WGS 84). An area across the antimeridian may be given in two
parts, as the standard wants it, or in one piece whose ring crosses 180 degrees: it is cut here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely import from_geojson, is_valid_reason, to_geojson
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from ssl4sar.core.errors import UserError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}")
#: No catalogue takes an area of half the Earth, and no glacier needs one.
_WIDEST_DEG: Final = 180.0
KM_PER_DEG: Final = 111.195
"""Length of one degree of a great circle of the mean Earth radius, 6371.0 km."""


class _Properties(BaseModel):
    """What a feature tells of its glacier."""

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
        name: letters and digits, fit for the file names of SSL4SAR.
        long_name: name for people.
        region: where it lies.
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
        geometry: dict[str, Any] = json.loads(to_geojson(shape))
        return geometry


def read_glaciers(path: str | Path) -> dict[str, Glacier]:
    """Read a list of glaciers.

    Args:
        path: GeoJSON file with one feature per glacier; docs/acquisition.md describes it.

    Returns:
        Glaciers by name, in the order of the file.

    Raises:
        UserError: the file is missing or no GeoJSON, a property is wrong, a name is there twice, or
            an area is empty, crosses itself, lies outside the globe or holds a pole.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            path, "the file does not exist", "correct acquisition.glaciers_file"
        ) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(path, f"this is no JSON ({error})", "give a GeoJSON file") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features:
        raise UserError(
            path, "there are no features in it", "give a FeatureCollection, one feature per glacier"
        )
    glaciers: dict[str, Glacier] = {}
    for index, feature in enumerate(features, start=1):
        glacier = _glacier(path, index, feature)
        if glacier.name in glaciers:
            raise UserError(f"{path}: {glacier.name}", "is there twice", "give each its own name")
        glaciers[glacier.name] = glacier
    return glaciers


def choose_glaciers(
    glaciers: Mapping[str, Glacier], names: Sequence[str], source: str
) -> list[Glacier]:
    """Return the glaciers of some names; without names all but the test glaciers of CaFFe.

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
    return [glacier for glacier in glaciers.values() if not glacier.is_test]


def coverage_percent(area: BaseGeometry, footprint: BaseGeometry) -> float:
    """Return how much of an area a footprint covers, 0 to 100, on a plane tangent to the area.

    Args:
        area: in degrees, cut at the antimeridian.
        footprint: in degrees, cut at the antimeridian.
    """
    # A degree of longitude is the same for both, so its length on the ground cancels.
    return float(100.0 * area.intersection(footprint).area / area.area)


def area_km2(area: BaseGeometry) -> float:
    """Return the size of a small area on the ground, square kilometres (sphere)."""
    return float(
        sum(
            part.area * KM_PER_DEG**2 * math.cos(math.radians(part.centroid.y))
            for part in getattr(area, "geoms", [area])
        )
    )


def unwrap(polygon: Polygon) -> Polygon:
    """Return a polygon in one piece, whose longitudes may leave -180 to 180 degrees.

    A ring whose longitude jumps by more than half the globe is taken to go the short way round.

    Args:
        polygon: longitudes -180 to 360 degrees.

    Raises:
        ValueError: it holds a pole: its ring winds around the globe.
    """
    shell = _unwrapped(list(polygon.exterior.coords))
    return Polygon(
        shell, [_unwrapped(list(ring.coords), near=shell[0][0]) for ring in polygon.interiors]
    )


def cut_at_antimeridian(polygon: Polygon) -> list[Polygon]:
    """Return a polygon with longitudes within -180 to 180, in two pieces if it crosses 180.

    Args:
        polygon: longitudes -180 to 360 degrees; see :func:`unwrap`.

    Raises:
        ValueError: it holds a pole.
    """
    whole = unwrap(polygon)
    pieces = []
    for turns in range(-2, 3):
        lowest = -180.0 + 360.0 * turns
        piece = whole.intersection(box(lowest, -90.0, lowest + 360.0, 90.0))
        for part in getattr(piece, "geoms", [piece]):
            if isinstance(part, Polygon) and not part.is_empty:
                pieces.append(orient(translate(part, -360.0 * turns)))
    return pieces


def _unwrapped(
    ring: list[tuple[float, ...]], near: float | None = None
) -> list[tuple[float, float]]:
    first = ring[0][0]
    offset = 0.0 if near is None else 360.0 * round((near - first) / 360.0)
    points = [(first + offset, ring[0][1])]
    for lon, lat in (point[:2] for point in ring[1:]):
        points.append((lon + 360.0 * round((points[-1][0] - lon) / 360.0), lat))
    if abs(points[-1][0] - points[0][0]) > _WIDEST_DEG:
        raise ValueError("it holds a pole")
    return points


def _glacier(path: str | Path, index: int, feature: Any) -> Glacier:
    if not isinstance(feature, Mapping):
        raise UserError(f"{path}: feature {index}", "is no GeoJSON feature", "correct the file")
    given = feature.get("properties")
    subject = f"{path}: feature {index}"
    try:
        properties = _Properties.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "properties"
        raise UserError(
            subject, f"{key}: {first['msg'].lower()}", "docs/acquisition.md lists the properties"
        ) from error
    subject = f"{path}: {properties.name}"
    if _NAME.fullmatch(properties.name) is None:
        raise UserError(
            subject,
            "the name is part of file names and may hold letters and digits only",
            "shorten it and put the full name into long_name",
        )
    return Glacier(
        name=properties.name,
        long_name=properties.long_name,
        region=properties.region,
        area=_area(subject, feature.get("geometry")),
        epsg=properties.epsg,
        rgi_id=properties.rgi_id,
        stable_terrain=properties.stable_terrain,
        caffe=properties.caffe,
    )


def _area(subject: str, geometry: Any) -> MultiPolygon:
    """Return the checked area of a feature, cut at the antimeridian."""
    try:
        shape = from_geojson(json.dumps(geometry))
    except ShapelyError as error:
        raise UserError(subject, "its geometry is no GeoJSON", "give a Polygon") from error
    if not isinstance(shape, Polygon | MultiPolygon) or shape.is_empty:
        raise UserError(subject, "its area is empty or no polygon", "give a Polygon with an area")
    west, south, east, north = shape.bounds
    if not (-180.0 <= west <= east <= 360.0 and -90.0 <= south <= north <= 90.0):
        raise UserError(
            subject,
            f"its area reaches from {west:g} to {east:g} E and {south:g} to {north:g} N",
            "give degrees, longitude first",
        )
    pieces: list[Polygon] = []
    for polygon in getattr(shape, "geoms", [shape]):
        try:
            whole = unwrap(polygon)
        except ValueError as error:
            raise UserError(
                subject,
                "its area goes around a pole",
                "split it into areas that do not hold the pole",
            ) from error
        if not whole.is_valid:
            raise UserError(
                subject,
                f"its area crosses itself ({is_valid_reason(whole)})",
                "draw it anew without crossing lines",
            )
        pieces.extend(cut_at_antimeridian(whole))
    united = unary_union(pieces)
    parts = [part for part in getattr(united, "geoms", [united]) if isinstance(part, Polygon)]
    area = MultiPolygon([orient(part) for part in parts])
    if area.area == 0:
        raise UserError(subject, "its area is empty or no polygon", "give a Polygon with an area")
    return area
