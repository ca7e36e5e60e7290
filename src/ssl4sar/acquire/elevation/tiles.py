"""Tiles of the Copernicus DEM GLO-30 that an area needs: names, addresses, the rectangle they fill.

A tile covers one degree by one degree and is named after its south-western corner. Its heights
belong to points: the first column is on the western edge, the first row on the northern one, and
the eastern and southern edges belong to the neighbours (readme of the public bucket). A tile so
owns longitudes W <= lon < W + 1 and latitudes S < lat <= S + 1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Self

from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from ssl4sar.acquire.areas import KM_PER_DEG
from ssl4sar.core.errors import UserError

_NAME: Final = re.compile(r"([NS])(\d\d)_([EW])(\d\d\d)")
#: Room for the pixel beyond an edge, so that the edge itself can be interpolated: one row of 1 arc
#: second, two columns of 10 arc seconds.
_ROW_DEG: Final = 1.0 / 3600
_COLUMNS_DEG: Final = 20.0 / 3600
_WIDEST_DEG: Final = 180.0
#: Columns of a tile from a latitude on, degrees (readme of the public bucket).
_COLUMNS: Final = ((85, 360), (80, 720), (70, 1200), (60, 1800), (50, 2400), (0, 3600))


@dataclass(frozen=True, order=True)
class Tile:
    """A tile of one degree by one degree.

    Attributes:
        south: latitude of its southern edge, -90 to 89 degrees.
        west: longitude of its western edge, -180 to 179 degrees.
    """

    south: int
    west: int

    def __post_init__(self) -> None:
        if not (-90 <= self.south <= 89 and -180 <= self.west <= 179):
            raise ValueError(f"there is no tile at {self.south} N, {self.west} E")

    @property
    def latitude(self) -> str:
        """The latitude as its name has it, e.g. N78."""
        return f"{'N' if self.south >= 0 else 'S'}{abs(self.south):02d}"

    @property
    def longitude(self) -> str:
        """The longitude as its name has it, e.g. E012."""
        return f"{'E' if self.west >= 0 else 'W'}{abs(self.west):03d}"

    @property
    def name(self) -> str:
        """Name of its files, e.g. N78_E012."""
        return f"{self.latitude}_{self.longitude}"

    @property
    def columns(self) -> int:
        """Columns of this tile in GLO-30: their spacing in degrees grows with the latitude."""
        nearest_deg = self.south if self.south >= 0 else -self.south - 1
        return next(columns for least_deg, columns in _COLUMNS if nearest_deg >= least_deg)

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the tile of a name.

        Raises:
            ValueError: this is not the name of a tile.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name!r} is not the name of a tile such as N78_E012")
        tile = cls(
            int(match[2]) * (1 if match[1] == "N" else -1),
            int(match[4]) * (1 if match[3] == "E" else -1),
        )
        if tile.name != name:  # S00, W000 and the like
            raise ValueError(f"{name!r} is not the name of a tile: it is called {tile.name}")
        return tile

    def url(self, template: str) -> str:
        """Return its address.

        Args:
            template: address with {lat} and {lon}.

        Raises:
            UserError: there is no {lat} or no {lon}, or some other name in braces.
        """
        if "{lat}" not in template or "{lon}" not in template:
            raise UserError(
                f"elevation.tile_url: {template}",
                "does not say where the tile's place is filled in",
                "write {lat} and {lon} into it",
            )
        return template.replace("{lat}", self.latitude).replace("{lon}", self.longitude)


@dataclass(frozen=True)
class Bounds:
    """A rectangle in degrees whose longitudes are continuous.

    Attributes:
        west: -180 <= west < 180, or a little less with a margin.
        south: latitude.
        east: above west; above 180 where the rectangle crosses the antimeridian.
        north: latitude.
    """

    west: float
    south: float
    east: float
    north: float


def bounds_of_area(area: BaseGeometry, margin_km: float, name: str = "area") -> Bounds:
    """Return the rectangle around an area and a margin.

    Args:
        area: polygons in degrees, cut at the antimeridian or not.
        margin_km: land around it, kilometres on a sphere of 6371.0 km.
        name: what the area is called in errors.

    Raises:
        UserError: it is empty, or it reaches around the globe or, with its margin, over a pole.
    """
    if area.is_empty:
        raise UserError(name, "its area is empty", "give a Polygon with an area")
    first = getattr(area, "geoms", [area])[0]
    west, south, east, north = area_around(area, first.centroid.x).bounds
    turn = 360.0 * math.floor((west + 180.0) / 360.0)
    west, east = west - turn, east - turn
    margin_deg = margin_km / KM_PER_DEG
    farthest_deg = max(abs(south), abs(north))
    # The circle of this radius around a point spans so many degrees of longitude.
    widening_deg = math.degrees(
        math.asin(
            min(math.sin(math.radians(margin_deg)) / math.cos(math.radians(farthest_deg)), 1.0)
        )
    )
    if farthest_deg + margin_deg >= 90.0 or east - west + 2 * widening_deg > _WIDEST_DEG:
        raise UserError(
            name,
            f"with its margin of {margin_km:g} km it reaches around or over a pole",
            "choose a smaller area or elevation.margin_km",
        )
    return Bounds(west - widening_deg, south - margin_deg, east + widening_deg, north + margin_deg)


def area_around(area: BaseGeometry, lon: float) -> BaseGeometry:
    """Return an area without the seam at 180 degrees, along which it is cut.

    Args:
        area: polygons in degrees.
        lon: longitude, degrees, to which those of the area are the nearest turn of the globe.
    """
    parts = getattr(area, "geoms", [area])
    turns = [360.0 * round((lon - part.centroid.x) / 360.0) for part in parts]
    return unary_union([translate(part, turn) for part, turn in zip(parts, turns, strict=True)])


def tiles_of_bounds(bounds: Bounds) -> list[Tile]:
    """Return the tiles that own the heights of a rectangle, its edges included, south-west first.

    Args:
        bounds: rectangle in degrees.
    """
    souths = range(
        max(math.ceil(bounds.south - _ROW_DEG) - 1, -90),
        min(math.ceil(bounds.north + _ROW_DEG) - 1, 89) + 1,
    )
    wests = range(math.floor(bounds.west), math.floor(bounds.east + _COLUMNS_DEG) + 1)
    return [Tile(south, (west + 180) % 360 - 180) for south in souths for west in wests]


def tiles_of_area(area: BaseGeometry, margin_km: float, name: str = "area") -> list[Tile]:
    """Return the tiles that an area and its margin need, south-west first.

    Args:
        area: polygons in degrees, cut at the antimeridian or not.
        margin_km: land around it, kilometres.
        name: what the area is called in errors.

    Raises:
        UserError: as :func:`bounds_of_area`.
    """
    return tiles_of_bounds(bounds_of_area(area, margin_km, name))
