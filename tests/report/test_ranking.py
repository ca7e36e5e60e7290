"""Which scenes are shown."""

from __future__ import annotations

import random

import pytest

from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.report.ranking import good_median_worst, overlay_choice, rank_scores


def score(index: int, mde_m: float | None, hits: int = 5) -> ImageScore:
    return ImageScore(
        name=f"COL_2011-06-{index:02d}_TDX_7_1_024",
        height_px=4,
        width_px=4,
        mde_m=mde_m,
        n_distances=0 if mde_m is None else 1,
        sum_m=mde_m or 0.0,
        sum_squares_m2=(mde_m or 0.0) ** 2,
        max_m=mde_m,
        predicted_to_true_m=mde_m,
        true_to_predicted_m=mde_m,
        predicted_front_px=1,
        predicted_front_near_px=1,
        predicted_front_before_box_px=1,
        true_front_px=1,
        true_front_near_px=1,
        confusion=((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, hits, 3), (0, 0, 0, 8)),
    )


SCORES = [score(i, 10.0 * i) for i in range(1, 21)]


def test_scenes_without_a_front_are_worst() -> None:
    scores = [score(1, None, 1), score(2, 900.0), score(3, None, 9), score(4, 5.0)]
    assert [s.name[12:14] for s in rank_scores(scores)] == ["04", "02", "03", "01"]
    assert good_median_worst(scores)[-1].score.mde_m is None


def test_good_median_worst_tell_their_rank() -> None:
    chosen = good_median_worst(random.Random(0).sample(SCORES, 20))
    assert [(c.label, c.rank, c.count) for c in chosen] == [
        ("good", 2, 20),
        ("median", 10, 20),
        ("worst", 20, 20),
    ]


@pytest.mark.parametrize(
    ("count", "labels"),
    [(1, ["only scene"]), (2, ["good", "worst"]), (3, ["good", "median", "worst"])],
)
def test_few_scenes(count: int, labels: list[str]) -> None:
    chosen = good_median_worst(SCORES[:count])
    assert [c.label for c in chosen] == labels
    assert len({c.score.name for c in chosen}) == count


@pytest.mark.parametrize("limit", range(3, 25))
def test_overlays_hold_the_three_and_respect_the_limit(limit: int) -> None:
    chosen = overlay_choice(SCORES, limit)
    names = [s.name for s in chosen]
    assert len(set(names)) == len(names) <= limit
    assert {c.score.name for c in good_median_worst(SCORES)} <= set(names)
    assert names == [s.name for s in rank_scores(chosen)]
    assert len(names) >= min(limit, 20) - 2
