"""The result of a run: the file of numbers, its table and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.progress import track
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.result import RunScores, build_result, dataset_of
from ssl4sar.evaluate.schema import Model, read_result
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.evaluate.tables import write_table
from ssl4sar.report.figures import write_errors_figure, write_scenes_figure
from ssl4sar.report.overlay import write_overlay
from ssl4sar.report.ranking import good_median_worst, overlay_choice
from ssl4sar.report.scene_view import SceneView, read_view
from ssl4sar.report.training_curves import read_curve, write_training_figure


@dataclass(frozen=True)
class ScoredRun:
    """The scores of one member of a model with the folders they were made from."""

    scores: RunScores
    zones: Path
    fronts: Path
    metrics: Path


@dataclass(frozen=True)
class ResultPaths:
    """Where the result goes.

    Attributes:
        result: JSON file.
        table: CSV file.
        scenes: picture of a good, the median and the worst scene.
        errors: picture of the front errors.
        training: picture of the course of the trainings.
        overlays: folder of pictures, one per scene.
    """

    result: Path
    table: Path
    scenes: Path
    errors: Path
    training: Path
    overlays: Path


def write_caffe_mde(
    name: str,
    manifest: TreeManifest,
    model: Model,
    runs: Sequence[ScoredRun],
    baselines: Mapping[str, BaselineScores],
    config: EvaluationConfig,
    paths: ResultPaths,
) -> dict[str, Any]:
    """Gather the members of a model and write numbers, table and pictures, each atomically.

    The pictures show the first member. The JSON file is written last: where it exists, the rest
    does.

    Args:
        name: name of the run.
        manifest: the scored tree.
        model: what was trained.
        runs: one per member, all over the same scenes.
        baselines: true zones and trivial predictions.
        config: number and size of the pictures.
        paths: where the result goes.

    Returns:
        Content of the JSON file.

    Raises:
        UserError: a file is missing or damaged, or the disk is full.
        ValueError: no run, or runs over different scenes.
    """
    scores = [run.scores for run in runs]
    result = build_result(dataset_of(manifest, name), scores, baselines, model=model)
    write_table(paths.table, scores)
    first = runs[0]

    def view(score: ImageScore) -> SceneView:
        return read_view(
            manifest.tree,
            "test",
            score,
            predictions=first.zones,
            fronts=first.fronts,
            synthetic=manifest.synthetic,
        )

    chosen = good_median_worst(first.scores.images)
    write_scenes_figure(paths.scenes, [(choice, view(choice.score)) for choice in chosen])
    checked = read_result(result)
    write_errors_figure(paths.errors, scores, checked)
    curves = {str(run.scores.member): read_curve(run.metrics) for run in runs}
    write_training_figure(paths.training, curves, name, checked.dataset.note)
    overlays = overlay_choice(first.scores.images, config.overlays)
    with atomic_directory(paths.overlays) as folder:
        for score in track(overlays, "drawing overlays"):
            write_overlay(folder / f"{score.name}.png", view(score), config.overlay_px)
    write_json(paths.result, result)
    return result
