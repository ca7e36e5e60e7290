"""What a comparison of models shows and what it cannot, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ssl4sar.evaluate.schema import (
    ComparedModel,
    Comparison,
    ModelPair,
    PairTests,
    PublishedComparison,
    References,
)
from ssl4sar.evaluate.significance import LEVEL, least_p
from ssl4sar.evaluate.trained_models import model_texts


def comparison_text(comparison: Comparison, unlabelled: int) -> list[str]:
    """Say what may be concluded.

    Returns:
        Sentences, the most important first.
    """
    dataset, models, pairs = comparison.dataset, comparison.models, comparison.pairs
    return [
        *([] if dataset.comparable_with_published else [dataset.note]),
        *model_texts([each.model for each in models], dataset),
        *_verdicts(models, pairs),
        *_power(pairs),
        *_shared_checkpoints(models),
        *_missing_fronts(models, comparison.images, unlabelled),
        *_trivial(models, comparison.references, comparison.images),
        _original_study(comparison.published),
    ]


def p_text(p: float) -> str:
    """Return a p value with three digits, small ones with two that count."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def _verdicts(models: Sequence[ComparedModel], pairs: Sequence[ModelPair]) -> Iterator[str]:
    """Say of each pretraining whether it helped, and of each other network which is better."""
    by_name = {each.name: each for each in models}
    for pair in pairs:
        baseline, opponent = by_name[pair.baseline], by_name[pair.opponent]
        other = _beside_weights(baseline, opponent)
        if not other and not (opponent.model.pretraining and not baseline.model.pretraining):
            continue
        names = f"{pair.opponent} against {pair.baseline}"
        if other:
            names += f" (with {other})"
        if baseline.mde_m.mean is None or opponent.mde_m.mean is None:
            yield f"{names}: no MDE to compare, because no front was found"
            continue
        seen = " with images of test glaciers" if opponent.model.test_glaciers_seen else ""
        means = f"mean MDE {opponent.mde_m.mean:.1f} m against {baseline.mde_m.mean:.1f} m"
        verdict = _verdict(pair.mde_m, "is better" if other else "helped")
        yield f"{names}{seen}: {verdict} ({means}; {_p_of(pair.mde_m)}); {_by_iou(pair)}"


def _beside_weights(one: ComparedModel, other: ComparedModel) -> str:
    """Return what differs between two models beside their starting weights; empty: nothing."""
    differences = {
        "another network": one.model.network != other.model.network,
        "another recipe": _recipes_differ(one.model.recipe, other.model.recipe),
    }
    return " and ".join(name for name, differs in differences.items() if differs)


def _recipes_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    # Of two networks perhaps only one is temporal, and has series.
    unshared = {"series"} & (one.keys() ^ other.keys())
    return any(one.get(key) != other.get(key) for key in (one.keys() | other.keys()) - unshared)


def _verdict(tests: PairTests, said: str) -> str:
    advantage = tests.mean_advantage or 0.0
    if advantage <= 0:
        denied = "did NOT help" if said == "helped" else "is NOT better"
        return f"it {denied}: the mean is not lower"
    if tests.mann_whitney_p is None:
        return "the mean is lower, but so few runs allow no test"
    if not _is_below(tests.mann_whitney_p):
        return f"the mean is lower, but that it {said} is NOT shown at the level {LEVEL}"
    return f"it {said}, at the level {LEVEL}"


def _p_of(tests: PairTests) -> str:
    if tests.mann_whitney_p is None:
        return "no p value"
    return f"one-sided Mann-Whitney p {p_text(tests.mann_whitney_p)}"


def _by_iou(pair: ModelPair) -> str:
    tests = pair.iou_pooled
    if tests.mean_advantage is None:
        return "no IoU to compare"
    direction = "higher" if tests.mean_advantage > 0 else "not higher"
    return f"its mean IoU is {direction} ({tests.mean_advantage:+.3f}; {_p_of(tests)})"


def _power(pairs: Sequence[ModelPair]) -> Iterator[str]:
    if not pairs:
        yield "one model: nothing to compare"
        return
    sizes = {(pair.mde_m.baseline_runs, pair.mde_m.opponent_runs) for pair in pairs}
    for one, other in sorted(sizes):
        if min(one, other) < 2:
            yield f"{one} against {other} runs: no test is possible, the means say little"
            continue
        least = least_p(one, other)
        can = (
            f"which is not below {LEVEL}: however different the runs, nothing can be shown at that "
            "level"
            if not _is_below(least)
            else "reached only if every run of one is better than every run of the other"
        )
        yield (
            f"{one} against {other} runs: the smallest one-sided p value that the Mann-Whitney "
            f"test can give is {p_text(least)}, {can}"
        )
    if len(pairs) > 1:
        yield f"{len(pairs)} pairs are tested; the p values are not corrected for their number"


def _shared_checkpoints(models: Sequence[ComparedModel]) -> Iterator[str]:
    for each in models:
        pretraining = each.model.pretraining
        if pretraining is not None and len(each.runs) > 1 and len(pretraining.checkpoints) == 1:
            yield (
                f"all {len(each.runs)} runs of {each.name} start from one pretrained network: "
                "their spread does not hold that of the pretraining, and a repeated pretraining "
                "may do better or worse"
            )


def _missing_fronts(models: Sequence[ComparedModel], images: int, unlabelled: int) -> Iterator[str]:
    for each in models:
        missing = sum(run.no_front - unlabelled for run in each.runs)
        without = sum(run.mde_m is None for run in each.runs)
        if without:
            yield (
                f"{each.name}: {without} of {len(each.runs)} runs found no front in any image, "
                "have no MDE and are left out of all tests of it"
            )
        if missing:
            yield (
                f"{each.name}: no front was found in {missing} of "
                f"{(images - unlabelled) * len(each.runs)} predicted images, which are left out "
                "of its MDE and flatter it"
            )


def _trivial(models: Sequence[ComparedModel], references: References, images: int) -> Iterator[str]:
    best = references.best_trivial_mde_m
    if best is None:
        return
    worse = [
        each.name
        for each in models
        if each.mde_m.mean is not None and each.mde_m.mean >= best.value
    ]
    if worse:
        missed = f", no front in {best.no_front} of {images} images" if best.no_front else ""
        yield (
            f"not better than the best trivial prediction ({best.title}, {best.value:.0f} m"
            f"{missed}) by the mean MDE: {', '.join(worse)}"
        )


def _original_study(published: PublishedComparison) -> str:
    values = [pair.mde_m.mann_whitney_p for pair in published.pairs]
    least = min(value for value in values if value is not None)
    below = "below" if _is_below(least) else "not below"
    return (
        "the published runs of the original study are given for reference and were NOT reproduced "
        f"here; among their pairs the smallest one-sided p value is {p_text(least)}, "
        f"{below} {LEVEL}"
    )


def _is_below(p: float) -> bool:
    # A p value of exactly the level is not below it, whatever the rounding of its sum.
    return p < LEVEL - 1e-9
