"""Angles, layover and shadow under a circular orbit: range runs from west to east along rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from circular_orbit import circular
from numpy.typing import NDArray
from pyproj import Transformer

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.geometry.orbit import Orbit
from ssl4sar.sar.incidence import LAYOVER, SHADOW, layover_and_shadow, local_incidence_deg

TIMES = np.arange(-80.0, 81.0, 10.0)
ORBIT = Orbit.fit(TIMES, *circular(TIMES))
#: At the equator, 5.3 degrees east of the track: an incidence of 40 degrees.
CRS = "+proj=tmerc +lon_0=5.3 +ellps=WGS84 +units=m"
GRID = Grid.at(-3000, 3000, 20, (300, 300), CRS)


def seen(heights: NDArray[np.float32], grid: Grid = GRID) -> GridToRadar:
    return GridToRadar.build(ORBIT, grid, float(np.nanmin(heights)), float(np.nanmax(heights)))


def flat(grid: Grid = GRID) -> NDArray[np.float32]:
    return np.zeros(grid.shape, np.float32)


def test_flat_terrain_has_the_incidence_of_the_ellipsoid() -> None:
    to_radar = seen(flat())
    angle = local_incidence_deg(to_radar, flat(), slice(1, 299))[:, 1:-1]
    radar = to_radar.at(slice(1, 299), flat()[1:-1])
    # Law of cosines with the centre of the Earth: the equator is a circle.
    side = 7_070_000.0
    expected = np.degrees(
        np.pi
        - np.arccos(
            (6_378_137.0**2 + radar.slant_range_m**2 - side**2)
            / (2 * 6_378_137.0 * radar.slant_range_m)
        )
    )
    np.testing.assert_allclose(angle, expected[:, 1:-1], atol=0.02)


@pytest.mark.parametrize(("slope_deg", "change"), [(20, -20), (-30, 30)])
def test_a_slope_towards_the_radar_is_steeper(slope_deg: float, change: float) -> None:
    rising = (np.tan(np.radians(slope_deg)) * (GRID.x() + 3000) + 0 * GRID.y()).astype(np.float32)
    level = local_incidence_deg(seen(flat()), flat(), slice(1, 299))
    tilted = local_incidence_deg(seen(rising), rising, slice(1, 299))
    # Height itself changes the angle a little: the line of sight turns with the place.
    np.testing.assert_allclose((tilted - level)[:, 1:-1], change, atol=0.3)


def test_void_neighbours_leave_no_angle() -> None:
    heights = flat()
    heights[50, 60] = np.nan
    angle = local_incidence_deg(seen(heights), heights, slice(1, 299))
    assert np.isnan(angle[49, 60])
    assert np.isnan(angle[48:51, 60]).all()
    assert np.isnan(angle[49, 59:62]).all()
    assert np.isfinite(angle[48, 59])


def hill(
    height_m: float, width_m: float, behind_m: float | None = None, x: float = 0.0
) -> Callable[[Grid], NDArray[np.float32]]:
    """Return a hill whose slopes towards the radar and away from it may differ."""

    def heights(grid: Grid) -> NDArray[np.float32]:
        width = np.where(grid.x() < x, width_m, behind_m or width_m)
        squares = ((grid.x() - x) / width) ** 2 + 0.2 * (grid.y() / width_m) ** 2
        return (height_m * np.exp(-squares / 2)).astype(np.float32)

    return heights


def by_pairs(to_radar: GridToRadar, heights: NDArray[np.float32]) -> NDArray[np.uint8]:
    """All pairs of points of each row, the slow way: rows are lines of range here."""
    everything = slice(0, len(heights))
    distance = to_radar.range_at(everything, heights)
    angle = to_radar.off_nadir_at(everything, heights)
    marks = np.zeros(heights.shape, np.uint8)
    far = np.arange(heights.shape[1])[:, None] > np.arange(heights.shape[1])[None, :]
    for row in range(len(heights)):
        nearer = distance[row][:, None] < distance[row][None, :]
        folded = far & nearer
        marks[row] += LAYOVER * (folded.any(axis=1) | folded.any(axis=0)).astype(np.uint8)
        hidden = far & (angle[row][:, None] < angle[row][None, :])
        marks[row] += SHADOW * hidden.any(axis=1).astype(np.uint8)
    return marks


@pytest.mark.parametrize(
    ("terrain", "kinds"),
    [
        (hill(100, 800), {0}),
        (hill(800, 350, 1200), {0, LAYOVER}),
        (hill(800, 1200, 350), {0, SHADOW}),
        (hill(900, 500), {0, LAYOVER, SHADOW}),
        (hill(1500, 300, x=500), {0, LAYOVER, SHADOW, LAYOVER + SHADOW}),
    ],
    ids=["gentle", "layover", "shadow", "layover and shadow", "both at one place"],
)
def test_marks_are_those_of_all_pairs_of_points(
    terrain: Callable[[Grid], NDArray[np.float32]], kinds: set[int]
) -> None:
    heights = terrain(GRID)
    to_radar = seen(heights)
    found = layover_and_shadow(to_radar, heights)
    expected = by_pairs(to_radar, heights)
    assert set(np.unique(found)) == set(np.unique(expected)) == kinds
    # The walk interpolates: edges may be off by a pixel.
    assert (found != expected).mean() < 0.012


def test_the_walk_follows_the_line_of_range_on_a_turned_grid() -> None:
    """The same hill on a map whose rows point to the south-east gives the same areas."""
    heights = hill(1500, 300)(GRID)
    turned = Grid.at(
        -3000,
        3000,
        20,
        (300, 300),
        CRS.replace("tmerc", "omerc") + " +lat_0=0 +lonc=5.3 +alpha=40 +gamma=0",
    )
    x, y = np.broadcast_arrays(turned.x(), turned.y())
    east, north = Transformer.from_crs(turned.crs, CRS, always_xy=True).transform(x, y)
    same = 1500 * np.exp(-(east**2 + 0.2 * north**2) / (2 * 300**2))
    straight = layover_and_shadow(seen(heights), heights)
    oblique = layover_and_shadow(seen(same, turned), same.astype(np.float32))
    assert abs(east[0, -1] - east[0, 0]) < 0.9 * abs(x[0, -1] - x[0, 0])
    for kind in (LAYOVER, SHADOW):
        share = ((oblique & kind) > 0).sum() / ((straight & kind) > 0).sum()
        assert share == pytest.approx(1, abs=0.05)


def test_a_turned_away_slope_is_in_shadow() -> None:
    heights = hill(1500, 300)(GRID)
    to_radar = seen(heights)
    angle = local_incidence_deg(to_radar, heights, slice(1, 299))
    marks = layover_and_shadow(to_radar, heights)[1:-1]
    assert ((marks & SHADOW) > 0)[angle > 92].mean() > 0.98
    assert not ((marks & LAYOVER) > 0)[:, :60].any()
