"""Scoring a folder of zone maps of any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl4sar.core.atomic import write_json
from ssl4sar.core.gray_png import read_text
from ssl4sar.core.scene_name import ZONES_SUFFIX
from ssl4sar.dataset.official import is_official_test
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.scoring import (
    LabelFolders,
    extra_predictions,
    prediction_files,
    score_folder,
)
from ssl4sar.evaluate.terminal import print_summary

SYNTHETIC_MARK = "synthetic"
_EXTRA_TOLD = 3


@dataclass(frozen=True)
class EvaluateRequest:
    """What to score.

    Attributes:
        predictions: folder of ``NAME.png`` or ``NAME_zones.png``.
        labels: folders of the labels; their zone masks name the scenes.
        out: result file.
        name: name of the model in the result.
        fronts_out: folder for the predicted fronts; None writes none.
        workers: images scored at the same time.
    """

    predictions: Path
    labels: LabelFolders
    out: Path
    name: str
    fronts_out: Path | None = None
    workers: int = 1


def evaluate(request: EvaluateRequest) -> dict[str, Any]:
    """Score a folder, write the result file and print the summary.

    Args:
        request: what to score.

    Returns:
        Content of the result file.

    Raises:
        UserError: anything missing, damaged or inconsistent.
    """
    names = request.labels.names()
    # Missing predictions are told at once, not after minutes of scoring.
    prediction_files(request.predictions, names)
    scores = score_folder(
        request.predictions,
        request.labels,
        names,
        workers=request.workers,
        fronts_out=request.fronts_out,
    )
    sizes_px = {score.name: (score.height_px, score.width_px) for score in scores}
    dataset = describe_dataset(
        request.name,
        source="folders",
        synthetic=_any_marked_synthetic(request.labels, names),
        comparable_with_published=is_official_test(names, sizes_px),
    )
    baselines = score_baselines(request.labels, names, workers=request.workers)
    result = build_result(dataset, [RunScores(None, scores)], baselines, per_image=True)
    result["text"] += _extra_warnings(request.predictions, names)
    write_json(request.out, result)
    print_summary(result)
    return result


def _any_marked_synthetic(labels: LabelFolders, names: Sequence[str]) -> bool:
    """Return whether any zone mask carries a text entry that calls it synthetic."""
    return any(
        SYNTHETIC_MARK in f"{key} {value}".lower()
        for name in names
        for key, value in read_text(labels.zones / f"{name}{ZONES_SUFFIX}.png").items()
    )


def _extra_warnings(predictions: Path, names: Sequence[str]) -> list[str]:
    extra = extra_predictions(predictions, names)
    if not extra:
        return []
    told = ", ".join(extra[:_EXTRA_TOLD]) + (", ..." if len(extra) > _EXTRA_TOLD else "")
    return [f"{len(extra)} predictions belong to no scene and were not scored: {told}"]
