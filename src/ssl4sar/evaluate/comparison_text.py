"""What a comparison of starting points shows and what it cannot, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ssl4sar.config.pretraining import TASKS, Variant
from ssl4sar.evaluate.comparison_schema import (
    PairTests,
    PublishedComparison,
    References,
    StartingPoint,
    VariantPair,
)
from ssl4sar.evaluate.result_schema import Dataset
from ssl4sar.evaluate.significance import LEVEL, least_p

TITLES: Final[dict[Variant, str]] = {
    "none": "random weights",
    "imagenet": "ImageNet weights",
    "checkpoint": "own checkpoint",
    "optsimmim": "OptSimMIM pretraining",
    "opttranslator": "OptTranslator pretraining",
}


def comparison_text(
    dataset: Dataset,
    variants: Mapping[Variant, StartingPoint],
    skipped: Mapping[Variant, str],
    pairs: Sequence[VariantPair],
    references: References,
    published: PublishedComparison,
    images: tuple[int, int],
) -> list[str]:
    """Say what may be concluded.

    Args:
        dataset: what was scored.
        variants: starting points with their runs.
        skipped: starting points that were left out, with the reason.
        pairs: tests between the starting points.
        references: floor and best trivial predictions.
        published: the original study.
        images: number of scored images, and how many of them have no labelled front.

    Returns:
        Sentences, the most important first.
    """
    return [
        *([] if dataset.comparable_with_published else [dataset.note]),
        *_warnings_of_pretraining(variants, dataset),
        *_verdicts(variants, pairs),
        *_power(variants, pairs),
        *_shared_checkpoints(variants),
        *_missing_fronts(variants, images),
        *_trivial(variants, references),
        *(f"{TITLES[name]}: skipped: {reason}" for name, reason in skipped.items()),
        _original_study(published),
    ]


def p_text(p: float) -> str:
    """Return a p value with three digits, small ones with two that count."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def _warnings_of_pretraining(
    variants: Mapping[Variant, StartingPoint], dataset: Dataset
) -> Iterator[str]:
    for name, point in variants.items():
        facts = point.pretraining
        if facts is None:
            continue
        if facts.saw_test_glaciers:
            yield (
                f"{TITLES[name]} used images of test glaciers (allow_test_glaciers): its scores "
                "are NOT those of unseen glaciers"
            )
        if facts.synthetic and not dataset.synthetic:
            yield f"{TITLES[name]} used SYNTHETIC pairs of images"


def _verdicts(
    variants: Mapping[Variant, StartingPoint], pairs: Sequence[VariantPair]
) -> Iterator[str]:
    """Say for each pretraining whether it helped against each start without one."""
    for pair in pairs:
        if pair.opponent not in TASKS or pair.baseline in TASKS:
            continue
        names = f"{TITLES[pair.opponent]} against {TITLES[pair.baseline]}"
        baseline, opponent = variants[pair.baseline], variants[pair.opponent]
        if baseline.mde_m.mean is None or opponent.mde_m.mean is None:
            yield f"{names}: no MDE to compare, because no front was found"
            continue
        facts = opponent.pretraining
        seen = " with images of test glaciers" if facts and facts.saw_test_glaciers else ""
        means = f"mean MDE {opponent.mde_m.mean:.1f} m against {baseline.mde_m.mean:.1f} m"
        yield (
            f"{names}{seen}: {_verdict(pair.mde_m)} ({means}; {_p_of(pair.mde_m)}); {_by_iou(pair)}"
        )


def _verdict(tests: PairTests) -> str:
    advantage = tests.mean_advantage or 0.0
    if advantage <= 0:
        return "it did NOT help: the mean is not lower"
    if tests.mann_whitney_p is None:
        return "the mean is lower, but so few runs allow no test"
    if not _is_below(tests.mann_whitney_p):
        return f"the mean is lower, but that it helped is NOT shown at the level {LEVEL}"
    return f"it helped, at the level {LEVEL}"


def _p_of(tests: PairTests) -> str:
    if tests.mann_whitney_p is None:
        return "no p value"
    return f"one-sided Mann-Whitney p {p_text(tests.mann_whitney_p)}"


def _by_iou(pair: VariantPair) -> str:
    tests = pair.iou_pooled
    if tests.mean_advantage is None:
        return "no IoU to compare"
    direction = "higher" if tests.mean_advantage > 0 else "not higher"
    return f"its mean IoU is {direction} ({tests.mean_advantage:+.3f}; {_p_of(tests)})"


def _power(
    variants: Mapping[Variant, StartingPoint], pairs: Sequence[VariantPair]
) -> Iterator[str]:
    if not pairs:
        yield "one starting point: nothing to compare"
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


def _shared_checkpoints(variants: Mapping[Variant, StartingPoint]) -> Iterator[str]:
    for name, point in variants.items():
        facts = point.pretraining
        if facts is not None and len(point.runs) > 1 and len(facts.checkpoints) == 1:
            yield (
                f"all {len(point.runs)} runs of {TITLES[name]} start from one pretrained network: "
                "their spread does not hold that of the pretraining, and a repeated pretraining "
                "may do better or worse"
            )


def _missing_fronts(
    variants: Mapping[Variant, StartingPoint], images: tuple[int, int]
) -> Iterator[str]:
    count, unlabelled = images
    for name, point in variants.items():
        missing = sum(run.no_front - unlabelled for run in point.runs)
        without = sum(run.mde_m is None for run in point.runs)
        if without:
            yield (
                f"{TITLES[name]}: {without} of {len(point.runs)} runs found no front in any image, "
                "have no MDE and are left out of all tests of it"
            )
        if missing:
            yield (
                f"{TITLES[name]}: no front was found in {missing} of "
                f"{(count - unlabelled) * len(point.runs)} predicted images, which are left out "
                "of its MDE and flatter it"
            )


def _trivial(variants: Mapping[Variant, StartingPoint], references: References) -> Iterator[str]:
    best = references.best_trivial_mde_m
    if best is None:
        return
    worse = [
        TITLES[name]
        for name, point in variants.items()
        if point.mde_m.mean is not None and point.mde_m.mean >= best.value
    ]
    if worse:
        yield (
            f"not better than the best trivial prediction ({best.title}, {best.value:.0f} m) by "
            f"the mean MDE: {', '.join(worse)}"
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
