"""The comparison of models: the file of numbers, its table and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl4sar.core.atomic import write_json
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import ModelScores, build_comparison
from ssl4sar.evaluate.result import dataset_of
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.tables import write_comparison_table
from ssl4sar.evaluate.terminal import print_comparison
from ssl4sar.report.comparison import draw_comparison


@dataclass(frozen=True)
class ComparisonPaths:
    """Where the comparison goes.

    Attributes:
        comparison: JSON file.
        table: CSV file.
        figure: picture of all runs.
    """

    comparison: Path
    table: Path
    figure: Path


def write_pretraining_comparison(
    name: str,
    manifest: TreeManifest,
    models: Sequence[ModelScores],
    baselines: Mapping[str, BaselineScores],
    paths: ComparisonPaths,
) -> dict[str, Any]:
    """Compare models, write numbers, table and figure atomically, and print.

    The JSON file is written last: where it exists, the rest does.

    Returns:
        Content of the JSON file.

    Raises:
        UserError: a file cannot be written, or the disk is full.
        ValueError: no model, a model without runs, or runs over different scenes.
    """
    comparison = build_comparison(dataset_of(manifest, name), models, baselines)
    write_comparison_table(paths.table, comparison)
    draw_comparison(paths.figure, comparison)
    write_json(paths.comparison, comparison)
    print_comparison(comparison)
    return comparison
