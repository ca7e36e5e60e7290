"""Zones of an image from its own probabilities and their mean over the dates of its glacier.

Rock, valley walls and most of the glacier stay where they are: where a network is unsure of one
image, others of the same place say what is likely there. No label is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ssl4sar.config.prediction import DateMeanConfig
from ssl4sar.core.progress import log
from ssl4sar.core.zones import CLASS_COUNT, NA
from ssl4sar.dataset.series import SeriesScene, groups_of

#: Below this sum of weights no image shows the pixel.
_UNSEEN = 1e-3


class ZoneMean:
    """The mean over images of the probabilities of zones, where there is data.

    An image counts in a pixel by its probability of data there, so that shadow and the edges of
    swaths, which depend on the pass, say nothing about the ground.
    """

    def __init__(self) -> None:
        self._sums: NDArray[np.float32] | None = None
        self._weights: NDArray[np.float32] | None = None
        self._mean: NDArray[np.float32] | None = None

    def add(self, probabilities: NDArray[np.float32]) -> None:
        """Add an image.

        Args:
            probabilities: (K, H, W) with the four zones first; the sum of these is 1.
        """
        self._mean = None
        zones, weights = probabilities[NA + 1 : CLASS_COUNT], 1 - probabilities[NA]
        if self._sums is None or self._weights is None:
            self._sums, self._weights = zones.copy(), weights
            return
        self._sums += zones
        self._weights += weights

    def blended(self, probabilities: NDArray[np.float32], share: float) -> NDArray[np.float32]:
        """Return the probabilities of an image with a share of the mean.

        p(NA) stays; p(zone) = (1 - share) p(zone) + share (1 - p(NA)) mean(zone).

        Args:
            probabilities: (K, H, W) of the image.
            share: share of the mean, 0-1.

        Returns:
            (4, H, W) float32.

        Raises:
            ValueError: no image was added.
        """
        if self._sums is None or self._weights is None:
            raise ValueError("no image was added to the mean")
        if self._mean is None:
            seen = np.maximum(self._weights, np.float32(_UNSEEN))
            self._mean = np.divide(self._sums, seen, dtype=np.float32)
        own = probabilities[:CLASS_COUNT].copy()
        own[NA + 1 :] *= np.float32(1 - share)
        own[NA + 1 :] += np.float32(share) * (1 - own[NA]) * self._mean
        return own


def zones_by_date_mean(
    read: Callable[[str], NDArray[np.float32]],
    scenes: Sequence[SeriesScene],
    config: DateMeanConfig,
) -> Iterator[tuple[SeriesScene, NDArray[np.uint8]]]:
    """Return the zones of every scene, those of one glacier and grid by day.

    Each scene is read twice; one is in memory at a time.

    Args:
        read: returns the probabilities (K, H, W) of a scene.
        scenes: scenes of one split.
        config: share and window of the mean.

    Yields:
        Scene and (H, W) uint8 class ids.
    """
    groups = groups_of(scenes, len(scenes))
    alone = sum(len(group.frames) == 1 for group in groups)
    if alone:
        log(
            f"{alone} of {len(scenes)} images have no other on their grid: their mean is themselves"
        )
    for group in groups:
        mean, added = ZoneMean(), 0
        for scene in group.frames:
            while added < len(group.frames) and (
                config.window == "all" or group.frames[added].day <= scene.day
            ):
                mean.add(read(group.frames[added].name))
                added += 1
            blended = mean.blended(read(scene.name), config.share)
            yield scene, blended.argmax(0).astype(np.uint8)
