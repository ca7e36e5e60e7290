"""Scores on whole validation images: pooled IoU and mean distance error.

Images are summed up, not averaged, so that processes can share them: the sums of all processes
give the same score as one process alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.zones import CLASS_COUNT, CLASS_NAMES
from ssl4sar.dataset.series import nearest_frames, series_scenes
from ssl4sar.dataset.store import Store
from ssl4sar.metrics.distances import DistanceSums, front_distances
from ssl4sar.metrics.fronts import extract_front
from ssl4sar.metrics.segmentation import AVERAGE, confusion_matrix, pooled_table
from ssl4sar.models.network import SeriesNetwork, ZoneNetwork
from ssl4sar.models.sliding_window import predict_probabilities, predict_series


@dataclass(frozen=True)
class ValidationScore:
    """Scores over all validation images.

    Attributes:
        mde_m: mean distance error: all distances of all images pooled, metres; None where no
            image has both a predicted and a labelled front.
        iou_pooled: mean over classes of the IoU of the pooled confusion matrix, 0-1.
        iou_per_class: its terms, None for a class that is neither labelled nor predicted.
        no_front: images without a predicted front.
        images: number of images.
    """

    mde_m: float | None
    iou_pooled: float
    iou_per_class: tuple[float | None, ...]
    no_front: int
    images: int

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "val_mde_m",
        "val_iou_pooled",
        *(f"val_iou_{name}" for name in CLASS_NAMES),
        "val_no_front",
        "val_images",
    )
    CRITERIA: ClassVar[tuple[str, ...]] = ("best_mde", "best_iou")

    def row(self) -> list[float | int | None]:
        """Return the values of the columns; None for what is undefined."""
        return [self.mde_m, self.iou_pooled, *self.iou_per_class, self.no_front, self.images]

    def text(self) -> str:
        """Return the score as part of a line for a person."""
        mde = "undefined" if self.mde_m is None else f"{self.mde_m:.0f} m"
        return (
            f"validation MDE {mde}, IoU {self.iou_pooled:.3f}, "
            f"no front in {self.no_front} of {self.images}"
        )

    def logged(self) -> dict[str, float]:
        """Return the values for TensorBoard by name."""
        values = {"val/iou_pooled": self.iou_pooled, "val/no_front": float(self.no_front)}
        # An undefined distance is not logged: any number in its place could be taken for one.
        if self.mde_m is not None:
            values["val/mde_m"] = self.mde_m
        return values

    def is_better(self, criterion: str, other: Any) -> bool:
        """Compare two validations.

        best_mde: smaller distance; an undefined one counts as infinite, and ties (also of two
        undefined ones) go to the larger IoU. best_iou: larger pooled IoU. The earlier epoch keeps
        a full tie.
        """
        if criterion == "best_iou":
            return bool(self.iou_pooled > other.iou_pooled)
        return self._mde_key() < ValidationScore._mde_key(other)

    def _mde_key(self) -> tuple[float, float]:
        return (float("inf") if self.mde_m is None else self.mde_m, -self.iou_pooled)


@dataclass(frozen=True)
class ValidationTotals:
    """Sums over images, from which the score follows.

    Attributes:
        confusion: (4, 4) int64 pixels, rows labels, columns predictions.
        distances: sums of all distances.
        no_front: images without a predicted front.
        images: number of images.
    """

    confusion: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((CLASS_COUNT, CLASS_COUNT), np.int64)
    )
    distances: DistanceSums = field(default_factory=DistanceSums)
    no_front: int = 0
    images: int = 0

    def __add__(self, other: Self) -> Self:
        """Return the sums over both sets of images."""
        return type(self)(
            self.confusion + other.confusion,
            DistanceSums.pool([self.distances, other.distances]),
            self.no_front + other.no_front,
            self.images + other.images,
        )

    def as_tensor(self) -> Tensor:
        """Return the sums as (21,) float64, exact for counts below 2**53."""
        d = self.distances
        rest = [d.count, d.sum_m, d.sum_squares_m2, self.no_front, self.images]
        return torch.tensor([*self.confusion.ravel().tolist(), *rest], dtype=torch.float64)

    @classmethod
    def from_tensor(cls, sums: Tensor) -> Self:
        """Return the sums of :meth:`as_tensor`, e.g. added over processes."""
        values = sums.tolist()
        cells = CLASS_COUNT**2
        confusion = np.array(values[:cells]).astype(np.int64).reshape(CLASS_COUNT, CLASS_COUNT)
        count, sum_m, sum_squares_m2, no_front, images = values[cells:]
        distances = DistanceSums(int(count), sum_m, sum_squares_m2)
        return cls(confusion, distances, int(no_front), int(images))

    def score(self) -> ValidationScore:
        """Return the scores of the summed images."""
        iou = pooled_table([self.confusion])["iou"]
        return ValidationScore(
            mde_m=self.distances.mean_m,
            iou_pooled=iou[AVERAGE] or 0.0,
            iou_per_class=tuple(iou[name] for name in CLASS_NAMES),
            no_front=self.no_front,
            images=self.images,
        )


def score_image(
    zones: NDArray[np.uint8],
    true_zones: NDArray[np.uint8],
    true_front: NDArray[np.bool_],
    resolution_m: float,
    box_window: tuple[slice, slice] | None,
) -> ValidationTotals:
    """Score one predicted zone mask by the rules of the benchmark.

    Args:
        zones: (H, W) uint8 predicted class ids.
        true_zones: (H, W) uint8 labelled class ids.
        true_front: (H, W) bool labelled front.
        resolution_m: pixel size, metres.
        box_window: rows and columns in which a front counts; None: all.
    """
    front = extract_front(zones, resolution_m, box_window)
    distances = front_distances(front.front, true_front, resolution_m)
    return ValidationTotals(
        confusion_matrix(true_zones, zones),
        DistanceSums() if distances is None else DistanceSums.of(distances.all_m),
        int(not front.exists),
        1,
    )


def validation_windows(config: TrainingConfig, centre_px: int, sigma_px: float) -> PredictionConfig:
    """Return how a network is applied to validation images.

    As published, windows do not overlap unless the recipe says so, and nothing is rotated: both
    would cost a multiple of the time in every epoch. Arithmetic is always 32-true. Series are those
    of the recipe, each about one image.

    Args:
        config: the recipe.
        centre_px: side of the centre of a window that is kept, at least the stride.
        sigma_px: standard deviation of the weights; without effect where nothing overlaps.

    Raises:
        pydantic.ValidationError: the stride is larger than the centre.
    """
    stride_px = config.validation_stride_px
    return PredictionConfig(
        stride_px=centre_px if stride_px is None else stride_px,
        centre_px=centre_px,
        sigma_px=sigma_px,
        series=config.series.model_copy(update={"predicted": "reference"}),
    )


class StoreValidation:
    """Validation on images of a store, split over processes.

    A temporal network sees each of them with the nearest in time of all images of the store, which
    are of the training split, those that are trained on too.
    """

    def __init__(self, store: Store, scenes: Sequence[int], windows: PredictionConfig) -> None:
        self.store = store
        self.scenes = tuple(scenes)
        self.windows = windows
        self._frames = series_scenes(store, range(len(store)))
        self._number = {scene.name: number for number, scene in enumerate(store.scenes)}

    def __call__(
        self, network: ZoneNetwork, device: torch.device, rank: int, world_size: int
    ) -> ValidationTotals:
        """Predict and score every ``world_size``-th image from number ``rank`` on."""
        totals = ValidationTotals()
        for number in self.scenes[rank::world_size]:
            scene = self.store.scenes[number]
            probabilities = self._probabilities(network, number, device)
            zones = np.asarray(probabilities)[:CLASS_COUNT].argmax(axis=0).astype(np.uint8)
            window = scene.box.window(scene.height, scene.width, scene.name)
            true_zones = np.asarray(self.store.zones(number))
            true_front = np.asarray(self.store.front(number)).astype(bool)
            totals += score_image(zones, true_zones, true_front, scene.resolution_m, window)
        return totals

    def _probabilities(
        self, network: ZoneNetwork, number: int, device: torch.device
    ) -> NDArray[np.float32]:
        if not isinstance(network, SeriesNetwork):
            image = np.asarray(self.store.image(number))
            return predict_probabilities(network, image, self.windows, device)
        series = nearest_frames(self._frames[number], self._frames, self.windows.series)
        images = np.stack([self.store.image(self._number[frame.name]) for frame in series.frames])
        maps = predict_series(network, images, series.days, series.predicted, self.windows, device)
        return maps.reshape(maps.shape[1:])
