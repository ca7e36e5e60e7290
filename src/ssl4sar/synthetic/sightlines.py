"""Terrain along parallel rays: the frame in which shadows and folds are running maxima."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.grid import Grid
from ssl4sar.synthetic.noise import FloatArray


@dataclass(frozen=True)
class Sightlines:
    """A square frame, turned so that rays run along its rows and started where they come in.

    Attributes:
        source: grid of the terrain.
        azimuth_rad: direction in which the rays travel over the ground, from east,
            counter-clockwise.
    """

    source: Grid
    azimuth_rad: float

    @property
    def _matrix(self) -> NDArray[np.float64]:
        # The row axis points from north to south.
        cosine, sine = math.cos(self.azimuth_rad), -math.sin(self.azimuth_rad)
        return np.array([[cosine, sine], [-sine, cosine]])

    @property
    def _side_px(self) -> int:
        return math.ceil(math.hypot(*self.source.shape))

    @property
    def _centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        height, width = self.source.shape
        return np.array([height - 1, width - 1]) / 2, np.full(2, (self._side_px - 1) / 2)

    @cached_property
    def range_m(self) -> FloatArray:
        """(side,) float32 ground range along the rays."""
        return (np.arange(self._side_px) * self.source.spacing).astype(np.float32)

    def turned(self, field: FloatArray) -> FloatArray:
        """Return a field of the source grid in the frame, (side, side) float32."""
        centre_in, centre_out = self._centres
        shape = (self._side_px, self._side_px)
        return _rotated(field, self._matrix, centre_in, centre_out, shape)

    def straight(self, field: NDArray[np.floating]) -> FloatArray:
        """Return a field of the frame on the source grid, (H, W) float32."""
        centre_in, centre_out = self._centres
        field = field.astype(np.float32)
        return _rotated(field, self._matrix.T, centre_out, centre_in, self.source.shape)

    def shadow_depth_m(self, turned: FloatArray, fall: float) -> FloatArray:
        """Return how far a point is below the last ray that passes the terrain before it.

        Args:
            turned: (side, side) terrain in the frame, metres.
            fall: metres by which a ray falls per metre over the ground.

        Returns:
            (side, side) float32, 0 where the point is seen.
        """
        sight = turned + self.range_m * np.float32(fall)
        return np.asarray(np.maximum.accumulate(sight, 1) - sight, np.float32)


def _rotated(
    field: NDArray[np.floating],
    matrix: NDArray[np.float64],
    centre_from: NDArray[np.float64],
    centre_to: NDArray[np.float64],
    shape: tuple[int, int],
) -> FloatArray:
    offset = centre_from - matrix @ centre_to
    rotated: FloatArray = ndimage.affine_transform(
        field, matrix, offset, shape, order=1, mode="nearest"
    )
    return rotated
