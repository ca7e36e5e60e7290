"""The world: grids, fronts through time, seasons, weather, advection."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.core.zones import GLACIER, OCEAN, ROCK
from ssl4sar.synthetic.world import MELANGE, SEA_ICE, TONGUE, World, glacier_world


@pytest.fixture(scope="module")
def world() -> World:
    return glacier_world(11, "DBE", 6000.0)


def whole(world: World, spacing_m: float) -> Grid:
    return Grid.centred(world.width_m, world.height_m, spacing_m)


def test_surface_is_consistent(world):
    surface = world.sample(whole(world, 30.0), date(2012, 2, 3))
    shape = surface.grid.shape
    for name in ("elevation_m", "stripes", "crevasses", "blocks", "gaps", "rubble", "wetness"):
        field = getattr(surface, name)
        assert field.shape == shape
        assert field.dtype == np.float32
        assert np.isfinite(field).all()
    assert set(np.unique(surface.zone)) == {ROCK, GLACIER, OCEAN}
    assert (surface.elevation_m[surface.zone == OCEAN] == 0).all()
    assert (surface.stripes[surface.kind != TONGUE] == 0).all()
    assert (surface.blocks[(surface.kind != MELANGE) & (surface.kind != SEA_ICE)] == 0).all()
    assert (np.abs(surface.blocks) <= 1).all()
    assert (surface.wetness >= 0).all()
    assert (surface.wetness <= 1).all()


def test_same_ground_on_fine_and_coarse_grids(world):
    day = date(2012, 2, 3)
    fine = world.sample(Grid.at(-1500.0, 1500.0, 10.0, (300, 300)), day)
    coarse = world.sample(Grid.at(-1500.0, 1500.0, 30.0, (100, 100)), day)
    centres = fine.zone[1::3, 1::3]
    assert (centres == coarse.zone).mean() > 0.97


def test_grid_beyond_the_world_is_refused(world):
    with pytest.raises(ValueError, match="beyond the world"):
        world.sample(Grid.at(-50_000.0, 50_000.0, 100.0, (1000, 1000)), date(2012, 2, 3))


def test_retreat_turns_glacier_into_ocean(world):
    grid = whole(world, 40.0)
    areas = {
        year: np.mean(
            [(world.sample(grid, date(year, m, 1)).zone == GLACIER).mean() for m in (1, 7)]
        )
        for year in (1996, 2019)
    }
    assert areas[2019] < areas[1996]


def test_crevasses_travel_with_the_ice():
    world = glacier_world(12, "Jorum", 6000.0)
    grid = whole(world, 10.0)
    first = world.sample(grid, date(2010, 6, 1))
    later = world.sample(grid, date(2010, 6, 12))
    trunk = world.geometry.valleys[0]
    moved_m = world.speed_m_a * 11 / 365
    along, across, _ = trunk.along_across(grid.x(), grid.y())
    upstream = (first.kind == TONGUE) & (along < -1500) & (np.abs(across) < 0.5)

    def shifted(distance_m):
        columns = round(distance_m * np.cos(trunk.azimuth_rad) / 10)
        rows = round(-distance_m * np.sin(trunk.azimuth_rad) / 10)
        moved = np.roll(first.crevasses, (rows, columns), (0, 1))
        return np.corrcoef(moved[upstream], later.crevasses[upstream])[0, 1]

    assert shifted(moved_m) > shifted(0) + 0.1
    assert shifted(moved_m) > shifted(-moved_m) + 0.1


def test_dynamic_bay_is_in_the_area_and_holds_all_fronts(world):
    left, right, bottom, top = world.dynamic_bay_m
    assert -world.width_m / 2 <= left < right <= world.width_m / 2
    assert -world.height_m / 2 <= bottom < top <= world.height_m / 2
    grid = whole(world, 30.0)
    for day in (date(1996, 5, 1), date(2004, 11, 1), date(2019, 3, 1)):
        surface = world.sample(grid, day)
        ice = surface.zone == GLACIER
        beside = np.zeros_like(ice)
        beside[1:] |= ice[:-1]
        beside[:-1] |= ice[1:]
        rows, columns = np.nonzero(beside & (surface.zone == OCEAN))
        assert len(rows) > 0
        assert (grid.x()[0, columns] > left).all()
        assert (grid.x()[0, columns] < right).all()
        assert (grid.y()[rows, 0] > bottom).all()
        assert (grid.y()[rows, 0] < top).all()
