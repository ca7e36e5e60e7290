"""Precision, recall, F1 and IoU of the four zones, all from one confusion matrix.

The benchmark scores each image by itself and lets a class that is absent from truth and
prediction count 0 (source: torchmetrics semantics in the evaluation of Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945), which pulls down images that lack a class. Beside that strict
rule ("zero") the absent class can be left out ("skipped"), and the confusion matrices of all
images can be summed first (pooled).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.zones import CLASS_COUNT, CLASS_NAMES

AbsentRule = Literal["zero", "skipped"]
MEASURES: Final = ("precision", "recall", "f1", "iou")
AVERAGE: Final = "average"
#: A measure by class name, with the plain mean of the classes under ``average``.
ClassTable = dict[str, float | None]
#: Tables by measure.
SegmentationTable = dict[str, ClassTable]
# A bincount widens its input to 64 bits; blocks keep that copy in the cache.
_BLOCK_PX: Final = 1 << 18


def confusion_matrix(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count pixels by true and predicted class.

    Args:
        truth: (H, W) uint8 class ids, values 0-3.
        predicted: (H, W) uint8 class ids, values 0-3.

    Returns:
        (4, 4) int64; rows are the true classes.

    Raises:
        ValueError: the masks differ in shape.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"masks of different shapes {truth.shape} and {predicted.shape}")
    pairs = (truth * np.uint8(CLASS_COUNT) + predicted).ravel()
    counts = np.zeros(CLASS_COUNT**2, np.int64)
    for start in range(0, pairs.size, _BLOCK_PX):
        counts += np.bincount(pairs[start : start + _BLOCK_PX], minlength=counts.size)
    return counts.reshape(CLASS_COUNT, CLASS_COUNT)


@dataclass(frozen=True)
class ClassScores:
    """Scores per class of one confusion matrix, each (4,) float64 in 0-1.

    A class absent from truth and prediction holds NaN; one that is in only one of them holds 0.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    iou: NDArray[np.float64]

    @classmethod
    def of(cls, confusion: NDArray[np.int64]) -> ClassScores:
        """Compute the scores of a (4, 4) confusion matrix with true classes in rows."""
        hits = np.diag(confusion)
        true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
        absent = (true + predicted) == 0

        def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
            value = part / np.maximum(whole, 1)
            value[absent] = np.nan
            return value

        return cls(
            precision=ratio(hits, predicted),
            recall=ratio(hits, true),
            f1=ratio(2 * hits, true + predicted),
            iou=ratio(hits, true + predicted - hits),
        )

    def measure(self, name: str) -> NDArray[np.float64]:
        """Return one of ``MEASURES`` by name, (4,) float64 with NaN for absent classes."""
        values: NDArray[np.float64] = getattr(self, name)
        return values

    def table(self, absent: AbsentRule) -> SegmentationTable:
        """Return every measure by class name with its mean over the classes.

        Args:
            absent: "zero" counts an absent class as 0, "skipped" leaves it out of the mean and
                gives it as None.
        """
        return {name: _row(self.measure(name), absent) for name in MEASURES}


def _row(values: NDArray[np.float64], absent: AbsentRule) -> ClassTable:
    if absent == "zero":
        values = np.nan_to_num(values, nan=0.0)
    row: ClassTable = {
        name: _number(value) for name, value in zip(CLASS_NAMES, values, strict=True)
    }
    return {AVERAGE: _mean(values), **row}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: NDArray[np.float64]) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else None


def pooled_table(confusions: Sequence[NDArray[np.int64]]) -> SegmentationTable:
    """Score the summed confusion matrices of a set of images.

    Args:
        confusions: (4, 4) int64 per image.

    Returns:
        Every measure by class name and the mean of the classes that occur; None for a class
        that occurs in no image.
    """
    total = np.sum(np.stack(confusions), axis=0) if confusions else np.zeros((4, 4), np.int64)
    return ClassScores.of(total).table("skipped")


def image_mean_table(
    confusions: Sequence[NDArray[np.int64]], absent: AbsentRule
) -> SegmentationTable:
    """Average the scores of images, each image weighing the same.

    Args:
        confusions: (4, 4) int64 per image.
        absent: what a class absent from truth and prediction of an image counts; with "skipped"
            the image is left out of the mean of that class.

    Returns:
        Every measure by class name; ``average`` is the mean over the images of the mean over
        the classes. None where nothing is left to average.
    """
    tables = [ClassScores.of(confusion).table(absent) for confusion in confusions]
    return {
        measure: {
            column: _mean_of_known([table[measure][column] for table in tables])
            for column in (AVERAGE, *CLASS_NAMES)
        }
        for measure in MEASURES
    }


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
