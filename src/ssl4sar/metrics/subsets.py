"""Mean distance error and found share of the front, of the benchmark's subsets of images.

Subsets: all; season; glacier; sensor; resolution; and glacier with each of the other three.
Source: CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.scene_name import GLACIERS, SENSOR_GROUPS, SceneName
from ssl4sar.metrics.distances import DistanceSums

SEASONS: Final = ("winter", "summer")
#: Nominal pixel sizes of the official scenes, metres, in the order of the benchmark's tables.
RESOLUTIONS_M: Final = (20, 17, 12, 7, 6)
ALL: Final = "all"
#: A front pixel is found where the other front is less than this away, metres: the 500 m of
#: ``front_recall_500m`` and ``front_precision_500m``.
FRONT_TOLERANCE_M: Final = 500.0


def near_px(distances_m: NDArray[np.float64]) -> int:
    """Count the front pixels with the other front near them.

    Args:
        distances_m: (N,) distances of the pixels to the other front, metres.
    """
    return int(np.count_nonzero(distances_m < FRONT_TOLERANCE_M))


def near_share(near: int, front_px: int) -> float | None:
    """Return the share of front pixels near the other front, 0-1; None without front pixels."""
    return near / front_px if front_px else None


@dataclass(frozen=True)
class FrontError:
    """What the front of one image contributes to the subsets that hold it.

    Attributes:
        scene: name of the image.
        sums: sums over its distances; empty where no front was predicted.
        true_front_px: pixels of the true front.
        true_front_near_px: those of them with the predicted front near.
        predicted_front_px: pixels of the predicted front.
        predicted_front_near_px: those of them with the true front near.
    """

    scene: SceneName
    sums: DistanceSums
    true_front_px: int
    true_front_near_px: int
    predicted_front_px: int
    predicted_front_near_px: int


@dataclass(frozen=True)
class SubsetError:
    """Front errors of a subset; None where there is nothing to average.

    Attributes:
        n_images: images of the subset.
        n_no_front: images left out because they have no front.
        mde_m: mean of the pooled distances, metres: the benchmark's number.
        std_m: population standard deviation of the pooled distances, metres.
        mde_image_mean_m: mean of the image means, metres.
        mde_length_weighted_m: image means weighted with the pixels of the true front, metres.
        n_distances: number of pooled distances.
        front_recall_500m: share of the true front pixels with the predicted front near, 0-1; those
            of an image without a predicted front are missed.
        front_precision_500m: share of the predicted front pixels with the true front near, 0-1;
            those of an image without a true front are wrong.
    """

    n_images: int
    n_no_front: int
    mde_m: float | None
    std_m: float | None
    mde_image_mean_m: float | None
    mde_length_weighted_m: float | None
    n_distances: int
    front_recall_500m: float | None
    front_precision_500m: float | None


def subset_error(images: Sequence[FrontError]) -> SubsetError:
    """Summarise the fronts of a set of images; their order has no effect."""
    pooled = DistanceSums.pool(image.sums for image in images)
    measured = [
        (mean_m, image.true_front_px)
        for image in images
        if (mean_m := image.sums.mean_m) is not None
    ]
    length_px = sum(weight for _, weight in measured)
    return SubsetError(
        n_images=len(images),
        n_no_front=len(images) - len(measured),
        mde_m=pooled.mean_m,
        std_m=pooled.std_m,
        mde_image_mean_m=(
            math.fsum(mean for mean, _ in measured) / len(measured) if measured else None
        ),
        mde_length_weighted_m=(
            math.fsum(mean * weight for mean, weight in measured) / length_px if measured else None
        ),
        n_distances=pooled.count,
        front_recall_500m=near_share(
            sum(image.true_front_near_px for image in images),
            sum(image.true_front_px for image in images),
        ),
        front_precision_500m=near_share(
            sum(image.predicted_front_near_px for image in images),
            sum(image.predicted_front_px for image in images),
        ),
    )


def subset_names(scenes: Iterable[SceneName] = ()) -> list[str]:
    """Return the names of all subsets, e.g. ``glacier=COL,season=winter``: 112 official ones.

    Args:
        scenes: the images at hand; pixel sizes beyond the official five (resampled or synthetic
            scenes) and glaciers beyond the official seven get subsets of their own.
    """
    listed = list(scenes)
    others = sorted({s.resolution_m for s in listed} - set(RESOLUTIONS_M), reverse=True)
    glaciers = (*GLACIERS, *sorted({s.glacier for s in listed} - set(GLACIERS)))
    groups = {
        "season": SEASONS,
        "sensor": SENSOR_GROUPS,
        "resolution": tuple(map(str, (*RESOLUTIONS_M, *others))),
    }
    singles = {"season": SEASONS, "glacier": glaciers, **groups}
    names = [ALL, *(f"{key}={value}" for key, values in singles.items() for value in values)]
    names += [
        f"glacier={glacier},{key}={value}"
        for glacier in glaciers
        for key, values in groups.items()
        for value in values
    ]
    return names


def subsets_of(scene: SceneName) -> list[str]:
    """Return the names of the subsets that hold a scene."""
    glacier = f"glacier={scene.glacier}"
    others = [f"sensor={scene.sensor_group}", f"resolution={scene.resolution_m}"]
    if scene.season is not None:
        others.insert(0, f"season={scene.season}")
    return [ALL, glacier, *others, *(f"{glacier},{other}" for other in others)]


class _OfScene(Protocol):
    @property
    def scene(self) -> SceneName: ...


_Image = TypeVar("_Image", bound=_OfScene)


def by_subset(images: Sequence[_Image]) -> dict[str, list[_Image]]:
    """Sort images into the subsets that hold them, in the order of the benchmark.

    Returns:
        Images by subset name; subsets without images are left out.
    """
    members: dict[str, list[_Image]] = {}
    for image in images:
        for name in subsets_of(image.scene):
            members.setdefault(name, []).append(image)
    names = subset_names(image.scene for image in images)
    return {name: members[name] for name in names if name in members}
