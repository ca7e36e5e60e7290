"""The pixel grid of an image on a map: one immutable value for all images of the package.

A grid is a shape, an affine transform and a coordinate reference system (CRS). It says where every
pixel is, and nothing about what the pixels hold. Grids are compared and hashed by value. The
package that knows reference systems is imported only where one is looked into: most images have
none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError

#: (a, b, c, d, e, f) with x = a column + b row + c and y = d column + e row + f, for the upper left
#: corner of a pixel.
Transform = tuple[float, float, float, float, float, float]
#: (left, bottom, right, top), map units.
Bounds = tuple[float, float, float, float]

#: Grids that differ by less at every corner are the same, pixels.
TOLERANCE_PX: Final = 0.01
#: Height and width of a pixel may differ by this share.
_SQUARE: Final = 0.01
#: Bounds this close to the lattice, in pixels, are on it: a sum of floats is hardly ever exact.
_ON_LATTICE: Final = 1e-6
#: Where UTM ends, degrees; beyond, both polar stereographic systems are those of NSIDC and SCAR.
_UTM_NORTH, _UTM_SOUTH = 84.0, -80.0
_NORTH_POLE, _SOUTH_POLE = "EPSG:3413", "EPSG:3031"
_WARP: Final = "bring it to square north-up pixels in metres, e.g. gdalwarp -t_srs EPSG:32622 -tr"


@dataclass(frozen=True)
class Grid:
    """Where the pixels of an image are; a shifted or resized grid is another value.

    Attributes:
        height: rows, pixels.
        width: columns, pixels.
        transform: see :data:`Transform`, in units of ``crs``.
        crs: authority code (``EPSG:32622``) or WKT; None for a plane that is not on the Earth, and
            where it is not known.
    """

    height: int
    width: int
    transform: Transform
    crs: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a grid.

        Raises:
            ValueError: no pixels, or a transform that cannot be inverted.
        """
        a, b, _, d, e, _ = self.transform
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a grid of {self.height}x{self.width} px has no pixels")
        if not all(map(math.isfinite, self.transform)) or a * e == b * d:
            raise ValueError("the transform is not invertible")

    @classmethod
    def at(
        cls, left: float, top: float, spacing: float, shape: tuple[int, int], crs: str | None = None
    ) -> Self:
        """Return north-up square pixels from their upper left corner.

        Args:
            left: x of the west edge, map units.
            top: y of the north edge, map units.
            spacing: side of a pixel, map units.
            shape: (rows, columns).
            crs: reference system.
        """
        return cls(*shape, (spacing, 0.0, left, 0.0, -spacing, top), crs)

    @classmethod
    def centred(cls, width: float, height: float, spacing: float) -> Self:
        """Return the grid of an area around (0, 0); sides are rounded to whole pixels."""
        shape = (max(1, round(height / spacing)), max(1, round(width / spacing)))
        return cls.at(-width / 2, height / 2, spacing, shape)

    @classmethod
    def snapped(cls, bounds: Bounds, spacing: float, crs: str | None = None) -> Self:
        """Return the smallest grid over an area whose edges are multiples of the pixel size.

        All such grids of one spacing and CRS share one lattice, whatever their areas.

        Args:
            bounds: area that is covered, map units.
            spacing: side of a pixel, map units.
            crs: reference system.

        Raises:
            ValueError: the bounds are not in order.
        """
        left, bottom, right, top = (side / spacing for side in bounds)
        if not (left < right and bottom < top):
            raise ValueError(f"bounds {bounds} are not left, bottom, right, top")
        west, north = math.floor(left + _ON_LATTICE), math.ceil(top - _ON_LATTICE)
        east, south = math.ceil(right - _ON_LATTICE), math.floor(bottom + _ON_LATTICE)
        shape = (max(1, north - south), max(1, east - west))
        return cls.at(west * spacing, north * spacing, spacing, shape, crs)

    @classmethod
    def of_bounds(cls, bounds: Bounds, shape: tuple[int, int], crs: str | None = None) -> Self:
        """Return the north-up grid of an image whose outer edges and size are known."""
        (left, bottom, right, top), (height, width) = bounds, shape
        steps = (right - left) / width, (bottom - top) / height
        return cls(height, width, (steps[0], 0.0, left, 0.0, steps[1], top), crs)

    @classmethod
    def of_raster(cls, raster: Any) -> Self | None:
        """Return the grid of an open dataset of rasterio; None where it has no coordinates."""
        if raster.transform.is_identity:
            return None
        crs = raster.crs.to_string() if raster.crs else None
        return cls(raster.height, raster.width, tuple(raster.transform)[:6], crs)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @property
    def left(self) -> float:
        """Coordinate x of the upper left corner."""
        return self.transform[2]

    @property
    def top(self) -> float:
        """Coordinate y of the upper left corner."""
        return self.transform[5]

    @property
    def right(self) -> float:
        """Coordinate x of the east edge of a north-up grid."""
        return self.left + self.width * self.transform[0]

    @property
    def bottom(self) -> float:
        """Coordinate y of the south edge of a north-up grid."""
        return self.top + self.height * self.transform[4]

    @property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) around all corners, map units."""
        xs, ys = zip(*self._corners(), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def is_north_up(self) -> bool:
        """Whether rows run from north to south and columns from west to east."""
        a, b, _, d, e, _ = self.transform
        return b == d == 0 and a > 0 > e

    @property
    def spacing(self) -> float:
        """Side of a pixel, map units; of pixels that are not square, of a square of their area."""
        a, b, _, d, e, _ = self.transform
        return a if (a, b, d) == (-e, 0, 0) else math.sqrt(abs(a * e - b * d))

    @property
    def spacing_m(self) -> float | None:
        """Side of a pixel, metres; None without a CRS, and where its units are angles."""
        metres = None if self.crs is None else _metres_per_unit(self.crs)
        return None if metres is None else self.spacing * metres

    def x(self) -> NDArray[np.float64]:
        """Return (1, W) coordinates x of the pixel centres of a north-up grid."""
        steps = np.arange(self.width, dtype=np.float64) + 0.5
        return np.asarray(self.left + steps * self.transform[0], np.float64)[None, :]

    def y(self) -> NDArray[np.float64]:
        """Return (H, 1) coordinates y of the pixel centres of a north-up grid."""
        steps = np.arange(self.height, dtype=np.float64) + 0.5
        return np.asarray(self.top + steps * self.transform[4], np.float64)[:, None]

    def column(self, x: float) -> float:
        """Return the column coordinate of x in a north-up grid; column 0 spans 0 to 1."""
        return (x - self.left) / self.transform[0]

    def row(self, y: float) -> float:
        """Return the row coordinate of y in a north-up grid; row 0 spans 0 to 1."""
        return (self.top - y) / -self.transform[4]

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Return (x, y) of a position in pixels; (0, 0) is the upper left corner of the image."""
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    def crop(self, rows: slice, columns: slice) -> Self:
        """Return the grid of a window, in rows and columns of this grid; it may reach beyond it."""
        a, b, _, d, e, _ = self.transform
        x, y = self.place(columns.start, rows.start)
        size = rows.stop - rows.start, columns.stop - columns.start
        return replace(self, height=size[0], width=size[1], transform=(a, b, x, d, e, y))

    def pad(self, pixels: int) -> Self:
        """Return the grid with so many more pixels on every side, fewer where negative."""
        return self.crop(slice(-pixels, self.height + pixels), slice(-pixels, self.width + pixels))

    def overlap(self, other: Grid) -> tuple[slice, slice] | None:
        """Return rows and columns of this grid that another one of its lattice covers, too.

        ``grid.crop(*grid.overlap(other))`` is the common grid.

        Returns:
            The window; None where they have no pixel in common.

        Raises:
            ValueError: the pixels of the other grid are not those of this lattice.
        """
        a, b, _, d, e, _ = self.transform
        dx, dy = other.left - self.left, other.top - self.top
        determinant = a * e - b * d
        column, row = (e * dx - b * dy) / determinant, (a * dy - d * dx) / determinant
        first = round(row), round(column)
        moved = self.crop(
            slice(first[0], first[0] + other.height), slice(first[1], first[1] + other.width)
        )
        fault = moved.difference(other, "the other grid")
        if fault is not None:
            raise ValueError(f"the grids are not of one lattice: {fault}")
        ends = zip(first, self.shape, other.shape, strict=True)
        rows, columns = (
            slice(max(start, 0), min(start + theirs, ours)) for start, ours, theirs in ends
        )
        nothing = rows.start >= rows.stop or columns.start >= columns.stop
        return None if nothing else (rows, columns)

    def resized(self, shape: tuple[int, int], factor: float) -> Self:
        """Return a grid from the same corner with pixels ``factor`` times as large."""
        a, b, c, d, e, f = self.transform
        larger = (a * factor, b * factor, c, d * factor, e * factor, f)
        return replace(self, height=shape[0], width=shape[1], transform=larger)

    def difference(self, other: Grid, called: str) -> str | None:
        """Say how this grid differs from another one as far as both are known, else None.

        Args:
            other: grid to compare with.
            called: what it is, for the phrase, e.g. "its optical image".
        """
        if self.shape != other.shape:
            return size_difference(self.shape, other.shape, called)
        if self.crs is not None and other.crs is not None and not _same_crs(self.crs, other.crs):
            return f"the image is in {_short(self.crs)}, {called} in {_short(other.crs)}"
        corners = zip(self._corners(), other._corners(), strict=True)
        offset_px = max(math.dist(*pair) for pair in corners) / self.spacing
        if offset_px <= TOLERANCE_PX:
            return None
        return (
            f"the image is up to {offset_px:.3g} pixels off {called} "
            f"(transforms {_shown(self.transform)} and {_shown(other.transform)})"
        )

    def require_metres(self, subject: str | Path) -> float:
        """Return the pixel size in metres of a grid in which lengths are measured.

        Raises:
            UserError: rotated or anisotropic, without a reference system, or in degrees.
        """
        if self.crs is None:
            raise UserError(
                subject,
                "it has coordinates, but no reference system: its pixel size is not known",
                "write the system into the file (gdal_edit.py -a_srs EPSG:32622 FILE), or remove "
                "the coordinates so that the pixel size of its name counts",
            )
        spacing_m = self.spacing_m
        if spacing_m is None:
            raise UserError(
                subject, f"its reference system {_short(self.crs)} is in degrees", _WARP
            )
        if not self.is_north_up:
            raise UserError(subject, "its grid is rotated or not north up", _WARP)
        a, e = self.transform[0], self.transform[4]
        if abs(a / -e - 1) > _SQUARE:
            raise UserError(subject, f"its pixels are {a:g} x {-e:g}, not square", _WARP)
        return spacing_m

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        transform = list(self.transform)
        return {"height": self.height, "width": self.width, "transform": transform, "crs": self.crs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild a grid from :meth:`to_json`.

        Raises:
            TypeError: a key is missing or unknown, or a value has another type.
            ValueError: not a grid.
        """
        transform = tuple(map(float, value.get("transform", ())))
        if len(transform) != 6:
            raise ValueError("the transform has not 6 numbers")
        return cls(**{**value, "transform": transform})

    def _corners(self) -> list[tuple[float, float]]:
        height, width = self.shape
        return [self.place(*c) for c in ((0, 0), (width, 0), (0, height), (width, height))]


def size_difference(shape: tuple[int, ...], other: tuple[int, ...], called: str) -> str | None:
    """Say how the size of an image differs from another one, rows x columns, else None."""
    if shape == other:
        return None
    return f"the image is {shape[0]}x{shape[1]} px, {called} {other[0]}x{other[1]} px"


def crs_at(longitude: float, latitude: float) -> str:
    """Return the reference system in metres for the surroundings of a position.

    The zone of UTM, with the exceptions of south-western Norway and Svalbard, as the tiles of
    Sentinel-2 have it; polar stereographic beyond 84 N and 80 S.

    Args:
        longitude: degrees east, any turn.
        latitude: degrees north.
    """
    if latitude > _UTM_NORTH:
        return _NORTH_POLE
    if latitude < _UTM_SOUTH:
        return _SOUTH_POLE
    longitude = (longitude + 180) % 360 - 180
    zone = min(int((longitude + 180) // 6) + 1, 60)
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        zone = 32
    elif latitude >= 72 and 0 <= longitude < 42:
        zone = 31 + 2 * int((longitude + 3) // 12)
    return f"EPSG:{32600 + zone if latitude >= 0 else 32700 + zone}"


@lru_cache(maxsize=64)
def _metres_per_unit(crs: str) -> float | None:
    from rasterio.crs import CRS

    parsed = CRS.from_string(crs)
    return float(parsed.linear_units_factor[1]) if parsed.is_projected else None


def _same_crs(one: str, other: str) -> bool:
    if one == other:
        return True
    from rasterio.crs import CRS

    return bool(CRS.from_string(one) == CRS.from_string(other))


def _shown(transform: Transform) -> str:
    return "(" + ", ".join(f"{value:.10g}" for value in transform) + ")"


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else f"{crs[:37]}..."
