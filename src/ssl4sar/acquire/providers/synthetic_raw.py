"""SYNTHETIC raw products of the synthetic glaciers: planned, named and rendered.

The days, tracks and angles are those of the images that ``pair_scene`` plans. Each glacier is put
on the map in its square on the equator, which the world around it fills and exceeds, so that
products and elevation model have a margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.product import OrbitDirection
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.pairs import FIRST_DAY, LAST_DAY, OpticalPlan, PairPlan, SarPlan, plan_pairs
from ssl4sar.synthetic.passes import draw_passes
from ssl4sar.synthetic.radar_pass import RadarPass
from ssl4sar.synthetic.raw_scenes import (
    RawPlace,
    plan_place_pass,
    write_elevation,
    write_raw_optical,
    write_raw_sar,
)
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.sentinel1_product import sar_product_name
from ssl4sar.synthetic.sentinel2_product import product_name
from ssl4sar.synthetic.sky import Sky, draw_sky
from ssl4sar.synthetic.world import glacier_world

POLARISATION: Final = "HH"
#: Names hold no glacier: products of one day differ by their time.
_FIRST_TIME: Final = time(6, 5, 7, tzinfo=UTC)
_STEP: Final = timedelta(minutes=7)
#: Days in summer to choose an optical image from, every year.
_SUMMER: Final = tuple((month, day) for month in (6, 7, 8) for day in (5, 15, 25))
#: Elevation models reach so far beyond the area on both sides.
_MARGINS_M: Final = 4 * 1200.0
#: Sides of worlds are shorter than asked for by up to a fifth.
_SHORTEST: Final = 0.8
_SPACING_M: Final = 20.0
#: The shift of a scene against its track can be checked where that has so many.
_LEAST_OF_TRACK: Final = 3
#: The elevation model is of this day; heights of ice hardly change.
_ELEVATION_DAY: Final = date(2017, 7, 1)


def plan_raw(config: PairSceneConfig) -> list[PairPlan]:
    """Return the raw products of a configuration: all its SAR images, and optical ones to choose.

    Raises:
        UserError: a glacier would need more images than there are days.
    """
    planned = plan_pairs(config)
    names = list(dict.fromkeys(plan.glacier for plan in planned))
    sar = [
        scene
        for name in names
        for scene in _on_tracks(
            config,
            [plan for plan in planned if isinstance(plan, SarPlan) and plan.glacier == name],
        )
    ]
    years = range(FIRST_DAY.year + 1, LAST_DAY.year + 1)
    optical = [
        OpticalPlan(name, date(year, month, day))
        for name in names
        for year in years
        for month, day in _SUMMER
    ]
    return [*sar, *optical]


def _on_tracks(config: PairSceneConfig, scenes: Sequence[SarPlan]) -> list[SarPlan]:
    """Return the scenes of a glacier, every third on its second track if that gets enough."""
    if not scenes:
        return []
    first, second = draw_passes(config.seed, scenes[0].glacier, SENSORS["S1"])
    few = len(scenes) // 3 < _LEAST_OF_TRACK
    placed = []
    for number, scene in enumerate(sorted(scenes, key=lambda plan: plan.day), 1):
        orbit, viewing = first if few or number % 3 else second
        placed.append(replace(scene, orbit=orbit, viewing=viewing))
    return placed


def track_direction(orbit: str) -> OrbitDirection:
    """Return the direction of a track; the satellite flies north on every other one."""
    return "ascending" if int(orbit) % 2 == 0 else "descending"


@dataclass(frozen=True)
class RawScenes:
    """Renders the raw products of a configuration.

    Attributes:
        config: what the scene model renders.
        glaciers: the synthetic glaciers by name, with their areas.
    """

    config: PairSceneConfig
    glaciers: Mapping[str, Glacier]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.glaciers)}

    def start(self, plan: PairPlan) -> datetime:
        """Return when a product begins."""
        return datetime.combine(plan.day, _FIRST_TIME) + self._numbers[plan.glacier] * _STEP

    def name(self, plan: PairPlan) -> str:
        """Return the name of a product without ``.SAFE``."""
        if isinstance(plan, OpticalPlan):
            return product_name(self.start(plan), self._tile(plan.glacier))
        return str(
            sar_product_name(self._pass(plan), self.start(plan), POLARISATION, int(plan.orbit))
        )

    def cloud_percent(self, plan: OpticalPlan) -> float:
        """Return the share of an optical image that clouds will cover, 0 to 100."""
        return 100.0 * self._sky(plan).cloud_cover

    def write(self, plan: PairPlan, folder: Path) -> Path:
        """Render a product and return its folder ``NAME.SAFE``; equal plans give equal bytes."""
        place = self._place(plan.glacier)
        if isinstance(plan, OpticalPlan):
            tile = self._tile(plan.glacier)
            return write_raw_optical(place, self.start(plan), self._sky(plan), folder, tile=tile)
        return write_raw_sar(
            place,
            self._pass(plan),
            self.start(plan),
            folder,
            incidence_deg=plan.viewing.incidence_deg,
            difficulty=self.config.difficulty,
            relative_orbit=int(plan.orbit),
            polarisation=POLARISATION,
        )

    def write_elevation(self, glacier: str, path: str | Path) -> None:
        """Write the elevation model of a glacier, atomically."""
        write_elevation(self._place(glacier), _ELEVATION_DAY, path)

    def _place(self, glacier: str) -> RawPlace:
        extent_m = (1000 * self.config.extent_km + _MARGINS_M) / _SHORTEST
        world = glacier_world(self.config.seed, glacier, extent_m, northern=True)
        return RawPlace(world, _grid(self.glaciers[glacier]), self.config.seed)

    def _pass(self, plan: SarPlan) -> RadarPass:
        return _planned_pass(self.glaciers[plan.glacier], plan.viewing.incidence_deg, plan.orbit)

    def _tile(self, glacier: str) -> str:
        return f"{self.glaciers[glacier].epsg % 100:02d}NAA"

    def _sky(self, plan: OpticalPlan) -> Sky:
        rng = generator(self.config.seed, "raw sky", plan.glacier, plan.day.isoformat())
        return draw_sky(rng, northern=True, day=plan.day)


def _grid(glacier: Glacier) -> Grid:
    from rasterio.warp import transform_bounds

    crs = f"EPSG:{glacier.epsg}"
    return Grid.snapped(transform_bounds("EPSG:4326", crs, *glacier.area.bounds), _SPACING_M, crs)


@lru_cache(maxsize=256)
def _planned_pass(glacier: Glacier, incidence_deg: float, orbit: str) -> RadarPass:
    # One track is one geometry.
    ascending = track_direction(orbit) == "ascending"
    return plan_place_pass(_grid(glacier), incidence_deg, ascending=ascending)
