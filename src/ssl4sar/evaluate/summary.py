"""The headline numbers of a set of scored images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ssl4sar.evaluate.schema import Segmentation
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.metrics.segmentation import AVERAGE, image_mean_table, pooled_table
from ssl4sar.metrics.subsets import SubsetError, subset_error


@dataclass(frozen=True)
class ScoreSummary:
    """Front and zone scores of a set of images.

    Attributes:
        front: fronts of all images, pooled.
        segmentation: zone scores.
    """

    front: SubsetError
    segmentation: Segmentation

    @property
    def iou_pooled(self) -> float | None:
        """Mean of the class IoUs of the summed confusion matrix, 0-1."""
        return self.segmentation.pooled["iou"][AVERAGE]

    @property
    def iou_image_mean(self) -> float | None:
        """Mean over images of the mean class IoU, absent classes counting 0; 0-1."""
        return self.segmentation.image_mean_absent_zero["iou"][AVERAGE]


def summarise(scores: Sequence[ImageScore]) -> ScoreSummary:
    """Summarise scored images; their order has no effect beyond rounding."""
    confusions = [score.confusion_counts for score in scores]
    return ScoreSummary(
        front=subset_error([score.front_error for score in scores]),
        segmentation=Segmentation(
            pooled=pooled_table(confusions),
            image_mean_absent_zero=image_mean_table(confusions, "zero"),
            image_mean_absent_skipped=image_mean_table(confusions, "skipped"),
        ),
    )
