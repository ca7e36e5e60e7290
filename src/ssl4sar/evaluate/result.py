"""The result file, built from the scores of the runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.baselines import FLOOR
from ssl4sar.evaluate.published import PUBLISHED
from ssl4sar.evaluate.schema import (
    Baseline,
    CaffeResult,
    ClassTable,
    Dataset,
    Model,
    PerImage,
    Run,
    Segmentation,
    SegmentationTable,
    Spread,
    Subset,
    SubsetRun,
)
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.evaluate.summary import ScoreSummary, summarise
from ssl4sar.evaluate.trained_models import assessed, model_texts
from ssl4sar.metrics.segmentation import AVERAGE, pooled_table
from ssl4sar.metrics.subsets import by_subset, subset_error


@dataclass(frozen=True)
class RunScores:
    """The scores of one trained network.

    Attributes:
        member: member of its model, e.g. ``seed0``; None for a scored folder.
        images: scores per image.
    """

    member: str | None
    images: Sequence[ImageScore]


def dataset_of(manifest: TreeManifest, name: str) -> Dataset:
    """Describe the test scenes of a tree."""
    return describe_dataset(
        name,
        source=manifest.source,
        spacing_m=manifest.spacing_m,
        comparable_with_published=manifest.comparable_with_published,
        test_glaciers=manifest.held_out,
    )


def describe_dataset(
    name: str,
    *,
    source: str,
    synthetic: bool | None = None,
    spacing_m: int | None = None,
    comparable_with_published: bool = False,
    test_glaciers: Sequence[str] | None = None,
) -> Dataset:
    """Describe scored scenes and say in words what their numbers mean.

    Args:
        name: name of the run or model.
        source: "synthetic", "local", "pangaea" or "folders".
        synthetic: whether the scenes are rendered; by default those of source "synthetic" are.
        spacing_m: pixel size the scenes were resampled to, metres; None on native grids.
        comparable_with_published: whether this is the official full-size test set.
        test_glaciers: glaciers that ``caffe.test_glaciers`` made the test split; None: the split
            is that of the tree.
    """
    rendered = source == "synthetic" if synthetic is None else synthetic
    comparable = comparable_with_published and not rendered and spacing_m is None
    return Dataset.model_validate(
        {
            "name": name,
            "source": source,
            "synthetic": rendered,
            "test_glaciers": None if test_glaciers is None else list(test_glaciers),
            "spacing_m": spacing_m,
            "comparable_with_published": comparable,
            "note": _note(rendered, spacing_m, comparable) + _split_note(test_glaciers, comparable),
        }
    )


def _note(synthetic: bool, spacing_m: int | None, comparable: bool) -> str:
    if comparable:
        return "official CaFFe test set at full size: comparable with published numbers"
    if synthetic:
        grid = "" if spacing_m is None else f", resampled to {spacing_m} m"
        return (
            f"SYNTHETIC scenes{grid}: not an observation, says nothing about a real glacier; "
            "NOT comparable with published numbers"
        )
    if spacing_m is not None:
        return (
            f"real scenes resampled to {spacing_m} m: distances are metres, but NOT comparable "
            "with published numbers"
        )
    return "not the official CaFFe test set at full size: NOT comparable with published numbers"


def _split_note(test_glaciers: Sequence[str] | None, comparable: bool) -> str:
    if test_glaciers is None or comparable:
        return ""
    return (
        f"; the test split is all images of {', '.join(test_glaciers)} (caffe.test_glaciers), "
        "not the benchmark's"
    )


def build_result(
    dataset: Dataset,
    runs: Sequence[RunScores],
    baselines: Mapping[str, BaselineScores],
    *,
    model: Model | None = None,
    per_image: bool = False,
) -> dict[str, Any]:
    """Build the content of the result file.

    Args:
        dataset: what was scored.
        runs: scores of the runs, all over the same images.
        baselines: scores of the true zones (key ``FLOOR``) and of trivial predictions.
        model: what was trained; None for a scored folder.
        per_image: whether to add the scores per image of the first run.

    Returns:
        Builtins that fit :class:`~ssl4sar.evaluate.schema.CaffeResult`.

    Raises:
        ValueError: no run, or runs and baselines over different images.
    """
    names = common_images(runs, baselines)
    if model is not None:
        dataset = assessed(dataset, [model])
    summaries = [summarise(run.images) for run in runs]
    rows = [_run(run.member, summary) for run, summary in zip(runs, summaries, strict=True)]
    trivial = {key: described(baseline) for key, baseline in baselines.items()}
    floor = trivial.pop(FLOOR, None)
    floor_no_front = None if floor is None else floor.no_front
    mde_m = spread(row.mde_m for row in rows)
    result = CaffeResult(
        dataset=dataset,
        model=model,
        images=len(names),
        runs=rows,
        mde_m=mde_m,
        front_recall_500m=spread(row.front_recall_500m for row in rows),
        front_precision_500m=spread(row.front_precision_500m for row in rows),
        iou_pooled=spread(row.iou_pooled for row in rows),
        segmentation=_mean_segmentation([row.segmentation for row in rows]),
        subsets=_subsets(runs),
        floor_m=None if floor is None else floor.mde_m,
        floor_no_front=floor_no_front,
        floor_front_recall_500m=None if floor is None else floor.front_recall_500m,
        floor_front_precision_500m=None if floor is None else floor.front_precision_500m,
        baselines=trivial,
        published=list(PUBLISHED),
        text=[
            *_warnings(dataset, runs, rows, mde_m, fit_for_mde(trivial.values(), floor_no_front)),
            *([] if model is None else model_texts([model], dataset)),
        ],
        per_image={score.name: _per_image(score) for score in runs[0].images}
        if per_image
        else None,
    )
    return result.to_json()


def spread(values: Iterable[float | None]) -> Spread:
    """Return mean, population standard deviation and median of the values that exist."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return Spread(mean=None, std=None, median=None, runs=0)
    return Spread(
        mean=float(np.mean(known)),
        std=float(np.std(known)),
        median=float(np.median(known)),
        runs=len(known),
    )


def common_images(runs: Sequence[RunScores], baselines: Mapping[str, BaselineScores]) -> list[str]:
    """Return the names of the images behind all scores, sorted.

    Raises:
        ValueError: no run, or runs and baselines over different images.
    """
    if not runs:
        raise ValueError("no run to report")
    groups = [run.images for run in runs] + [baseline.scores for baseline in baselines.values()]
    names = [sorted(score.name for score in group) for group in groups]
    if any(other != names[0] for other in names) or len(set(names[0])) != len(names[0]):
        raise ValueError("the runs and baselines were not scored on the same images")
    return names[0]


def _run(member: str | None, summary: ScoreSummary) -> Run:
    front, segmentation = summary.front, summary.segmentation
    return Run(
        member=member,
        mde_m=front.mde_m,
        std_m=front.std_m,
        mde_image_mean_m=front.mde_image_mean_m,
        mde_length_weighted_m=front.mde_length_weighted_m,
        no_front=front.n_no_front,
        n_distances=front.n_distances,
        front_recall_500m=front.front_recall_500m,
        front_precision_500m=front.front_precision_500m,
        iou_pooled=summary.iou_pooled,
        iou_image_mean=summary.iou_image_mean,
        iou_image_mean_absent_skipped=segmentation.image_mean_absent_skipped["iou"][AVERAGE],
        segmentation=segmentation,
    )


def described(baseline: BaselineScores) -> Baseline:
    """Return the headline numbers of a prediction that was not learned."""
    summary = summarise(baseline.scores)
    return Baseline(
        title=baseline.title,
        mde_m=summary.front.mde_m,
        no_front=summary.front.n_no_front,
        front_recall_500m=summary.front.front_recall_500m,
        front_precision_500m=summary.front.front_precision_500m,
        iou_pooled=summary.iou_pooled,
        iou_image_mean=summary.iou_image_mean,
    )


def fit_for_mde(baselines: Iterable[Baseline], floor_no_front: int | None) -> list[Baseline]:
    """Return the trivial predictions whose MDE and precision may stand beside those of a model.

    Both leave images without a front out: a prediction that skips the hard ones looks good by them.

    Args:
        baselines: trivial predictions of the same images.
        floor_no_front: images in which the true zones have no front; None if not known.

    Returns:
        Those that miss no more images than the floor; without any, those that miss the fewest.
        A prediction without any front is never among them.
    """
    found = [each for each in baselines if each.mde_m is not None]
    fewest = min((each.no_front for each in found), default=0)
    most = max(fewest, floor_no_front or 0)
    return [each for each in found if each.no_front <= most]


def _mean_segmentation(parts: Sequence[Segmentation]) -> Segmentation:
    return Segmentation(
        pooled=_mean_table([part.pooled for part in parts]),
        image_mean_absent_zero=_mean_table([part.image_mean_absent_zero for part in parts]),
        image_mean_absent_skipped=_mean_table([part.image_mean_absent_skipped for part in parts]),
    )


def _mean_table(tables: Sequence[SegmentationTable]) -> SegmentationTable:
    def mean(measure: str, column: str) -> float | None:
        return spread(table[measure][column] for table in tables).mean

    return {
        measure: {column: mean(measure, column) for column in row}
        for measure, row in tables[0].items()
    }


def _subsets(runs: Sequence[RunScores]) -> dict[str, Subset]:
    per_run = [by_subset(run.images) for run in runs]

    def subset(name: str) -> Subset:
        rows = [_subset_run(images[name]) for images in per_run]
        return Subset(
            n_images=rows[0].n_images,
            mde_m=spread(row.mde_m for row in rows),
            no_front=spread(row.n_no_front for row in rows),
            front_recall_500m=spread(row.front_recall_500m for row in rows),
            front_precision_500m=spread(row.front_precision_500m for row in rows),
            iou_pooled=spread(row.iou_pooled for row in rows),
            runs=rows,
        )

    return {name: subset(name) for name in per_run[0]}


def _subset_run(images: Sequence[ImageScore]) -> SubsetRun:
    front = subset_error([score.front_error for score in images])
    pooled = pooled_table([score.confusion_counts for score in images])
    return SubsetRun(**asdict(front), iou_pooled=pooled["iou"][AVERAGE])


def _per_image(score: ImageScore) -> PerImage:
    iou: ClassTable = score.class_scores.table("skipped")["iou"]
    return PerImage(
        mde_m=score.mde_m,
        max_m=score.max_m,
        n_distances=score.n_distances,
        predicted_front_px=score.predicted_front_px,
        true_front_px=score.true_front_px,
        front_recall_500m=score.front_recall_500m,
        front_precision_500m=score.front_precision_500m,
        iou=iou,
    )


def _warnings(
    dataset: Dataset,
    runs: Sequence[RunScores],
    rows: Sequence[Run],
    mde_m: Spread,
    baselines: Sequence[Baseline],
) -> list[str]:
    texts = [] if dataset.comparable_with_published else [dataset.note]
    images = len(runs[0].images)
    unlabelled = sum(score.true_front_px == 0 for score in runs[0].images)
    if unlabelled:
        texts.append(
            f"{unlabelled} of {images} images have no labelled front and are left out of the MDE"
        )
    for row in rows:
        if row.no_front > unlabelled:
            subject = "no" if row.member is None else f"{row.member}: no"
            texts.append(
                f"{subject} front was found in {row.no_front - unlabelled} of {images} images, "
                "which are left out of the MDE"
            )
    better = [
        f"{baseline.title} ({baseline.mde_m:.0f} m)"
        for baseline in baselines
        if baseline.mde_m is not None and mde_m.mean is not None and baseline.mde_m < mde_m.mean
    ]
    if better:
        texts.append(
            f"the mean MDE of {mde_m.mean:.0f} m is not better than the trivial prediction: "
            + "; ".join(better)
        )
    if len(rows) == 1:
        texts.append("one run: the standard deviation over the runs says nothing")
    return texts
