"""Regular north-up grids in map metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grid:
    """Square pixels, row 0 in the north, column 0 in the west.

    Attributes:
        left_m: x (east) of the west edge.
        top_m: y (north) of the north edge.
        spacing_m: side of a pixel.
        height_px: rows.
        width_px: columns.
    """

    left_m: float
    top_m: float
    spacing_m: float
    height_px: int
    width_px: int

    @classmethod
    def centred(cls, width_m: float, height_m: float, spacing_m: float) -> Grid:
        """Return the grid of an area around (0, 0); sides are rounded to whole pixels."""
        return cls(
            -width_m / 2,
            height_m / 2,
            spacing_m,
            max(1, round(height_m / spacing_m)),
            max(1, round(width_m / spacing_m)),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height_px, self.width_px

    @property
    def right_m(self) -> float:
        """Coordinate x of the east edge."""
        return self.left_m + self.width_px * self.spacing_m

    @property
    def bottom_m(self) -> float:
        """Coordinate y of the south edge."""
        return self.top_m - self.height_px * self.spacing_m

    def x_m(self) -> NDArray[np.float64]:
        """Return (1, W) coordinates x of the pixel centres."""
        steps = np.arange(self.width_px, dtype=np.float64) + 0.5
        return np.asarray(self.left_m + steps * self.spacing_m, np.float64)[None, :]

    def y_m(self) -> NDArray[np.float64]:
        """Return (H, 1) coordinates y of the pixel centres."""
        steps = np.arange(self.height_px, dtype=np.float64) + 0.5
        return np.asarray(self.top_m - steps * self.spacing_m, np.float64)[:, None]

    def column_px(self, x_m: float) -> float:
        """Return the column coordinate of x, where column 0 spans 0 to 1."""
        return (x_m - self.left_m) / self.spacing_m

    def row_px(self, y_m: float) -> float:
        """Return the row coordinate of y, where row 0 spans 0 to 1."""
        return (self.top_m - y_m) / self.spacing_m
