"""SYNTHETIC Sentinel-1 sequences with one Sentinel-2 image per glacier, on one grid each.

Folders and names are those of the SSL4SAR dataset (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945), see :mod:`ssl4sar.core.pair_layout`; glaciers are called
``Synthetic01`` and so on, are in the northern hemisphere and not in CaFFe. The images are
rendered by the scene model, not observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.grid import Grid
from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS, PairSplit
from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.environment import environment_on
from ssl4sar.synthetic.noise import FloatArray
from ssl4sar.synthetic.optical import BANDS, SCL_BAND, render_optical
from ssl4sar.synthetic.passes import draw_passes
from ssl4sar.synthetic.rendering import render_all
from ssl4sar.synthetic.sar import Levels, Viewing, draw_levels, render_sar, swath_edge
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.sky import Sky, draw_sky
from ssl4sar.synthetic.world import World, glacier_world

NOTE: Final = "SYNTHETIC image of the ssl4sar scene model, not an observation"
#: Pixel size at which both images are rendered; that of Sentinel-1 in CaFFe.
RENDERED_SPACING_M: Final = 20
FIRST_DAY: Final = date(2015, 1, 1)
LAST_DAY: Final = date(2019, 12, 31)
#: The optical image is of a summer day, when the sun is high and the snow line, too.
_SUMMER: Final = ((6, 15), (8, 25))
_SENSOR: Final = SENSORS["S1"]
_README: Final = """\
SYNTHETIC pairs of Sentinel-1 and Sentinel-2 images

Every image below this folder was rendered by the glacier scene model of ssl4sar.
No pixel is an observation and no glacier exists; folders and names are those of the
SSL4SAR dataset (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945) only so that
its loaders apply. Do not compare numbers from these images with numbers from others.

unlabeled_data_raw_train, unlabeled_data_raw_val: 8-bit grey, S1_GLACIER_DAY_ORBIT.png
data_optical: 15 bands, GLACIER_DAY_S2.tif, reflectance x 10000 (AOT and WVP x 1000,
SCL a code), NaN where there is no data; metres on a made-up plane, no map projection
"""


@dataclass(frozen=True)
class SarPlan:
    """One Sentinel-1 image to render.

    Attributes:
        glacier: name of the glacier.
        split: train or val.
        day: day of the pass.
        orbit: track number, three digits.
        viewing: geometry of the pass.
        levels: backscatter of the pass.
    """

    glacier: str
    split: PairSplit
    day: date
    orbit: str
    viewing: Viewing
    levels: Levels

    @property
    def file(self) -> str:
        """Path below the root."""
        return f"{SAR_FOLDERS[self.split]}/S1_{self.glacier}_{self.day:%Y%m%d}_{self.orbit}.png"


@dataclass(frozen=True)
class OpticalPlan:
    """The optical image of a glacier.

    Attributes:
        glacier: name of the glacier.
        day: day of the image.
    """

    glacier: str
    day: date

    @property
    def file(self) -> str:
        """Path below the root."""
        return f"{OPTICAL_FOLDER}/{self.glacier}_{self.day:%Y%m%d}_S2.tif"


PairPlan = SarPlan | OpticalPlan


def glacier_names(count: int) -> list[str]:
    """Return the names of the synthetic glaciers, at most 99."""
    return [f"Synthetic{i:02d}" for i in range(1, count + 1)]


def _share(total: int, parts: int, index: int) -> int:
    return total // parts + (index < total % parts)


def _optical_plan(config: PairSceneConfig, glacier: str) -> OpticalPlan:
    rng = generator(config.seed, "optical day", glacier)
    # From the year after the launch of Sentinel-2 on.
    year = int(rng.integers(FIRST_DAY.year + 1, LAST_DAY.year + 1))
    first, last = (date(year, month, day) for month, day in _SUMMER)
    return OpticalPlan(
        glacier, first + timedelta(days=int(rng.integers(0, (last - first).days + 1)))
    )


def _sar_plan(config: PairSceneConfig, glacier: str, split: PairSplit, day: date) -> SarPlan:
    rng = generator(config.seed, "plan", glacier, day.isoformat(), _SENSOR.name)
    orbit, viewing = draw_passes(config.seed, glacier, _SENSOR)[int(rng.random() < 0.3)]
    environment = environment_on(config.seed, glacier, northern=True, day=day)
    levels = draw_levels(
        rng, _SENSOR.band, environment.wind_m_s, viewing.incidence_deg, config.difficulty
    )
    return SarPlan(glacier, split, day, orbit, viewing, levels)


def plan_pairs(config: PairSceneConfig) -> list[PairPlan]:
    """Return all images of a configuration; pure, the same for the same configuration.

    Both splits are shared evenly over the glaciers; their days are all different. Images of a
    glacier are neighbours, the optical one first.

    Raises:
        UserError: a glacier would need more images than there are days.
    """
    span = (LAST_DAY - FIRST_DAY).days + 1
    names = glacier_names(config.glaciers)
    plans: list[PairPlan] = []
    for i, glacier in enumerate(names):
        validation = _share(config.val_images, len(names), i)
        count = validation + _share(config.train_images, len(names), i)
        if count > span:
            raise UserError(
                "pair_scene.train_images",
                f"{count} images of one glacier on different days, of which there are {span}",
                "render fewer images or more glaciers",
            )
        rng = generator(config.seed, "days", glacier)
        days = [FIRST_DAY + timedelta(days=int(d)) for d in rng.permutation(span)[:count]]
        plans.append(_optical_plan(config, glacier))
        plans += sorted(
            (
                _sar_plan(config, glacier, "val" if j < validation else "train", day)
                for j, day in enumerate(days)
            ),
            key=lambda plan: plan.file,
        )
    return plans


def _grids(world: World, spacing_m: int) -> tuple[Grid, Grid, int]:
    """Return the grid of both images, the one they are rendered on, and pixels per pixel."""
    coarse = Grid.centred(world.width_m, world.height_m, float(spacing_m))
    block = spacing_m // RENDERED_SPACING_M
    shape = coarse.height * block, coarse.width * block
    return coarse, Grid.at(coarse.left, coarse.top, float(RENDERED_SPACING_M), shape), block


def _blocks(image: NDArray[Any], block: int) -> NDArray[Any]:
    """Return (..., rows, block, columns, block) of (..., H, W)."""
    *bands, height, width = image.shape
    return image.reshape(*bands, height // block, block, width // block, block)


def average_grey(grey: NDArray[np.uint8], block: int) -> NDArray[np.uint8]:
    """Average over blocks of pixels.

    Grey values are averaged, not intensities: the trees of CaFFe come as grey images and are
    brought to coarser pixels in the same way, so that pretraining and fine-tuning see equal
    statistics.

    Args:
        grey: (H, W) uint8, sides multiples of ``block``.
        block: side of a block.
    """
    mean = _blocks(grey, block).mean((-3, -1), dtype=np.float64)
    return np.asarray(np.rint(mean), np.uint8)


def average_optical(image: FloatArray, block: int) -> FloatArray:
    """Average bands over blocks of pixels; of the classes, which are codes, the most frequent.

    Args:
        image: (15, H, W) float32, NaN where there is no data.
        block: side of a block.

    Returns:
        (15, H / block, W / block) float32 whole numbers, NaN where a pixel of a block is.
    """
    if block == 1:
        return image
    averaged = np.rint(_blocks(image, block).mean((-3, -1), dtype=np.float64))
    codes = _blocks(image[SCL_BAND], block)
    most = np.zeros(averaged.shape[1:])
    for code in np.unique(image[SCL_BAND][np.isfinite(image[SCL_BAND])]):
        count = (codes == code).sum((-3, -1))
        averaged[SCL_BAND] = np.where(count > most, code, averaged[SCL_BAND])
        most = np.maximum(most, count)
    averaged[:, np.isnan(averaged[0])] = np.nan
    return np.asarray(averaged, np.float32)


def _render_sar(config: PairSceneConfig, plan: SarPlan, path: Path) -> None:
    world = glacier_world(config.seed, plan.glacier, config.extent_km * 1000, northern=True)
    _, fine, block = _grids(world, config.spacing_m)
    image = render_sar(
        generator(config.seed, "render", plan.glacier, plan.day.isoformat(), plan.orbit),
        world.sample(fine, plan.day),
        world.geometry,
        _SENSOR,
        plan.viewing,
        plan.levels,
        spare_m=world.dynamic_bay_m,
    )
    text = {"Comment": NOTE, "Pixel size (m)": str(config.spacing_m)}
    write_gray(path, average_grey(image.grey, block), text)


def _air(config: PairSceneConfig, plan: OpticalPlan) -> tuple[np.random.Generator, Sky]:
    """Return the generator of an optical image after its first draw, and what that was."""
    rng = generator(config.seed, "optical", plan.glacier, plan.day.isoformat())
    return rng, draw_sky(rng, northern=True, day=plan.day)


def cloud_percent(config: PairSceneConfig, plan: OpticalPlan) -> float:
    """Return the share of an optical image that clouds will cover, 0 to 100."""
    return 100.0 * _air(config, plan)[1].cloud_cover


def _render_optical(config: PairSceneConfig, plan: OpticalPlan, path: Path) -> None:
    world = glacier_world(config.seed, plan.glacier, config.extent_km * 1000, northern=True)
    coarse, fine, block = _grids(world, config.spacing_m)
    rng, sky = _air(config, plan)
    # Some areas reach beyond the edge of the tile, whose direction is that of the orbit.
    edge = Viewing(0.0, float(rng.uniform(0, 2 * np.pi)))
    outside = swath_edge(rng, fine, edge, world.dynamic_bay_m)
    image = render_optical(rng, world.sample(fine, plan.day), world.geometry, sky)
    image[:, outside] = np.nan
    write_geotiff(
        path,
        average_optical(image, block),
        coarse,
        descriptions=BANDS,
        tags={"COMMENT": NOTE, "GLACIER": plan.glacier, "DAY": plan.day.isoformat()},
    )


def render_image_file(config: PairSceneConfig, plan: PairPlan, path: Path) -> None:
    """Render one image and write it to a file; its bytes depend on nothing but config and plan.

    Args:
        config: the configuration the plan was made from.
        plan: one of :func:`plan_pairs`.
        path: file, with the ending of ``plan.file``.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    if isinstance(plan, OpticalPlan):
        _render_optical(config, plan, path)
    else:
        _render_sar(config, plan, path)


def render_pair_image(config: PairSceneConfig, plan: PairPlan, root: Path) -> None:
    """Render one image and write it below ``root``.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    render_image_file(config, plan, root / plan.file)


def render_pairs(config: PairSceneConfig, root: Path, workers: int = 1) -> None:
    """Render the whole dataset below ``root``; the bytes do not depend on ``workers``.

    Args:
        config: how many glaciers and images, how large, how hard.
        root: folder of the dataset; the caller makes it appear atomically.
        workers: processes.

    Raises:
        UserError: more images than days, the disk is full or the folder cannot be written.
    """
    plans = plan_pairs(config)
    write_text(root / "README.txt", _README)
    render = partial(render_pair_image, config, root=root)
    render_all(render, plans, workers, "image pairs")
