"""One glacier through time, sampled on any grid: zones, elevation, textures, snow and sea.

The world knows no sensor. Renderers turn a :class:`Surface` into what an instrument sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.grid import Grid
from ssl4sar.core.pieces import largest_piece
from ssl4sar.core.scene_name import NORTHERN_GLACIERS
from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import GLACIER, OCEAN, ROCK
from ssl4sar.synthetic.environment import Environment, environment_on
from ssl4sar.synthetic.front import ACROSS, FrontHistory
from ssl4sar.synthetic.geometry import Geometry, build_geometry
from ssl4sar.synthetic.noise import FloatArray, look_up, resample
from ssl4sar.synthetic.season import decimal_year
from ssl4sar.synthetic.textures import (
    FLOE_SPACING_M,
    STRIPE_SPACING_M,
    STRIPES_PER_HALF_WIDTH,
    TILE_PX,
    TILE_SPACING_M,
    Textures,
    on_map,
    textures,
)

#: Kinds of ground, finer than the zones of the benchmark.
WATER: Final = 0
SEA_ICE: Final = 1
MELANGE: Final = 2
TONGUE: Final = 3
SNOW_FIELD: Final = 4
BARE_ROCK: Final = 5
KIND_COUNT: Final = 6
_ZONE_OF_KIND: Final = np.array([OCEAN, OCEAN, OCEAN, GLACIER, GLACIER, ROCK], np.uint8)


@dataclass(frozen=True)
class Surface:
    """State of the ground on one day, plain (H, W) arrays on ``grid``.

    Attributes:
        grid: grid of all arrays.
        environment: weather of the day.
        kind: uint8, ``WATER`` to ``BARE_ROCK``.
        zone: uint8 class id: rock, glacier or ocean (what a sensor cannot see is its own matter).
        elevation_m: float32, 0 at sea.
        front_distance_m: float32 along the flow, positive on the sea side, clipped to 10 km.
        stripes: float32 flow stripes, unit variance on the tongue, 0 elsewhere.
        crevasses: float32, 0 to 1 on the tongue, 0 elsewhere.
        blocks: float32 brightness of the ice block or floe, -1 to 1; 0 off the sea ice.
        gaps: float32 open water between blocks or floes, 0 to 1; 0 off the sea ice.
        rubble: float32 rough isotropic noise, unit variance, everywhere.
        swell: float32 smooth isotropic noise, unit variance, everywhere.
        wetness: float32 liquid water in the snow, 0 dry to 1 wet; 0 at sea and on rock.
    """

    grid: Grid
    environment: Environment
    kind: NDArray[np.uint8]
    zone: NDArray[np.uint8]
    elevation_m: FloatArray
    front_distance_m: FloatArray
    stripes: FloatArray
    crevasses: FloatArray
    blocks: FloatArray
    gaps: FloatArray
    rubble: FloatArray
    swell: FloatArray
    wetness: FloatArray


@dataclass(frozen=True)
class Flow:
    """Glacier ice of one day in flow coordinates, (H, W) each.

    Attributes:
        ice: bool, glacier ice within a valley.
        front_distance_m: float32 along-flow distance to the nearest front line, negative on ice.
        along_m: float32 along-flow position in the valley the ice belongs to.
        across: float32 across-flow position in half widths.
    """

    ice: NDArray[np.bool_]
    front_distance_m: FloatArray
    along_m: FloatArray
    across: FloatArray


class World:
    """A glacier, its fjord and its history.

    Args:
        seed: seed of the world.
        place: name of the glacier; with ``seed`` it fixes everything.
        northern: hemisphere.
        width_m: west-east side of the area, centred on (0, 0).
        height_m: north-south side.
    """

    def __init__(
        self, seed: int, place: str, northern: bool, width_m: float, height_m: float
    ) -> None:
        self.seed, self.place, self.northern = seed, place, northern
        self.width_m, self.height_m = width_m, height_m
        self.geometry: Geometry = build_geometry(seed, place, width_m, height_m)
        rng = generator(seed, "world", place)
        self.speed_m_a = float(rng.uniform(400, 2500))
        self._offset = rng.uniform(0, TILE_PX, 8)
        trunk = self.geometry.valleys[0]
        # Half of the retreat is before the middle of the record.
        starts = [0.35 * trunk.half_width_m]
        for valley in self.geometry.valleys[1:]:
            # A tributary ends where it enters the trunk, or reaches into it.
            angle = abs(math.sin(valley.azimuth_rad - trunk.azimuth_rad))
            starts.append(-trunk.half_width_m / angle + 0.75 * valley.half_width_m)
        self.fronts = tuple(
            FrontHistory(seed, f"{place}/{i}", northern, valley.half_width_m, start)
            for i, (valley, start) in enumerate(zip(self.geometry.valleys, starts, strict=True))
        )

    @property
    def textures(self) -> Textures:
        """Texture tiles, shared by all worlds of the seed."""
        return textures(self.seed)

    def environment(self, day: date) -> Environment:
        """Return the weather of a day."""
        return environment_on(self.seed, self.place, self.northern, day)

    @cached_property
    def dynamic_bay_m(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) in metres of where fronts can be in 1991 to 2025.

        Only the imaged area counts.
        """
        static = self.geometry
        reachable = np.zeros(static.grid.shape, bool)
        # A front that never leaves the ice of the trunk has no bay of its own.
        trunk_low = self.fronts[0].range_m()[0]
        for i, front in enumerate(self.fronts):
            low, high = front.range_m()
            along = static.along_m[i]
            in_valley = static.inside[i] < static.grid.spacing
            bay = in_valley & (along > low) & (along < high)
            reachable |= bay if i == 0 else bay & (static.along_m[0] > trunk_low)
        rows, columns = np.nonzero(reachable)
        x_m, y_m = static.grid.x()[0, columns], static.grid.y()[rows, 0]
        margin = 4 * static.grid.spacing
        half_width, half_height = self.width_m / 2, self.height_m / 2
        return (
            max(float(x_m.min()) - margin, -half_width),
            min(float(x_m.max()) + margin, half_width),
            max(float(y_m.min()) - margin, -half_height),
            min(float(y_m.max()) + margin, half_height),
        )

    def _flow(self, grid: Grid, day: date) -> Flow:
        static = self.geometry
        ice = np.zeros(grid.shape, bool)
        distance = np.full(grid.shape, 1e4, np.float32)
        along_all = across_all = np.zeros(0, np.float32)
        for i, front in enumerate(self.fronts):
            along = resample(static.along_m[i], static.grid, grid)
            across = resample(static.across[i], static.grid, grid)
            profile = front.profile_m(day).astype(np.float32)
            step = np.float32((len(ACROSS) - 1) / (ACROSS[-1] - ACROSS[0]))
            index = ((across - np.float32(ACROSS[0])) * step).astype(np.int32)
            beyond = along - profile[np.clip(index, 0, len(ACROSS) - 1)]
            within = resample(static.inside[i], static.grid, grid) < 0
            here = within & (beyond < 0)
            if i == 0:
                along_all, across_all = along.copy(), across.copy()
                # Seaward water belongs to the trunk's front even where it is off the ribbon.
                distance = np.clip(beyond, -1e4, 1e4)
            else:
                own = here & ~ice
                along_all[own], across_all[own] = along[own], across[own]
                sea = within & ~own & ~ice
                distance[own] = beyond[own]
                distance[sea] = np.minimum(np.abs(distance[sea]), beyond[sea])
            ice |= here
        return Flow(ice, distance, along_all, across_all)

    def _kinds(self, grid: Grid, flow: Flow, environment: Environment) -> NDArray[np.uint8]:
        static = self.geometry
        valley = resample(static.distance_m, static.grid, grid) < 0
        snow = resample(static.snow, static.grid, grid) > 0
        # Ponds cut off from the sea by ice count as ice.
        water = largest_piece(valley & ~flow.ice)
        kind = np.where(snow, np.uint8(SNOW_FIELD), np.uint8(BARE_ROCK))
        kind[valley] = TONGUE
        kind[water] = WATER
        half_width = self.geometry.valleys[0].half_width_m
        swell = on_map(self.textures.swell, grid.x() / 3 + 7000.0, grid.y() / 3)
        reach = np.float32(environment.melange_reach * half_width)
        packed = flow.front_distance_m < reach * (1 + 0.35 * swell)
        kind[water & packed] = MELANGE
        drift_m = (environment.drift[0] * 16384, environment.drift[1] * 16384)
        floe = on_map(
            self.textures.floes, grid.x() + drift_m[0], grid.y() + drift_m[1], FLOE_SPACING_M
        )
        frozen = floe + 0.22 * swell < environment.sea_ice_fraction * 1.4 - 0.2
        kind[water & ~packed & frozen] = SEA_ICE
        return kind

    def _ice_cover(
        self, grid: Grid, kind: NDArray[np.uint8], environment: Environment
    ) -> tuple[FloatArray, FloatArray]:
        tiles = self.textures
        blocks, gaps = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
        x_m = grid.x() + environment.drift[0] * 16384
        y_m = grid.y() + environment.drift[1] * 16384
        for code, value_tile, rim_tile, spacing_m in (
            (SEA_ICE, tiles.floes, tiles.floe_rims, FLOE_SPACING_M),
            (MELANGE, tiles.blocks, tiles.block_rims, TILE_SPACING_M),
        ):
            here = kind == code
            value = on_map(value_tile, x_m, y_m, spacing_m)
            rim = on_map(rim_tile, x_m, y_m, spacing_m)
            if code == MELANGE:
                # The loosest blocks are missing: dark polygons of water among the ice.
                missing = value > environment.melange_packing
                rim = np.where(missing, np.float32(1), rim * np.float32(0.7))
                # Few bergs are bright, most of the ice is not.
                value = (value / np.float32(environment.melange_packing)) ** 2 * np.float32(1.3)
            blocks = np.where(here, 2 * value - 1, blocks)
            gaps = np.where(here, rim, gaps)
        return np.clip(blocks, -1, 1).astype(np.float32), gaps

    def _ice_textures(
        self, grid: Grid, flow: Flow, tongue: NDArray[np.bool_], day: date
    ) -> tuple[FloatArray, FloatArray]:
        half_width = np.float32(self.geometry.valleys[0].half_width_m)
        stripes = look_up(
            self.textures.stripes,
            flow.along_m * np.float32(1 / STRIPE_SPACING_M) + np.float32(self._offset[0]),
            flow.across * np.float32(STRIPES_PER_HALF_WIDTH) + np.float32(self._offset[1]),
        )
        # Ice carries its cracks along; their arc lags behind at the slow margins.
        moved_m = self.speed_m_a * (decimal_year(day) - 1990)
        arc = 0.35 * half_width * flow.across**2
        cracks = look_up(
            self.textures.crevasses,
            (flow.along_m + arc - np.float32(moved_m % (TILE_PX * TILE_SPACING_M)))
            * np.float32(1 / TILE_SPACING_M),
            flow.across * (half_width / np.float32(TILE_SPACING_M)) + np.float32(self._offset[2]),
        )
        # Stretching ice opens near the front, shearing ice at the margins.
        near_front = np.exp(np.minimum(flow.front_distance_m, 0) / (0.8 * half_width))
        margin = np.clip((np.abs(flow.across) - 0.6) * 2.0, 0, 0.6)
        strength = np.clip(0.3 + 0.7 * near_front + margin, 0, 1)
        on_tongue = tongue.astype(np.float32)
        return stripes * on_tongue, np.asarray(cracks * strength * on_tongue, np.float32)

    def sample(self, grid: Grid, day: date) -> Surface:
        """Return the ground on a grid and day.

        Args:
            grid: grid within the area (a margin of 1 km is allowed).
            day: day between 1991 and 2025.

        Raises:
            ValueError: the grid reaches beyond the world.
        """
        static, tiles = self.geometry, self.textures
        environment = self.environment(day)
        flow = self._flow(grid, day)
        kind = self._kinds(grid, flow, environment)
        zone = _ZONE_OF_KIND[kind]
        blocks, gaps = self._ice_cover(grid, kind, environment)
        stripes, crevasses = self._ice_textures(grid, flow, kind == TONGUE, day)
        terrain = resample(static.terrain_m, static.grid, grid)
        melt_m = environment.melt_altitude * static.relief_m
        swell = on_map(tiles.swell, grid.x() + self._offset[3] * 8, grid.y())
        # A logistic transition of about 100 m of height, ragged by the swell.
        dryness = np.clip((terrain - np.float32(melt_m)) / 45 - swell, -30, 30)
        wetness = 1 / (1 + np.exp(dryness))
        return Surface(
            grid=grid,
            environment=environment,
            kind=kind,
            zone=zone,
            elevation_m=np.where(zone == OCEAN, np.float32(0), terrain),
            front_distance_m=flow.front_distance_m,
            stripes=stripes,
            crevasses=crevasses,
            blocks=blocks,
            gaps=gaps,
            rubble=on_map(tiles.rubble, grid.x() + self._offset[4] * 8, grid.y()),
            swell=swell,
            wetness=np.where(zone == GLACIER, wetness, np.float32(0)).astype(np.float32),
        )


@lru_cache(maxsize=2)
def glacier_world(seed: int, place: str, extent_m: float, northern: bool | None = None) -> World:
    """Return the world of a named glacier; its sides differ by up to a fifth from ``extent_m``.

    Args:
        seed: seed of the world.
        place: name of the glacier.
        extent_m: mean side of the area.
        northern: hemisphere; None takes that of the glacier of CaFFe with this name.
    """
    rng = generator(seed, "area", place)
    width_m, height_m = (float(extent_m * rng.uniform(0.8, 1.2)) for _ in range(2))
    north = place in NORTHERN_GLACIERS if northern is None else northern
    return World(seed, place, north, width_m, height_m)
