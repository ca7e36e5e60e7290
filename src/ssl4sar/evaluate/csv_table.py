"""Scores per image and seed as a table, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssl4sar.core.atomic import write_text
from ssl4sar.core.zones import CLASS_NAMES
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.metrics.segmentation import AVERAGE

COLUMNS: Final = (
    "seed",
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
    *(f"iou_{name}" for name in CLASS_NAMES),
    "iou_mean_absent_zero",
    "iou_mean_absent_skipped",
)


def write_table(path: str | Path, runs: Sequence[RunScores]) -> None:
    """Write one row per run and image, atomically; what does not exist is an empty cell.

    Args:
        path: CSV file.
        runs: scores of the runs.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        writer.writerows({"seed": run.seed, **_row(score)} for score in run.images)
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
        **{f"iou_{name}": iou[name] for name in CLASS_NAMES},
        "iou_mean_absent_zero": classes.table("zero")["iou"][AVERAGE],
        "iou_mean_absent_skipped": iou[AVERAGE],
    }
