"""One table of a leave-one-glacier-out study: every glacier is the test split of one fold.

A fold is an ordinary run, so its numbers are those of its comparison. A mean over folds weighs
every glacier alike, however many images show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ssl4sar.evaluate.comparison_text import p_text
from ssl4sar.evaluate.result import spread
from ssl4sar.evaluate.schema import (
    ComparedModel,
    ComparedRun,
    Comparison,
    PairedTest,
    References,
    Row,
    Spread,
    value_of,
)
from ssl4sar.evaluate.significance import LEVEL, Better, compare_paired
from ssl4sar.evaluate.trained_models import model_texts

#: Measures of a run, whether lower or higher values are better, in the order of the table.
_BETTER: Final[dict[str, Better]] = {
    "mde_m": "lower",
    "no_front": "lower",
    "iou_pooled": "higher",
    "front_recall_500m": "higher",
    "front_precision_500m": "higher",
}
_COLUMNS: Final = (
    "model",
    "test glacier",
    "images",
    "MDE (m)",
    "no front",
    "pooled IoU",
    "recall 500 m",
    "precision 500 m",
    "floor (m)",
    "floor no front",
    "best trivial (m)",
    "its no front",
    "best trivial recall",
    "training (min)",
)


@dataclass(frozen=True)
class Fold:
    """A finished fold.

    Attributes:
        glacier: the test glacier.
        comparison: models that were trained on the other glaciers.
        training_min: minutes of training by model, all its runs together; None if not known.
    """

    glacier: str
    comparison: Comparison
    training_min: Mapping[str, float | None]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class FoldScores(_Part):
    """A model on the test glacier of a fold; spreads are over its runs, null if one has no value.

    A run that finds no front in any image has no MDE and no precision.
    """

    glacier: str
    """The test glacier."""
    images: int
    """Its images."""
    mde_m: Spread
    """Mean distance error, metres."""
    no_front: Spread
    """Images without a front."""
    iou_pooled: Spread
    """Pooled IoU, 0-1."""
    front_recall_500m: Spread
    """Share of the labelled front that the predicted front is near, 0-1."""
    front_precision_500m: Spread
    """Share of the predicted front that the labelled front is near, 0-1."""
    references: References
    """Floor of the labels and best trivial predictions on these images."""
    training_min: float | None
    """Minutes of training, all runs together; null if not known."""


class ModelFolds(Row):
    """A model over all folds; spreads are over the folds, of the means of their runs.

    They are null if one has no value: what a model misses must not make it look better.
    """

    folds: list[FoldScores]
    """One entry per fold."""
    mde_m: Spread
    """Mean distance error, metres."""
    no_front_share: float
    """Share of all predicted images that have no front, 0-1."""
    iou_pooled: Spread
    """Pooled IoU, 0-1."""
    front_recall_500m: Spread
    """Share of the labelled front that the predicted front is near, 0-1."""
    front_precision_500m: Spread
    """Share of the predicted front that the labelled front is near, 0-1."""
    training_min: float | None
    """Minutes of training of all folds; null if one is not known."""


class PairedModels(_Part):
    """Two models by some measure, where all runs of both have a value."""

    better: str
    """The one with the better mean; of equal means, or without any, the later one."""
    worse: str
    """The other one."""
    measure: str
    """Measure of the runs; `no_front_share`: share of the images without a front."""
    by_run: PairedTest
    """Runs of equal fold and member paired; those of a fold share its images."""
    by_fold: PairedTest
    """Means of the folds paired."""
    left_out: list[str]
    """Test glaciers that are not tested, because a run of either model has no value there."""


class LeaveOneOut(_Part):
    """The file of a leave-one-glacier-out study."""

    schema_: Literal["ssl4sar.leave-one-out/2"] = Field(
        default="ssl4sar.leave-one-out/2", alias="schema"
    )
    """Version of this shape."""
    name: str
    """Name of the study; a fold's run is called NAME_GLACIER."""
    synthetic: bool
    """Whether the scenes are rendered, not observed."""
    models: list[ModelFolds]
    """The models, in the order of the configuration."""
    pairs: list[PairedModels]
    """Every two models by every measure."""
    failed: list[str]
    """Test glaciers of the folds that failed: they are missing everywhere."""
    text: list[str]
    """What may be concluded and what may not."""


def build_leave_one_out(
    name: str, note: str, folds: Sequence[Fold], failed: Sequence[str]
) -> LeaveOneOut:
    """Put the folds together.

    Args:
        name: name of the study.
        note: what may be concluded from numbers on such scenes, in words.
        folds: those that are finished, all with the same models.
        failed: test glaciers of the others.

    Raises:
        ValueError: no fold, or folds with different models.
    """
    if not folds:
        raise ValueError("no fold is finished")
    names = [each.name for each in folds[0].comparison.models]
    if any([each.name for each in fold.comparison.models] != names for fold in folds):
        raise ValueError("the folds hold different models")
    models = [_model(folds, number) for number in range(len(names))]
    pairs = [
        _pair(folds, one, other, measure)
        for one, other in combinations(range(len(names)), 2)
        for measure in _BETTER
    ]
    return LeaveOneOut(
        name=name,
        synthetic=any(fold.comparison.dataset.synthetic for fold in folds),
        models=models,
        pairs=pairs,
        failed=list(failed),
        text=[note, *_texts(folds, models, failed)],
    )


def markdown(study: LeaveOneOut) -> str:
    """Return a study as tables and sentences in Markdown."""
    lines = [f"# Leave one glacier out: {study.name}", "", *_row(_COLUMNS)]
    lines += _row(["---"] * 2 + ["---:"] * (len(_COLUMNS) - 2))
    for model in study.models:
        for fold in model.folds:
            lines += _row(
                [
                    model.name,
                    fold.glacier,
                    str(fold.images),
                    _spread(fold.mde_m, 0),
                    _number(fold.no_front.mean, 1),
                    _spread(fold.iou_pooled, 3),
                    _spread(fold.front_recall_500m, 2),
                    _spread(fold.front_precision_500m, 2),
                    *_reference_cells([fold]),
                    _number(fold.training_min, 1),
                ]
            )
        means = (
            str(sum(fold.images for fold in model.folds)),
            _number(model.mde_m.mean, 0),
            f"{model.no_front_share:.1%}",
            _number(model.iou_pooled.mean, 3),
            _number(model.front_recall_500m.mean, 2),
            _number(model.front_precision_500m.mean, 2),
            *_reference_cells(model.folds),
            _number(model.training_min, 1),
        )
        lines += _row([f"**{each}**" for each in (model.name, "mean of folds", *means)])
    if study.pairs:
        tests = ("better runs", "p of runs", "least p", "better folds", "p of folds", "least p")
        lines += ["", *_row(("models", "measure", "by", *tests))]
        lines += _row(["---"] * 2 + ["---:"] * 7)
        lines += [line for pair in study.pairs for line in _row(_pair_cells(pair))]
    return "\n".join([*lines, "", *(f"* {sentence}" for sentence in study.text), ""])


def _model(folds: Sequence[Fold], number: int) -> ModelFolds:
    scores = [_fold(fold, fold.comparison.models[number]) for fold in folds]
    first = folds[0].comparison.models[number].model
    minutes = [fold.training_min for fold in scores if fold.training_min is not None]
    of_runs = {key: _spread_of_all(getattr(fold, key).mean for fold in scores) for key in _BETTER}
    of_runs.pop("no_front")
    return ModelFolds(
        **first.model_dump(include=set(Row.model_fields)),
        folds=scores,
        no_front_share=sum(fold.no_front.mean or 0.0 for fold in scores)
        / sum(fold.images for fold in scores),
        training_min=sum(minutes) if len(minutes) == len(scores) else None,
        **of_runs,
    )


def _fold(fold: Fold, scores: ComparedModel) -> FoldScores:
    return FoldScores(
        glacier=fold.glacier,
        images=fold.comparison.images,
        references=fold.comparison.references,
        training_min=fold.training_min.get(scores.name),
        **{key: _spread_of_all(_value(run, key) for run in scores.runs) for key in _BETTER},
    )


def _spread_of_all(values: Iterable[float | None]) -> Spread:
    """Return the statistics of values if all exist, else only how many do."""
    listed = list(values)
    found = spread(listed)
    if found.runs == len(listed):
        return found
    return Spread(mean=None, std=None, median=None, runs=found.runs)


def _value(run: ComparedRun, measure: str) -> float | None:
    value: float | None = getattr(run, measure)
    return value


def _pair(folds: Sequence[Fold], one: int, other: int, measure: str) -> PairedModels:
    found = {fold.glacier: _paired_runs(fold, one, other, measure) for fold in folds}
    tested = [pairs for pairs in found.values() if pairs]
    by_run = compare_paired([pair for pairs in tested for pair in pairs], _BETTER[measure])
    if (by_run.mean_advantage or 0.0) < 0:
        return _pair(folds, other, one, measure)
    means = [(fmean(a for a, _ in pairs), fmean(b for _, b in pairs)) for pairs in tested]
    worse, better = (folds[0].comparison.models[number].name for number in (one, other))
    return PairedModels(
        better=better,
        worse=worse,
        measure="no_front_share" if measure == "no_front" else measure,
        by_run=by_run,
        by_fold=compare_paired(means, _BETTER[measure]),
        left_out=[glacier for glacier, pairs in found.items() if not pairs],
    )


def _paired_runs(fold: Fold, one: int, other: int, measure: str) -> list[tuple[float, float]]:
    """Return the values of both models by the members that both have; none if one is missing."""
    # A glacier with many images must not weigh more.
    scale = 1 / fold.comparison.images if measure == "no_front" else 1.0
    of_one, of_other = (
        {run.member: _value(run, measure) for run in fold.comparison.models[number].runs}
        for number in (one, other)
    )
    shared = [(of_one[member], of_other[member]) for member in of_one if member in of_other]
    pairs = [(scale * a, scale * b) for a, b in shared if a is not None and b is not None]
    return pairs if len(pairs) == len(shared) else []


def _texts(folds: Sequence[Fold], models: Sequence[ModelFolds], failed: Sequence[str]) -> list[str]:
    compared = [each.model for fold in folds for each in fold.comparison.models]
    seen = dict.fromkeys(model.name for model in compared if model.test_glaciers_seen)
    exceptions = f", except for {', '.join(seen)}: see below" if seen else ""
    texts = [
        "every glacier is the test split of one fold, whose networks were trained on no image of "
        f"it{exceptions}; a mean weighs every glacier alike"
    ]
    if failed:
        texts.append(
            f"{len(failed)} of {len(folds) + len(failed)} folds FAILED and are missing in all "
            f"means: {', '.join(failed)}"
        )
    for model in models:
        # A run without any front leaves nothing to compare: that is not better either.
        worse = [
            fold.glacier
            for fold in model.folds
            if (best := fold.references.best_trivial_mde_m) is not None
            and (fold.mde_m.mean is None or fold.mde_m.mean >= best.value)
        ]
        if worse:
            texts.append(
                f"{model.name}: the mean MDE is not better than that of the best trivial "
                f"prediction on {', '.join(worse)}"
            )
        if model.no_front_share:
            texts.append(
                f"{model.name}: {model.no_front_share:.1%} of the images have no front and are "
                "left out of the MDE and the precision, which flatters them, not of the recall"
            )
        empty = [
            f"{runs - fold.mde_m.runs} of {runs} runs on {fold.glacier}"
            for fold in model.folds
            if (runs := fold.no_front.runs) > fold.mde_m.runs
        ]
        if empty:
            texts.append(
                f"{model.name}: no front was found in any image by {', '.join(empty)}; they have "
                "no MDE and no precision, and a mean of the others, which would flatter it, is not "
                "given"
            )
    if len(models) > 1:
        texts.append(
            "p: two-sided, by exchanging the signs of the differences (exact up to 16 pairs); "
            "least p: the smallest that so many pairs can reach; runs of one fold share its "
            "images, so what is to hold for other glaciers has to show in the folds (usual level "
            f"{LEVEL}); a fold where a run of either model has no value is not tested; not "
            "corrected for the number of tests"
        )
    return [*texts, *_model_texts(folds)]


def _model_texts(folds: Sequence[Fold]) -> list[str]:
    """Return what folds say of their models, with the glaciers if it does not hold for all."""
    glaciers: dict[str, list[str]] = {}
    for fold in folds:
        models = [each.model for each in fold.comparison.models]
        for text in model_texts(models, fold.comparison.dataset):
            glaciers.setdefault(text, []).append(fold.glacier)
    return [
        text if len(where) == len(folds) else f"{', '.join(where)}: {text}"
        for text, where in glaciers.items()
    ]


def _pair_cells(pair: PairedModels) -> list[str]:
    advantage = pair.by_run.mean_advantage
    said = f"{pair.better} {'better than' if advantage else 'as good as'} {pair.worse}"
    without = f" without {', '.join(pair.left_out)}" if pair.left_out else ""
    return [
        f"{pair.worse}, {pair.better}: not tested" if advantage is None else said,
        pair.measure,
        _number(advantage, 1 if pair.measure == "mde_m" else 3),
        *_test_cells(pair.by_run, ""),
        *_test_cells(pair.by_fold, without),
    ]


def _test_cells(test: PairedTest, without: str) -> list[str]:
    ps = ["-" if p is None else p_text(p) for p in (test.p, test.least_p)]
    return [f"{test.better} of {test.pairs}{without}", *ps]


def _reference_cells(folds: Sequence[FoldScores]) -> list[str]:
    """Return the cells of floor and best trivial predictions: of one fold, or means of several."""
    references = [fold.references for fold in folds]
    images = sum(fold.images for fold in folds)
    best = [each.best_trivial_mde_m for each in references]

    def missed(counts: Iterable[int | None]) -> str:
        known = [count for count in counts if count is not None]
        if len(known) < len(folds):
            return "-"
        return str(sum(known)) if len(folds) == 1 else f"{sum(known) / images:.1%}"

    recalls = (value_of(each.best_trivial_front_recall_500m) for each in references)
    return [
        _number(_spread_of_all(each.floor_m for each in references).mean, 0),
        missed(each.floor_no_front for each in references),
        _number(_spread_of_all(value_of(each) for each in best).mean, 0),
        missed(None if each is None else each.no_front for each in best),
        _number(_spread_of_all(recalls).mean, 2),
    ]


def _row(cells: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(cells)} |"]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _spread(value: Spread, digits: int) -> str:
    mean = _number(value.mean, digits)
    return mean if value.std is None or value.runs < 2 else f"{mean} ± {value.std:,.{digits}f}"
