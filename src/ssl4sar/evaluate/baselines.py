"""What can be reached without learning, and what cannot be beaten.

The floor is the score of the TRUE zones against the true fronts: extraction rules and labels
that disagree leave it above zero. The trivial baselines use no label at all. All four halves of
the image are reported, because to pick the best one would need the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.image import read_image
from ssl4sar.core.zones import GLACIER, OCEAN
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.scoring import ImageScore, LabelFolders, map_images, score_image

FLOOR: Final = "true_zones"
#: Folder-independent way to the SAR image of a scene.
SarPath = Callable[[str], Path]


_SHAPE_TITLES: Final = {
    "all_glacier": "all glacier, no front anywhere",
    "left_half_ocean": "left half ocean, right half glacier",
    "right_half_ocean": "right half ocean, left half glacier",
    "upper_half_ocean": "upper half ocean, lower half glacier",
    "lower_half_ocean": "lower half ocean, upper half glacier",
}
_GREY_TITLES: Final = {
    "otsu_dark_ocean": "SAR grey values: dark is ocean, bright is glacier (Otsu threshold)",
    "otsu_bright_ocean": "SAR grey values: bright is ocean, dark is glacier (Otsu threshold)",
}


def score_baselines(
    labels: LabelFolders,
    names: Sequence[str],
    *,
    sar_path: SarPath | None = None,
    workers: int = 1,
) -> dict[str, BaselineScores]:
    """Score the true zones and the trivial predictions through the ordinary path.

    Args:
        labels: folders of the labels.
        names: scene names.
        sar_path: gives the SAR image of a scene; without it the Otsu baselines are left out.
        workers: images scored at the same time.

    Returns:
        Scores by key; ``FLOOR`` holds the true zones.

    Raises:
        UserError: anything missing, damaged or inconsistent.
    """

    def score(name: str) -> dict[str, ImageScore]:
        scene = labels.read(name)
        guesses: dict[str, NDArray[np.uint8]] = {FLOOR: scene.zones}
        guesses |= shape_baselines(scene.zones.shape)
        if sar_path is not None:
            guesses |= _grey_baselines_of(sar_path(name), scene.zones.shape)
        return {
            key: score_image(scene, zones, scene.extract(zones)) for key, zones in guesses.items()
        }

    per_image = list(map_images(score, names, "scoring baselines", workers))
    titles: Mapping[str, str] = {FLOOR: "the true zones", **_SHAPE_TITLES}
    if sar_path is not None:
        titles = {**titles, **_GREY_TITLES}
    return {
        key: BaselineScores(title, [scores[key] for scores in per_image])
        for key, title in titles.items()
    }


def shape_baselines(shape: tuple[int, ...]) -> dict[str, NDArray[np.uint8]]:
    """Return the predictions that do not look at the image.

    Args:
        shape: (H, W).

    Returns:
        (H, W) uint8 class ids by key.
    """
    height_px, width_px = shape
    rows, columns = np.arange(height_px)[:, None], np.arange(width_px)[None, :]
    oceans = {
        "all_glacier": rows < 0,
        "left_half_ocean": columns < width_px // 2,
        "right_half_ocean": columns >= width_px // 2,
        "upper_half_ocean": rows < height_px // 2,
        "lower_half_ocean": rows >= height_px // 2,
    }
    return {key: _ocean_or_glacier(ocean, shape) for key, ocean in oceans.items()}


def grey_baselines(sar: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Return the predictions that split the SAR image at Otsu's threshold.

    Args:
        sar: (H, W) uint8 grey values; 0 marks pixels outside the swath.

    Returns:
        (H, W) uint8 class ids by key.
    """
    dark = sar <= otsu_threshold(sar)
    return {
        "otsu_dark_ocean": _ocean_or_glacier(dark, sar.shape),
        "otsu_bright_ocean": _ocean_or_glacier(~dark, sar.shape),
    }


def otsu_threshold(sar: NDArray[np.uint8]) -> int:
    """Return the grey value that best separates dark (<=) from bright pixels.

    Maximises the variance between the two groups (Otsu 1979, doi:10.1109/TSMC.1979.4310076) over
    pixels above 0, since 0 is also the value outside the swath. Of equal thresholds the lowest.

    Args:
        sar: (H, W) uint8.

    Returns:
        Threshold 0-255; 0 for an image without two grey values above 0.
    """
    counts = np.bincount(sar.ravel(), minlength=256).astype(np.float64)
    counts[0] = 0
    below = counts.cumsum()
    above = below[-1] - below
    grey_below = (counts * np.arange(256)).cumsum()
    both = (below > 0) & (above > 0)
    if not both.any():
        return 0
    mean_below = grey_below[both] / below[both]
    mean_above = (grey_below[-1] - grey_below[both]) / above[both]
    between = np.zeros(256)
    between[both] = below[both] * above[both] * (mean_above - mean_below) ** 2
    return int(between.argmax())


def _ocean_or_glacier(ocean: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    zones = np.full(shape, GLACIER, np.uint8)
    zones[np.broadcast_to(ocean, shape)] = OCEAN
    return zones


def _grey_baselines_of(path: Path, shape: tuple[int, ...]) -> dict[str, NDArray[np.uint8]]:
    sar = read_image(path).pixels
    if sar.shape != shape:
        raise UserError(
            path,
            f"the image is {sar.shape[0]}x{sar.shape[1]} px, its zone mask "
            f"{shape[0]}x{shape[1]} px (height x width)",
            "check that image and labels belong together",
        )
    return grey_baselines(sar)
