"""Which part of an image a grid needs."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.annotation import Annotation

#: A scene that covers less of an area is not worth its place in a stack.
LEAST_OVERLAP: Final = 0.05
#: Points per side of the net over the grid; between its outer ones the edges bow by some metres.
_NET: Final = 33
#: For that, for interpolation and multilooking, pixels of the image.
_MARGIN_PX: Final = 16


class Window(NamedTuple):
    """Part of an image.

    Attributes:
        rows: lines.
        columns: pixels.
    """

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """(lines, pixels)."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def needed_window(
    annotation: Annotation, grid: Grid, heights_m: tuple[float, float], subject: str
) -> Window:
    """Return the part of the image that a grid shows, with some pixels around it.

    Args:
        annotation: of the image.
        grid: with a reference system.
        heights_m: lowest and highest height above the ellipsoid, metres.
        subject: what messages call the product.

    Raises:
        UserError: the grid is outside of the image, or less than :data:`LEAST_OVERLAP` of it is
            inside.
    """
    lon, lat = _net(grid)
    points = np.stack([to_ecef(lon, lat, height) for height in heights_m], axis=1)
    line, pixel = annotation.image_position(to_radar(annotation.orbit, points))
    inside = (line >= 0) & (line <= annotation.lines - 1)
    inside &= (pixel >= 0) & (pixel <= annotation.pixels - 1)
    share = float(inside.any(axis=0).mean())
    if share < LEAST_OVERLAP:
        part = f"only {share:.1%} of the area is" if share else "the area is not"
        raise UserError(subject, f"{part} in the scene", "choose a scene that covers the area")
    return Window(_clipped(line, annotation.lines), _clipped(pixel, annotation.pixels))


def _net(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from pyproj import Transformer

    x, y = np.meshgrid(
        np.linspace(grid.left, grid.right, _NET), np.linspace(grid.bottom, grid.top, _NET)
    )
    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = transformer.transform(x, y)
    return lon, lat


def _clipped(positions: NDArray[np.float64], size: int) -> slice:
    first, last = np.floor(np.nanmin(positions)), np.ceil(np.nanmax(positions))
    return slice(int(max(0, first - _MARGIN_PX)), int(min(size, last + 1 + _MARGIN_PX)))
