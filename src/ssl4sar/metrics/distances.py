"""Distances between two fronts and the mean distance error of a set of images.

The mean distance error (MDE) of a set pools ALL distances of all its images, so that long fronts
and fine pixels weigh more; it is not the mean of the image means. Source: CaFFe (Gourmelon et al.
2022, doi:10.5194/essd-14-4287-2022), as its code computes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class FrontDistances:
    """Distances between a predicted and a true front, metres.

    Attributes:
        predicted_to_true_m: (P,) float64, from each predicted pixel to the nearest true one.
        true_to_predicted_m: (T,) float64, from each true pixel to the nearest predicted one.
    """

    predicted_to_true_m: NDArray[np.float64]
    true_to_predicted_m: NDArray[np.float64]

    @property
    def all_m(self) -> NDArray[np.float64]:
        """(P + T,) float64: both directions, predicted to true first."""
        return np.concatenate([self.predicted_to_true_m, self.true_to_predicted_m])


def front_distances(
    predicted: NDArray[np.bool_], true: NDArray[np.bool_], resolution_m: float
) -> FrontDistances | None:
    """Measure the Euclidean distance from every front pixel to the other front.

    Args:
        predicted: (H, W) bool.
        true: (H, W) bool.
        resolution_m: nominal pixel size, metres.

    Returns:
        The distances, or None where one of the fronts has no pixel.

    Raises:
        ValueError: the masks differ in shape.
    """
    if predicted.shape != true.shape:
        raise ValueError(f"fronts of different shapes {predicted.shape} and {true.shape}")
    predicted_px, true_px = np.argwhere(predicted), np.argwhere(true)
    if len(predicted_px) == 0 or len(true_px) == 0:
        return None
    return FrontDistances(
        _nearest_px(predicted_px, true_px) * resolution_m,
        _nearest_px(true_px, predicted_px) * resolution_m,
    )


def _nearest_px(start_px: NDArray[np.int64], target_px: NDArray[np.int64]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = cKDTree(target_px).query(start_px)[0]
    return distances


@dataclass(frozen=True)
class DistanceSums:
    """Sums from which mean and spread of pooled distances follow.

    Attributes:
        count: number of distances.
        sum_m: their sum, metres.
        sum_squares_m2: sum of their squares, square metres.
    """

    count: int = 0
    sum_m: float = 0.0
    sum_squares_m2: float = 0.0

    @classmethod
    def of(cls, distances_m: NDArray[np.float64]) -> Self:
        """Sum up (N,) distances in metres."""
        return cls(
            int(distances_m.size), float(distances_m.sum()), float(distances_m @ distances_m)
        )

    @classmethod
    def pool(cls, parts: Iterable[DistanceSums]) -> Self:
        """Pool the distances of several images; the order has no effect on the result."""
        collected = list(parts)
        return cls(
            sum(part.count for part in collected),
            math.fsum(part.sum_m for part in collected),
            math.fsum(part.sum_squares_m2 for part in collected),
        )

    @property
    def mean_m(self) -> float | None:
        """Mean distance, metres: the MDE of what was pooled; None without distances."""
        return self.sum_m / self.count if self.count else None

    @property
    def std_m(self) -> float | None:
        """Population standard deviation of the distances, metres; None without distances."""
        if not self.count:
            return None
        mean = self.sum_m / self.count
        # Rounding may leave a tiny negative variance where all distances are equal.
        return math.sqrt(max(self.sum_squares_m2 / self.count - mean * mean, 0.0))
