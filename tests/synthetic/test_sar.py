"""The SAR renderer: speckle statistics, shadow and layover, stretch, swath edge."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import NA
from ssl4sar.synthetic.sar import (
    Viewing,
    draw_levels,
    gray_levels,
    render_sar,
    speckled,
    swath_edge,
    visibility,
)
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.world import MELANGE, TONGUE, WATER, glacier_world


@pytest.mark.parametrize("sensor", sorted(SENSORS))
def test_homogeneous_area_has_the_looks_of_the_sensor(sensor):
    radar = SENSORS[sensor]
    for looks in radar.looks.values():
        mean = np.full((500, 500), 0.07, np.float32)
        image = speckled(generator(1, sensor), mean, looks, radar.spread_px).astype(float)
        inner = image[8:-8, 8:-8]
        assert inner.mean() == pytest.approx(0.07, rel=0.02)
        assert inner.mean() ** 2 / inner.var() == pytest.approx(looks, rel=0.06)


def tower(height_m: float):
    """A world whose only terrain is a square block."""
    geometry = glacier_world(4, "COL", 3000.0).geometry
    terrain = np.zeros(geometry.grid.shape, np.float32)
    rows, columns = (n // 2 for n in terrain.shape)
    terrain[rows - 6 : rows + 6, columns - 6 : columns + 6] = height_m
    return replace(geometry, terrain_m=terrain, relief_m=1000.0)


@pytest.mark.parametrize("azimuth_deg", [0, 90, 180, 250])
def test_shadow_lies_behind_and_has_the_length_of_the_height(azimuth_deg):
    height_m = 500.0
    geometry, azimuth = tower(height_m), math.radians(azimuth_deg)
    grid = Grid.centred(2400.0, 2400.0, 10.0)
    view = visibility(geometry, Viewing(40.0, azimuth), grid)
    away = grid.x() * math.cos(azimuth) + grid.y() * math.sin(azimuth)
    aside = np.abs(grid.y() * math.cos(azimuth) - grid.x() * math.sin(azimuth))
    behind = view.unseen & (aside < 60) & (away > 200)
    # The block ends about 140 m from its middle.
    end_m = 200 + behind.sum() * 10**2 / 120
    assert end_m - 140 == pytest.approx(height_m * math.tan(math.radians(40)), rel=0.12)
    assert not (view.unseen & (away < -700)).any()


def test_slopes_towards_the_radar_are_bright():
    geometry = tower(0.0)
    ramp = np.broadcast_to(geometry.grid.x() * 0.2, geometry.grid.shape).astype(np.float32)
    geometry = replace(geometry, terrain_m=ramp)
    grid = Grid.centred(1000.0, 1000.0, 20.0)
    towards = visibility(geometry, Viewing(35.0, 0.0), grid).slope_db
    away = visibility(geometry, Viewing(35.0, math.pi), grid).slope_db
    assert towards.mean() > 1
    assert away.mean() < -1


def test_gray_levels_put_the_mean_where_asked():
    values = np.random.default_rng(0).normal(-12, 2, (200, 200)).astype(np.float32)
    grey = gray_levels(values, np.ones(values.shape, bool), 25.0, 90.0)
    assert grey.dtype == np.uint8
    assert grey.mean() == pytest.approx(90, abs=2)
    assert gray_levels(values, np.zeros(values.shape, bool), 25.0, 90.0).mean() == pytest.approx(
        90, abs=2
    )


def test_swath_edge_spares_the_bay_and_is_sometimes_there():
    grid, spare = Grid.centred(9000, 9000, 50.0), (-2000.0, 1500.0, -1000.0, 2500.0)
    shares = []
    for i in range(60):
        rng = generator(7, i)
        outside = swath_edge(rng, grid, Viewing(35.0, float(rng.uniform(0, 6.28))), spare)
        rows = slice(int(grid.row(2500)), int(grid.row(-1000)))
        columns = slice(int(grid.column(-2000)), int(grid.column(1500)))
        assert not outside[rows, columns].any()
        shares.append(outside.mean())
    assert 5 <= sum(share > 0 for share in shares) <= 35


def test_levels_close_up_with_difficulty():
    def gap(difficulty, kind):
        gaps = []
        for i in range(40):
            levels = draw_levels(generator(5, i), "C", 5.0, 35.0, difficulty).kinds_db
            gaps.append(levels[TONGUE] - levels[kind])
        return float(np.mean(gaps))

    for kind in (WATER, MELANGE):
        assert gap(0, kind) > gap(0.5, kind) > gap(1, kind)


def test_render_marks_unseen_ground_and_is_deterministic():
    world = glacier_world(6, "Crane", 3000.0)
    grid = Grid.centred(world.width_m, world.height_m, 20.0)
    radar, viewing = SENSORS["ERS"], Viewing(23.0, 2.0)
    surface = world.sample(grid, radar.first)
    levels = draw_levels(generator(1), "C", 5.0, 23.0, 1.0)
    first, second = (
        render_sar(
            generator(9),
            surface,
            world.geometry,
            radar,
            viewing,
            levels,
            world.dynamic_bay_m,
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.grey, second.grey)
    np.testing.assert_array_equal(first.zones, second.zones)
    unseen = visibility(world.geometry, viewing, grid).unseen
    assert (first.zones[unseen] == NA).all()
    assert np.isfinite(first.sigma0_db).all()
    seen = first.zones != NA
    np.testing.assert_array_equal(first.zones[seen], surface.zone[seen])
