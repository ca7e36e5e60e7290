"""Grids."""

from __future__ import annotations

import numpy as np

from ssl4sar.synthetic.grid import Grid


def test_grid_coordinates():
    grid = Grid.centred(100.0, 60.0, 20.0)
    assert grid.shape == (3, 5)
    np.testing.assert_allclose(grid.x_m(), [[-40, -20, 0, 20, 40]])
    np.testing.assert_allclose(grid.y_m()[:, 0], [20, 0, -20])
    assert (grid.right_m, grid.bottom_m) == (50, -30)
    assert grid.column_px(-50) == 0
    assert grid.row_px(-30) == 3
