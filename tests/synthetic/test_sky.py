"""Sun, shadows and clouds."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.synthetic.sky import (
    MIN_SUN_ELEVATION_DEG,
    Sky,
    direct_light,
    draw_clouds,
    draw_sky,
    sun_position,
)
from ssl4sar.synthetic.world import World, glacier_world

SUMMER = date(2018, 6, 21)


@pytest.fixture(scope="module")
def world() -> World:
    return glacier_world(5, "Synthetic01", 4000.0, northern=True)


def sky(elevation_deg: float, azimuth_rad: float = -1.2, **changes: float) -> Sky:
    values = {"cloud_cover": 0.1, "cloud_height_m": 1000.0, "vapour_cm": 1.0, "aerosol": 0.1}
    return Sky(math.radians(elevation_deg), azimuth_rad, **{**values, **changes})


@pytest.mark.parametrize(
    ("latitude_deg", "day", "hour", "elevation_deg"),
    [
        (0, date(2018, 3, 22), 12, 90),
        (66.56, SUMMER, 12, 46.88),
        (66.56, SUMMER, 0, 0),
        (-66.56, SUMMER, 12, 0),
        (40, date(2018, 3, 22), 6, 0),
    ],
)
def test_sun_stands_where_astronomy_says(
    latitude_deg: float, day: date, hour: float, elevation_deg: float
) -> None:
    elevation, _ = sun_position(latitude_deg, day, hour)
    assert math.degrees(elevation) == pytest.approx(elevation_deg, abs=0.7)


def test_skies_are_plausible_and_repeatable() -> None:
    drawn = [draw_sky(np.random.default_rng(i), True, date(2018, 8, 1)) for i in range(60)]
    assert drawn[0] == draw_sky(np.random.default_rng(0), True, date(2018, 8, 1))
    for one in drawn:
        assert MIN_SUN_ELEVATION_DEG <= math.degrees(one.sun_elevation_rad) < 50
        assert 0 <= one.cloud_cover <= 0.15
    clear = sum(one.cloud_cover == 0 for one in drawn)
    assert 8 < clear < 35


def test_slopes_towards_the_sun_are_bright_and_those_away_dark(world: World) -> None:
    grid = Grid.centred(world.width_m, world.height_m, 25.0)
    surface = world.sample(grid, date(2017, 7, 1))
    low = sky(30)
    light = direct_light(surface, world.geometry, low)
    assert light.shape == grid.shape
    assert light.min() >= 0
    rows, columns = np.gradient(surface.elevation_m, 25.0)
    # Positive where the ground rises away from the sun, that is, faces it.
    facing = -(columns * math.cos(low.sun_azimuth_rad) - rows * math.sin(low.sun_azimuth_rad))
    land = surface.elevation_m > 60
    assert light[land & (facing > 0.2)].mean() > 1.1
    assert light[land & (facing < -0.2)].mean() < 0.8
    sea = surface.elevation_m <= 0
    assert np.median(light[sea]) == pytest.approx(1)


def test_clouds_cover_their_share_and_shadows_lie_away_from_the_sun(world: World) -> None:
    grid = Grid.centred(world.width_m, world.height_m, 25.0)
    above = sky(45, math.pi, cloud_cover=0.1, cloud_height_m=500.0)
    clouds = draw_clouds(np.random.default_rng(1), world.geometry, grid, above)
    for layer in (clouds.opacity, clouds.shadow):
        assert layer.shape == grid.shape
        assert layer.min() >= 0
        assert layer.max() <= 1
    assert 0.01 < (clouds.opacity > 0).mean() < 0.3
    # The sun in the west at 45 degrees: shadows 500 m, 20 pixels, to the east.
    np.testing.assert_allclose(clouds.shadow[:, 20:], clouds.opacity[:, :-20], atol=0.02)
