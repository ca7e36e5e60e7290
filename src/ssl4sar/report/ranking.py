"""Which scenes are shown: ranked by their front error, scenes without a front last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ssl4sar.evaluate.scoring import ImageScore

#: The "good" scene leaves a tenth of the scenes in front of it: the very best would flatter.
GOOD_SHARE: Final = 0.1


@dataclass(frozen=True)
class RankedScore:
    """A scene with its place among all scenes.

    Attributes:
        label: "good", "median", "worst", or "only scene".
        rank: 1 for the smallest front error.
        count: number of scenes.
        score: scores of the scene.
    """

    label: str
    rank: int
    count: int
    score: ImageScore


def rank_scores(scores: Sequence[ImageScore]) -> list[ImageScore]:
    """Return scores from the smallest to the largest MDE; scenes without a front come last.

    Scenes without a front are ordered by their IoU, best first, and equals by name.
    """

    def key(score: ImageScore) -> tuple[float, float, str]:
        iou = score.class_scores.table("skipped")["iou"]["average"] or 0.0
        return (math.inf if score.mde_m is None else score.mde_m, -iou, score.name)

    return sorted(scores, key=key)


def good_median_worst(scores: Sequence[ImageScore]) -> list[RankedScore]:
    """Pick a good, the median and the worst scene; fewer where there are fewer scenes."""
    ranked = rank_scores(scores)
    last = len(ranked) - 1
    places = {last: "worst", last // 2: "median", int(GOOD_SHARE * last): "good"}
    if last == 0:
        places = {0: "only scene"}
    return [
        RankedScore(places[place], place + 1, len(ranked), ranked[place])
        for place in sorted(places)
    ]


def overlay_choice(scores: Sequence[ImageScore], limit: int) -> list[ImageScore]:
    """Pick at most ``limit`` scenes spread over all ranks, with good, median and worst.

    Returns:
        Scores, best first.
    """
    ranked = rank_scores(scores)
    if len(ranked) <= limit:
        return ranked
    chosen = {choice.rank - 1 for choice in good_median_worst(scores)}
    spread = [int(place) for place in np.linspace(0, len(ranked) - 1, limit).round()]
    others = [place for place in spread if place not in chosen]
    # Where the fixed three push the number over the limit, drop others evenly.
    room = limit - len(chosen)
    if room and others:
        kept = np.linspace(0, len(others) - 1, room).round()
        chosen |= {others[int(index)] for index in kept}
    return [ranked[place] for place in sorted(chosen)]
