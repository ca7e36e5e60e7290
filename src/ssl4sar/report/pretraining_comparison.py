"""The comparison of starting points: the file of numbers, its table and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl4sar.config.pretraining import WITH_WEIGHTS, Variant, can_start
from ssl4sar.core.atomic import write_json
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import VariantScores, build_comparison
from ssl4sar.evaluate.comparison_csv import write_comparison_csv
from ssl4sar.evaluate.comparison_terminal import print_comparison
from ssl4sar.evaluate.result import RunScores, dataset_of
from ssl4sar.evaluate.scores_file import BaselineScores, read_scores
from ssl4sar.evaluate.starting_point import (
    ScoredFiles,
    judged,
    pretraining_facts,
    read_training_record,
    starting_point,
)
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
    runs: Sequence[ScoredFiles],
    baselines: Mapping[str, BaselineScores],
    *,
    asked: Sequence[Variant],
    weights: str,
    paths: ComparisonPaths,
) -> dict[str, Any]:
    """Compare the starting points, write numbers, table and figure atomically, and print.

    The JSON file is written last: where it exists, the rest does.

    Args:
        name: name of the run.
        manifest: the scored tree.
        runs: all runs of all starting points that could be trained.
        baselines: true zones and trivial predictions.
        asked: starting points that were asked for.
        weights: ``model.weights``, without which some starting points are not there.
        paths: where the comparison goes.

    Returns:
        Content of the JSON file.

    Raises:
        UserError: a file is missing or damaged, or the disk is full.
        ValueError: runs over different scenes.
    """
    records = [(run, read_training_record(run.record)) for run in runs]
    compared = [record for _, record in records if record["start"] in asked]
    dataset = judged(
        dataset_of(manifest, name), starting_point("any", compared, manifest.test_glaciers)
    )
    variants: dict[Variant, VariantScores] = {}
    skipped: dict[Variant, str] = {}
    for variant in asked:
        own = [(run, record) for run, record in records if record["start"] == variant]
        if not can_start(variant, weights):
            wanted = " or ".join(sorted(WITH_WEIGHTS[variant]))
            skipped[variant] = f"it needs model.weights {wanted}, not {weights}"
            continue
        told = [record for _, record in own]
        variants[variant] = VariantScores(
            [RunScores(*read_scores(run.scores)) for run, _ in own],
            pretraining_facts(variant, told, manifest.test_glaciers),
        )
    comparison = build_comparison(dataset, variants, skipped, baselines)
    write_comparison_csv(paths.table, comparison)
    draw_comparison(paths.figure, comparison)
    write_json(paths.comparison, comparison)
    print_comparison(comparison)
    return comparison
