"""The comparison of models, built from the scores of all their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ssl4sar.evaluate.baselines import FLOOR
from ssl4sar.evaluate.comparison_text import comparison_text
from ssl4sar.evaluate.published import PUBLISHED, SSL4SAR_RUNS, TEST_SET
from ssl4sar.evaluate.result import RunScores, common_images, described, fit_for_mde, spread
from ssl4sar.evaluate.schema import (
    Baseline,
    BestTrivial,
    ComparedModel,
    ComparedRun,
    Comparison,
    Dataset,
    Model,
    ModelPair,
    PublishedComparison,
    PublishedPair,
    PublishedSystem,
    References,
)
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.significance import Better, compare
from ssl4sar.evaluate.summary import summarise
from ssl4sar.evaluate.trained_models import assessed


@dataclass(frozen=True)
class ModelScores:
    """A model with the scores of its runs.

    Attributes:
        model: what was trained.
        runs: scores per member.
    """

    model: Model
    runs: Sequence[RunScores]


def build_comparison(
    dataset: Dataset, models: Sequence[ModelScores], baselines: Mapping[str, BaselineScores]
) -> dict[str, Any]:
    """Build the content of the comparison file.

    Args:
        dataset: what was scored.
        models: models with their runs, all over the same images.
        baselines: scores of the true zones (key ``FLOOR``) and of trivial predictions; may be
            empty.

    Returns:
        Builtins that fit :class:`~ssl4sar.evaluate.schema.Comparison`.

    Raises:
        ValueError: no model, a model without runs, or runs over different images.
    """
    if not all(each.runs for each in models):
        raise ValueError("no run to report")
    runs = [run for each in models for run in each.runs]
    names = common_images(runs, baselines)
    dataset = assessed(dataset, [each.model for each in models])
    compared = [_compared(each) for each in models]
    comparison = Comparison(
        dataset=dataset,
        images=len(names),
        models=compared,
        pairs=[_pair(one, other) for one, other in combinations(compared, 2)],
        references=_references(baselines),
        published=_published(),
        text=[],
    )
    unlabelled = sum(score.true_front_px == 0 for score in runs[0].images)
    text = comparison_text(comparison, unlabelled)
    return comparison.model_copy(update={"text": text}).to_json()


def _compared(scores: ModelScores) -> ComparedModel:
    runs = [_run(run) for run in scores.runs]
    return ComparedModel(
        model=scores.model,
        runs=runs,
        mde_m=spread(run.mde_m for run in runs),
        front_recall_500m=spread(run.front_recall_500m for run in runs),
        front_precision_500m=spread(run.front_precision_500m for run in runs),
        iou_pooled=spread(run.iou_pooled for run in runs),
    )


def _run(run: RunScores) -> ComparedRun:
    summary = summarise(run.images)
    return ComparedRun(
        member=run.member,
        mde_m=summary.front.mde_m,
        front_recall_500m=summary.front.front_recall_500m,
        front_precision_500m=summary.front.front_precision_500m,
        iou_pooled=summary.iou_pooled,
        no_front=summary.front.n_no_front,
    )


def _pair(baseline: ComparedModel, opponent: ComparedModel) -> ModelPair:
    worse, better = (
        [[run.mde_m for run in each.runs], [run.iou_pooled for run in each.runs]]
        for each in (baseline, opponent)
    )
    return ModelPair(
        baseline=baseline.name,
        opponent=opponent.name,
        mde_m=compare(_known(worse[0]), _known(better[0]), "lower"),
        iou_pooled=compare(_known(worse[1]), _known(better[1]), "higher"),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _references(baselines: Mapping[str, BaselineScores]) -> References:
    trivial = {key: described(baseline) for key, baseline in baselines.items()}
    floor = trivial.pop(FLOOR, None)
    fit = fit_for_mde(trivial.values(), None if floor is None else floor.no_front)
    return References(
        floor_m=None if floor is None else floor.mde_m,
        floor_no_front=None if floor is None else floor.no_front,
        floor_front_recall_500m=None if floor is None else floor.front_recall_500m,
        floor_front_precision_500m=None if floor is None else floor.front_precision_500m,
        best_trivial_mde_m=_best(fit, lambda each: each.mde_m, "lower"),
        best_trivial_front_recall_500m=_best(
            trivial.values(), lambda each: each.front_recall_500m, "higher"
        ),
        best_trivial_front_precision_500m=_best(
            fit, lambda each: each.front_precision_500m, "higher"
        ),
        best_trivial_iou_pooled=_best(trivial.values(), lambda each: each.iou_pooled, "higher"),
    )


def _best(
    baselines: Iterable[Baseline], measure: Callable[[Baseline], float | None], better: Better
) -> BestTrivial | None:
    found = [
        BestTrivial(title=each.title, value=value, no_front=each.no_front)
        for each in baselines
        if (value := measure(each)) is not None
    ]
    choose = min if better == "lower" else max
    return choose(found, key=lambda each: each.value, default=None)


def _published() -> PublishedComparison:
    rows = [row for row in PUBLISHED if row.mde_runs_m]
    return PublishedComparison(
        source=SSL4SAR_RUNS,
        test_set=TEST_SET,
        systems=[
            PublishedSystem(
                system=row.system, mde_runs_m=row.mde_runs_m, mde_m=spread(row.mde_runs_m)
            )
            for row in rows
        ],
        pairs=[
            PublishedPair(
                baseline=one.system,
                opponent=other.system,
                mde_m=compare(one.mde_runs_m, other.mde_runs_m, "lower"),
            )
            for one, other in combinations(rows, 2)
        ],
    )
