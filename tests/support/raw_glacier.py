"""A SYNTHETIC glacier as a satellite delivers it: raw products, elevation model, optical image."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import xarray as xr

from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.optical import open_optical, optical_image
from ssl4sar.stack.record import StackRecord
from ssl4sar.stack.scenes import RawScene
from ssl4sar.synthetic.raw_scenes import (
    RawPlace,
    plan_place_pass,
    write_elevation,
    write_raw_optical,
    write_raw_sar,
)
from ssl4sar.synthetic.sky import draw_sky
from ssl4sar.synthetic.world import glacier_world

SIDE_M = 3000.0
INCIDENCE_DEG = 38.0


@dataclass(frozen=True)
class RawGlacier:
    place: RawPlace
    grid: Grid
    elevation: Elevation
    scenes: tuple[RawScene, ...]
    days: tuple[datetime, ...]
    optical: xr.DataArray


@dataclass(frozen=True)
class Stacked:
    raw: RawGlacier
    stack: StackRecord
    record: Path


def make_raw_glacier(folder: Path) -> RawGlacier:
    """Write three scenes of a SYNTHETIC glacier, its elevation model and its optical image."""
    # Of a world with much bare rock: only there a shift can be measured.
    world = glacier_world(20250711, "Synthetic01", 9000.0, northern=True)
    grid = Grid.snapped(
        (500_000, 7_700_000, 500_000 + SIDE_M, 7_700_000 + SIDE_M), 20, "EPSG:32622"
    )
    place = RawPlace(world, grid, seed=7)
    write_elevation(place, date(2018, 7, 1), folder / "elevation.tif")
    radar = plan_place_pass(grid, INCIDENCE_DEG, ascending=True)
    days = tuple(datetime(2018, month, 12, 10, 5, 6, tzinfo=UTC) for month in (5, 6, 7))
    scenes = tuple(
        RawScene(
            write_raw_sar(place, radar, day, folder, incidence_deg=INCIDENCE_DEG, relative_orbit=90)
        )
        for day in days
    )
    sky = draw_sky(generator(1, "sky"), northern=True, day=date(2018, 8, 1))
    product = write_raw_optical(
        place, datetime(2018, 8, 1, 15, 1, tzinfo=UTC), sky, folder, tile="22WEB"
    )
    optical = optical_image([open_optical(product)], grid)
    elevation = Elevation(folder / "elevation.tif")
    return RawGlacier(place, grid, elevation, scenes, days, optical)
