"""A SYNTHETIC CaFFe tree: which scenes there are, and how each is written.

Names, folders, grey values and box files are those of CaFFe (Gourmelon et al. 2022,
doi:10.5194/essd-14-4287-2022); the images are rendered by the scene model, not observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.config.scene import SceneConfig
from ssl4sar.core.atomic import write_text
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.grid import Grid
from ssl4sar.core.pieces import drop_small_pieces, largest_piece
from ssl4sar.core.scene_name import NORTHERN_GLACIERS, TEST_GLACIERS, SceneName
from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import NA, OCEAN, greys_from_classes, ocean_beside_glacier
from ssl4sar.synthetic.environment import Environment, environment_on
from ssl4sar.synthetic.passes import draw_passes
from ssl4sar.synthetic.rendering import render_all
from ssl4sar.synthetic.sar import Levels, SarImage, Viewing, draw_levels, render_sar
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.world import MELANGE, TONGUE, WATER, glacier_world

NOTE: Final = {"Comment": "SYNTHETIC scene of the ssl4sar scene model, not an observation"}
#: Shortest front that the benchmark's evaluation counts, metres.
MIN_FRONT_M: Final = 750.0
_README: Final = """\
SYNTHETIC CaFFe tree

Every image below this folder was rendered by the glacier scene model of ssl4sar.
No pixel is an observation; glaciers carry the names of the CaFFe benchmark only so
that its layout, split and evaluation apply. Do not compare numbers from this tree
with numbers from CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022).
"""

#: Images per glacier, sensor and pixel size (m) in CaFFe.
OFFICIAL_COUNTS: Final[dict[str, dict[tuple[str, int], int]]] = {
    "COL": {("S1", 20): 18, ("TDX", 7): 47},
    "Mapple": {
        ("ERS", 20): 2,
        ("ENVISAT", 20): 10,
        ("PALSAR", 17): 8,
        ("S1", 20): 15,
        ("TSX", 7): 22,
    },
    "Crane": {("ERS", 20): 5, ("ENVISAT", 20): 9, ("PALSAR", 17): 7, ("TSX", 7): 48},
    "DBE": {
        ("ERS", 20): 16,
        ("ENVISAT", 20): 26,
        ("RSAT", 12): 22,
        ("RSAT", 20): 5,
        ("PALSAR", 17): 20,
        ("TSX", 7): 44,
    },
    "JAC": {("TSX", 6): 159},
    "Jorum": {
        ("ERS", 20): 3,
        ("ENVISAT", 20): 10,
        ("PALSAR", 17): 6,
        ("S1", 20): 15,
        ("TSX", 7): 43,
    },
    "SI": {
        ("ERS", 20): 28,
        ("ENVISAT", 20): 27,
        ("RSAT", 12): 21,
        ("RSAT", 20): 6,
        ("PALSAR", 17): 7,
        ("TSX", 7): 32,
    },
}


@dataclass(frozen=True)
class ScenePlan:
    """One scene to render; everything else follows from it and the configuration.

    Attributes:
        name: official name, which fixes glacier, day, sensor, pixel size and orbit.
        split: train or test.
        viewing: geometry of the pass.
        levels: backscatter of the pass.
    """

    name: SceneName
    split: Split
    viewing: Viewing
    levels: Levels


def _shares(total: int, weights: dict[str, int]) -> dict[str, int]:
    """Split ``total`` in proportion to the weights (largest remainder), at least one each."""
    spare = total - len(weights)
    whole = sum(weights.values())
    exact = {key: spare * weight / whole for key, weight in weights.items()}
    shares = {key: 1 + math.floor(value) for key, value in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (math.floor(exact[key]) - exact[key], key))
    for key in by_remainder[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def _products(rng: np.random.Generator, glacier: str, count: int) -> list[tuple[str, int]]:
    """Choose the product (sensor, pixel size) of every scene of a glacier.

    Each product comes once before any comes twice; beyond that the official counts decide.
    """
    products = list(OFFICIAL_COUNTS[glacier])
    weights = np.array([OFFICIAL_COUNTS[glacier][p] for p in products], float)
    weights /= weights.sum()
    first = rng.choice(len(products), min(count, len(products)), replace=False, p=weights)
    rest = rng.choice(len(products), max(0, count - len(products)), p=weights)
    return [products[i] for i in (*first, *rest)]


def _quality(levels: Levels, environment: Environment, looks: float, difficulty: float) -> int:
    """Return the quality factor, 1 (best) to 6: how hard the front is to see."""
    seaward = MELANGE if environment.melange_reach > 0.15 else WATER
    contrast_db = abs(levels.kinds_db[TONGUE] - levels.kinds_db[seaward])
    hard = 3.0 * math.exp(-contrast_db / 2.0) * min(difficulty, 1.0)
    hard += 1.0 * (1 if 0.05 < environment.melt_altitude < 0.3 else 0) + 2.0 / looks
    return int(min(6, max(1, round(0.2 + hard))))


def _plan(
    config: SceneConfig, glacier: str, split: Split, product: tuple[str, int], day: date
) -> ScenePlan:
    sensor, resolution_m = SENSORS[product[0]], product[1]
    rng = generator(config.seed, "plan", glacier, day.isoformat(), sensor.name)
    orbit, viewing = draw_passes(config.seed, glacier, sensor)[int(rng.random() < 0.3)]
    environment = environment_on(config.seed, glacier, glacier in NORTHERN_GLACIERS, day)
    levels = draw_levels(
        rng, sensor.band, environment.wind_m_s, viewing.incidence_deg, config.difficulty
    )
    quality = _quality(levels, environment, sensor.looks[resolution_m], config.difficulty)
    name = SceneName(glacier, day, sensor.name, resolution_m, quality, orbit)
    return ScenePlan(name, split, viewing, levels)


def _glacier_plans(config: SceneConfig, glacier: str, split: Split, count: int) -> list[ScenePlan]:
    rng = generator(config.seed, "scenes", glacier)
    taken: set[tuple[str, date]] = set()
    plans = []
    for sensor_name, resolution_m in _products(rng, glacier, count):
        sensor = SENSORS[sensor_name]
        span = (sensor.last - sensor.first).days
        day = sensor.first + timedelta(days=int(rng.integers(0, span + 1)))
        while (sensor_name, day) in taken:
            day = sensor.first + timedelta(days=int(rng.integers(0, span + 1)))
        taken.add((sensor_name, day))
        plans.append(_plan(config, glacier, split, (sensor_name, resolution_m), day))
    return sorted(plans, key=lambda plan: plan.name)


def plan_scenes(config: SceneConfig) -> list[ScenePlan]:
    """Return all scenes of a configuration; pure, the same for the same configuration.

    Scenes are spread over the glaciers of a split, and over the sensors and pixel sizes of a
    glacier, about as in CaFFe; every glacier has at least one.

    Returns:
        Plans sorted by split and glacier, so that scenes of one world are neighbours.
    """
    plans: list[ScenePlan] = []
    for split, total in (("train", config.train_images), ("test", config.test_images)):
        weights = {
            glacier: sum(products.values())
            for glacier, products in OFFICIAL_COUNTS.items()
            if (glacier in TEST_GLACIERS) == (split == "test")
        }
        for glacier, count in sorted(_shares(total, weights).items()):
            kind: Split = "test" if split == "test" else "train"
            plans += _glacier_plans(config, glacier, kind, count)
    return plans


def front_pixels(zones: NDArray[np.uint8], min_length_px: float) -> NDArray[np.bool_]:
    """Return the calving front of a zone mask: ocean pixels beside the glacier.

    Args:
        zones: (H, W) class ids.
        min_length_px: 8-connected pieces with fewer pixels are left out.

    Returns:
        (H, W) bool; nothing beyond the image counts as glacier.
    """
    return drop_small_pieces(ocean_beside_glacier(zones), min_length_px)


def _without_cut_off_water(zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn ocean that shadow or the swath edge cuts off from the sea into NA."""
    ocean: NDArray[np.bool_] = zones == OCEAN
    return np.where(ocean & ~largest_piece(ocean), np.uint8(NA), zones)


def _render(config: SceneConfig, plan: ScenePlan) -> tuple[SarImage, BoundingBox]:
    name = plan.name
    world = glacier_world(config.seed, name.glacier, config.extent_km * 1000)
    grid = Grid.centred(world.width_m, world.height_m, float(name.resolution_m))
    surface = world.sample(grid, name.date)
    bay_m = world.dynamic_bay_m
    left, right, bottom, top = bay_m
    rng = generator(
        config.seed, "render", name.glacier, name.date.isoformat(), name.sensor, name.orbit
    )
    image = render_sar(
        rng,
        surface,
        world.geometry,
        SENSORS[name.sensor],
        plan.viewing,
        plan.levels,
        spare_m=bay_m,
    )
    box = BoundingBox(grid.column(left), grid.column(right), grid.row(top), grid.row(bottom))
    return image, box


def render_scene(config: SceneConfig, plan: ScenePlan, root: Path) -> None:
    """Render one scene and write its four files below ``root``.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    image, box = _render(config, plan)
    zones = _without_cut_off_water(image.zones)
    front = front_pixels(zones, MIN_FRONT_M / plan.name.resolution_m)
    tree, name = CaffeTree(root), str(plan.name)
    write_gray(tree.sar(plan.split, name), image.grey, NOTE)
    write_gray(tree.zones(plan.split, name), greys_from_classes(zones), NOTE)
    write_gray(tree.front(plan.split, name), front.astype(np.uint8) * np.uint8(255), NOTE)
    box.write(tree.box(name))


def render_caffe(config: SceneConfig, root: Path, workers: int = 1) -> None:
    """Render the whole tree below ``root``; the bytes do not depend on ``workers``.

    Args:
        config: how many scenes, how large, how hard.
        root: folder of the tree; the caller makes it appear atomically.
        workers: processes.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    plans = plan_scenes(config)
    write_text(root / "README.txt", _README)
    render_all(partial(render_scene, config, root=root), plans, workers, "scenes")
