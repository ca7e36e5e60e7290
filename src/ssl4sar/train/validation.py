"""Scores on whole validation images: pooled IoU and mean distance error.

Images are summed up, not averaged, so that processes can share them: the sums of all processes
give the same score as one process alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.progress import track
from ssl4sar.core.zones import CLASS_COUNT
from ssl4sar.dataset.store import Store


@dataclass(frozen=True)
class ValidationScore:
    """Scores over all validation images.

    Attributes:
        mde_m: mean distance error: all distances of all images pooled, metres; None where no
            image has both a predicted and a labelled front.
        iou_pooled: mean over classes of the IoU of the pooled confusion matrix, 0-1.
        iou_per_class: its four terms; a class that is nowhere scores 0.
        no_front: images without a predicted front.
        images: number of images.
    """

    mde_m: float | None
    iou_pooled: float
    iou_per_class: tuple[float, ...]
    no_front: int
    images: int


@dataclass
class ValidationTotals:
    """Sums over images, from which the score follows.

    Attributes:
        confusion: (4, 4) int64 pixels, rows labels, columns predictions.
        distance_sum_m: sum of all distances, metres.
        distance_count: number of distances.
        no_front: images without a predicted front.
        images: number of images.
    """

    confusion: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((CLASS_COUNT, CLASS_COUNT), np.int64)
    )
    distance_sum_m: float = 0.0
    distance_count: int = 0
    no_front: int = 0
    images: int = 0

    def as_tensor(self) -> Tensor:
        """Return the sums as (20,) float64, exact for counts below 2**53."""
        rest = [self.distance_sum_m, self.distance_count, self.no_front, self.images]
        return torch.tensor([*self.confusion.ravel().tolist(), *rest], dtype=torch.float64)

    @classmethod
    def from_tensor(cls, sums: Tensor) -> Self:
        """Return the sums of :meth:`as_tensor`, e.g. added over processes."""
        values = sums.tolist()
        cells = CLASS_COUNT**2
        confusion = np.array(values[:cells]).astype(np.int64).reshape(CLASS_COUNT, CLASS_COUNT)
        distance_sum_m, *counts = values[cells:]
        return cls(confusion, distance_sum_m, *(int(count) for count in counts))

    def score(self) -> ValidationScore:
        """Return the scores of the summed images."""
        hits = np.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - hits
        iou = hits / np.maximum(union, 1)
        return ValidationScore(
            mde_m=self.distance_sum_m / self.distance_count if self.distance_count else None,
            iou_pooled=float(iou.mean()),
            iou_per_class=tuple(float(value) for value in iou),
            no_front=self.no_front,
            images=self.images,
        )
