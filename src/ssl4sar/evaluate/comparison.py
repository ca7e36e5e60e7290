"""The comparison of starting points of the fine-tuning, built from the scores of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from ssl4sar.config.pretraining import TASKS, VARIANTS, Variant
from ssl4sar.evaluate.baselines import FLOOR
from ssl4sar.evaluate.comparison_schema import (
    BestTrivial,
    PairTests,
    PretrainedCheckpoint,
    Pretraining,
    PretrainingComparison,
    PretrainingFacts,
    PublishedComparison,
    PublishedPair,
    PublishedSystem,
    References,
    StartingPoint,
    VariantPair,
    VariantRun,
)
from ssl4sar.evaluate.comparison_text import comparison_text
from ssl4sar.evaluate.published import PUBLISHED, SSL4SAR_RUNS, TEST_SET
from ssl4sar.evaluate.result import RunScores, spread
from ssl4sar.evaluate.result_schema import Dataset
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.evaluate.significance import Better, compare
from ssl4sar.evaluate.summary import summarise


@dataclass(frozen=True)
class VariantScores:
    """The runs from one starting point.

    Attributes:
        runs: scores per fine-tuning.
        pretraining: facts of the pretraining; None for random and ImageNet weights.
    """

    runs: Sequence[RunScores]
    pretraining: PretrainingFacts | None = None


@dataclass(frozen=True)
class _Values:
    """Values of the runs of one model that have any."""

    mde_m: list[float] = field(default_factory=list)
    iou_pooled: list[float] = field(default_factory=list)


def build_comparison(
    dataset: Dataset,
    variants: Mapping[Variant, VariantScores],
    skipped: Mapping[Variant, str],
    baselines: Mapping[str, BaselineScores],
) -> dict[str, Any]:
    """Build the content of the comparison file.

    Args:
        dataset: what was scored.
        variants: runs by starting point, all over the same images.
        skipped: starting points that were asked for and left out, with the reason.
        baselines: scores of the true zones (key ``FLOOR``) and of trivial predictions; may be
            empty.

    Returns:
        Builtins that fit
        :class:`~ssl4sar.evaluate.comparison_schema.PretrainingComparison`.

    Raises:
        ValueError: no variant or a variant without runs, runs over different images, a pretext
            task without the facts of its pretraining, or a run whose checkpoint is not among them.
    """
    images = _common_images(variants, baselines)
    ordered: list[Variant] = [name for name in VARIANTS if name in variants]
    points = {name: _starting_point(name, variants[name]) for name in ordered}
    references = _references(baselines)
    pairs = [_pair(one, points[one], two, points[two]) for one, two in combinations(ordered, 2)]
    published = _published()
    unlabelled = sum(score.true_front_px == 0 for score in images)
    comparison = PretrainingComparison(
        dataset=dataset,
        images=len(images),
        variants=points,
        skipped={name: skipped[name] for name in VARIANTS if name in skipped},
        pairs=pairs,
        references=references,
        published=published,
        text=comparison_text(
            dataset, points, skipped, pairs, references, published, (len(images), unlabelled)
        ),
    )
    return comparison.to_json()


def _common_images(
    variants: Mapping[Variant, VariantScores], baselines: Mapping[str, BaselineScores]
) -> Sequence[ImageScore]:
    if not variants or not all(variant.runs for variant in variants.values()):
        raise ValueError("no run to compare")
    groups = [run.images for variant in variants.values() for run in variant.runs]
    groups += [baseline.scores for baseline in baselines.values()]
    names = [sorted(score.name for score in group) for group in groups]
    if any(other != names[0] for other in names) or len(set(names[0])) != len(names[0]):
        raise ValueError("the runs and baselines were not scored on the same images")
    return groups[0]


def _starting_point(name: Variant, variant: VariantScores) -> StartingPoint:
    facts = variant.pretraining
    if (facts is None) == (name in TASKS) or (facts is not None and facts.task != name):
        raise ValueError(f"{name}: the facts of its pretraining do not fit")
    runs = [_run(run, facts) for run in variant.runs]
    return StartingPoint(
        runs=runs,
        mde_m=spread(run.mde_m for run in runs),
        iou_pooled=spread(run.iou_pooled for run in runs),
        pretraining=None if facts is None else _pretraining(facts),
    )


def _run(run: RunScores, facts: PretrainingFacts | None) -> VariantRun:
    summary = summarise(run.images)
    started_by = None
    if facts is not None:
        started_by = None if run.seed is None else facts.started_by.get(run.seed)
        if started_by not in {checkpoint.sha256 for checkpoint in facts.checkpoints}:
            raise ValueError(f"seed {run.seed}: the checkpoint that it started from is not known")
    return VariantRun(
        seed=run.seed,
        mde_m=summary.front.mde_m,
        iou_pooled=summary.iou_pooled,
        no_front=summary.front.n_no_front,
        pretraining_sha256=started_by,
    )


def _pretraining(facts: PretrainingFacts) -> Pretraining:
    return Pretraining(
        task=facts.task,
        checkpoints=[PretrainedCheckpoint(**asdict(each)) for each in facts.checkpoints],
        started_from=facts.started_from,
        synthetic=facts.synthetic,
        excluded_glaciers=list(facts.excluded_glaciers),
        left_out_images=list(facts.left_out_images),
        saw_test_glaciers=facts.saw_test_glaciers,
    )


def _pair(
    baseline: Variant, one: StartingPoint, opponent: Variant, other: StartingPoint
) -> VariantPair:
    worse, best = _values(one), _values(other)
    return VariantPair(
        baseline=baseline,
        opponent=opponent,
        mde_m=_tests(worse.mde_m, best.mde_m, "lower"),
        iou_pooled=_tests(worse.iou_pooled, best.iou_pooled, "higher"),
    )


def _values(point: StartingPoint) -> _Values:
    return _Values(
        [run.mde_m for run in point.runs if run.mde_m is not None],
        [run.iou_pooled for run in point.runs if run.iou_pooled is not None],
    )


def _tests(baseline: Sequence[float], opponent: Sequence[float], better: Better) -> PairTests:
    return PairTests(**asdict(compare(baseline, opponent, better)))


def _references(baselines: Mapping[str, BaselineScores]) -> References:
    summaries = {key: summarise(baseline.scores) for key, baseline in baselines.items()}
    floor = summaries.pop(FLOOR, None)
    mde_m = [
        BestTrivial(title=baselines[key].title, value=summary.front.mde_m)
        for key, summary in summaries.items()
        if summary.front.mde_m is not None
    ]
    iou_pooled = [
        BestTrivial(title=baselines[key].title, value=summary.iou_pooled)
        for key, summary in summaries.items()
        if summary.iou_pooled is not None
    ]
    return References(
        floor_m=None if floor is None else floor.front.mde_m,
        best_trivial_mde_m=min(mde_m, key=lambda each: each.value, default=None),
        best_trivial_iou_pooled=max(iou_pooled, key=lambda each: each.value, default=None),
    )


def _published() -> PublishedComparison:
    rows = [row for row in PUBLISHED if row.mde_runs_m]
    return PublishedComparison(
        source=SSL4SAR_RUNS,
        test_set=TEST_SET,
        systems=[
            PublishedSystem(
                system=row.system, mde_runs_m=list(row.mde_runs_m), mde_m=spread(row.mde_runs_m)
            )
            for row in rows
        ],
        pairs=[
            PublishedPair(
                baseline=one.system,
                opponent=other.system,
                mde_m=_tests(one.mde_runs_m, other.mde_runs_m, "lower"),
            )
            for one, other in combinations(rows, 2)
        ],
    )
