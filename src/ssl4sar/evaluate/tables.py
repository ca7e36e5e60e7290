"""Scores as tables, for spreadsheets; what does not exist is an empty cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.atomic import write_text
from ssl4sar.core.zones import CLASS_NAMES
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.schema import read_comparison
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.metrics.segmentation import AVERAGE

COLUMNS: Final = (
    "member",
    "name",
    "glacier",
    "date",
    "season",
    "sensor",
    "resolution_m",
    "quality",
    "orbit",
    "height_px",
    "width_px",
    "no_front",
    "mde_m",
    "max_m",
    "predicted_to_true_m",
    "true_to_predicted_m",
    "n_distances",
    "predicted_front_px",
    "predicted_front_before_box_px",
    "true_front_px",
    "front_recall_500m",
    "front_precision_500m",
    *(f"iou_{name}" for name in CLASS_NAMES),
    "iou_mean_absent_zero",
    "iou_mean_absent_skipped",
)


COMPARISON_COLUMNS: Final = (
    "model",
    "network",
    "parameters",
    "weights",
    "member",
    "mde_m",
    "front_recall_500m",
    "front_precision_500m",
    "iou_pooled",
    "no_front",
    "images",
    "synthetic",
    "comparable_with_published",
    "weights_sha256",
    "saw_test_glaciers",
)


def write_table(path: str | Path, runs: Sequence[RunScores]) -> None:
    """Write one row per run and image, atomically."""
    rows = ({"member": run.member, **_row(score)} for run in runs for score in run.images)
    _write(path, COLUMNS, rows)


def write_comparison_table(path: str | Path, comparison: Mapping[str, Any]) -> None:
    """Write one row per model and run, atomically.

    Raises:
        UserError: ``comparison`` is not of its schema, or the file cannot be written.
    """
    content = read_comparison(comparison)
    rows = (
        {
            "model": each.name,
            "network": each.model.network["name"],
            "parameters": each.model.parameters,
            "weights": each.model.weights,
            **run.model_dump(),
            "images": content.images,
            "synthetic": int(content.dataset.synthetic),
            "comparable_with_published": int(content.dataset.comparable_with_published),
            "weights_sha256": sha256,
            "saw_test_glaciers": int(bool(each.model.test_glaciers_seen)),
        }
        for each in content.models
        for run, sha256 in zip(each.runs, each.model.weights_sha256, strict=True)
    )
    _write(path, COMPARISON_COLUMNS, rows)


def _write(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def _row(score: ImageScore) -> dict[str, object]:
    scene, classes = score.scene, score.class_scores
    iou = classes.table("skipped")["iou"]
    return {
        "name": score.name,
        "glacier": scene.glacier,
        "date": scene.date.isoformat(),
        "season": scene.season,
        "sensor": scene.sensor,
        "resolution_m": scene.resolution_m,
        "quality": scene.quality,
        "orbit": scene.orbit,
        "height_px": score.height_px,
        "width_px": score.width_px,
        "no_front": int(score.no_front),
        "mde_m": score.mde_m,
        "max_m": score.max_m,
        "predicted_to_true_m": score.predicted_to_true_m,
        "true_to_predicted_m": score.true_to_predicted_m,
        "n_distances": score.n_distances,
        "predicted_front_px": score.predicted_front_px,
        "predicted_front_before_box_px": score.predicted_front_before_box_px,
        "true_front_px": score.true_front_px,
        "front_recall_500m": score.front_recall_500m,
        "front_precision_500m": score.front_precision_500m,
        **{f"iou_{name}": iou[name] for name in CLASS_NAMES},
        "iou_mean_absent_zero": classes.table("zero")["iou"][AVERAGE],
        "iou_mean_absent_skipped": iou[AVERAGE],
    }
