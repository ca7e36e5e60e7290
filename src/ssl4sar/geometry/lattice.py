"""Smooth functions over the pixels of a grid: exact on a coarse lattice, cubic between its nodes.

Coordinates, distances and directions bend so little within some hundred metres that the cubic
through four nodes is right to far less than a millimetre, at a hundredth of the price.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import Cartesian, to_ecef

#: Pixels between nodes.
STEP: Final = 32
#: Nodes that a cubic needs before and after the cell of a pixel.
_BEFORE, _AFTER = 1, 2


@dataclass(frozen=True)
class Lattice:
    """Nodes every :data:`STEP` pixels over a north-up grid, and some around it.

    Attributes:
        grid: with a reference system.
    """

    grid: Grid

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of nodes, M x N."""
        rows, columns = (-(-side // STEP) + _BEFORE + _AFTER for side in self.grid.shape)
        return rows, columns

    def x(self) -> NDArray[np.float64]:
        """Return (1, N) coordinates x of the nodes."""
        return self.grid.left + (self._positions(1) + 0.5)[None, :] * self.grid.transform[0]

    def y(self) -> NDArray[np.float64]:
        """Return (M, 1) coordinates y of the nodes."""
        return self.grid.top + (self._positions(0) + 0.5)[:, None] * self.grid.transform[4]

    def in_crs(self, crs: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (M, N) coordinates x and y of the nodes in another horizontal reference system.

        Longitudes are continuous, also across the antimeridian.
        """
        from pyproj import CRS, Transformer

        transformer = Transformer.from_crs(self.grid.crs, crs, always_xy=True)
        across, down = np.broadcast_arrays(self.x(), self.y())
        x, y = transformer.transform(across, down)
        if CRS.from_user_input(crs).is_geographic:
            middle = x[x.shape[0] // 2, x.shape[1] // 2]
            x = middle + (x - middle + 180.0) % 360.0 - 180.0
        return x, y

    @cached_property
    def lon_lat(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(M, N) longitudes, continuous, and latitudes of the nodes, degrees on WGS 84."""
        return self.in_crs("EPSG:4326")

    def points(self, height_m: float) -> Cartesian:
        """Return (3, M, N) ECEF coordinates of the nodes at a height above the ellipsoid."""
        return to_ecef(*self.lon_lat, height_m)

    def spread(self, values: NDArray[np.float64], rows: slice) -> NDArray[np.float64]:
        """Return the values at the centres of pixels.

        Args:
            values: (M, N) at the nodes.
            rows: rows of the grid, without a step.

        Returns:
            (rows, W), cubic in both directions (Lagrange's polynomial through four nodes).
        """
        cell, rest = np.divmod(np.arange(rows.start, rows.stop), STEP)
        down = sum(
            weight[:, None] * values[cell + node] for node, weight in enumerate(_weights(rest))
        )
        # A product of small matrices per row: eight times as fast as sums of whole arrays, and the
        # same bytes however the rows are cut.
        nodes = np.lib.stride_tricks.sliding_window_view(down, _BEFORE + _AFTER + 1, axis=1)
        found: NDArray[np.float64] = np.matmul(nodes, _weights(np.arange(STEP)))
        return found.reshape(len(down), -1)[:, : self.grid.width]

    def _positions(self, axis: int) -> NDArray[np.float64]:
        return STEP * np.arange(-_BEFORE, self.shape[axis] - _BEFORE, dtype=np.float64)


def _weights(rest: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (4, ...) weights of the nodes -1, 0, 1 and 2 for pixels after node 0."""
    s = rest.astype(np.float64) / STEP
    return np.stack(
        (
            -s * (s - 1) * (s - 2) / 6,
            (s + 1) * (s - 1) * (s - 2) / 2,
            -(s + 1) * s * (s - 2) / 2,
            (s + 1) * s * (s - 1) / 6,
        )
    )
