"""Parallel rays over a terrain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.synthetic.sightlines import Sightlines

GRID = Grid.at(0.0, 1000.0, 10.0, (100, 120))


def wall(height_m: float = 50.0) -> np.ndarray:
    terrain = np.zeros(GRID.shape, np.float32)
    terrain[45:55, 55:65] = height_m
    return terrain


@pytest.mark.parametrize("azimuth_rad", [0.0, 0.7, math.pi / 2, 4.0])
def test_a_field_comes_back_from_the_turned_frame(azimuth_rad: float) -> None:
    lines = Sightlines(GRID, azimuth_rad)
    rows, columns = np.mgrid[:100, :120]
    field = (np.sin(rows / 15) + np.cos(columns / 11)).astype(np.float32)
    back = lines.straight(lines.turned(field))
    assert back.shape == GRID.shape
    np.testing.assert_allclose(back[15:-15, 15:-15], field[15:-15, 15:-15], atol=0.02)


@pytest.mark.parametrize(
    ("azimuth_rad", "step"),
    [(0.0, (0, 1)), (math.pi, (0, -1)), (math.pi / 2, (-1, 0)), (-math.pi / 2, (1, 0))],
)
def test_a_shadow_falls_behind_the_wall_as_far_as_it_is_high(
    azimuth_rad: float, step: tuple[int, int]
) -> None:
    """Rays that fall by 1 m per 2 m leave the ground dark for 100 m behind 50 m of wall."""
    lines = Sightlines(GRID, azimuth_rad)
    depth = lines.straight(lines.shadow_depth_m(lines.turned(wall()), 0.5))

    def at(steps_px: int) -> float:
        return float(depth[50 + step[0] * (5 + steps_px), 60 + step[1] * (5 + steps_px)])

    assert at(3) == pytest.approx(33, abs=6)
    assert at(7) > 5
    assert at(13) == 0
    assert at(-16) == 0
    assert depth[50, 60] == pytest.approx(0, abs=1e-4)
