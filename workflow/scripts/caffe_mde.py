"""Gather the members of a model into the result file, its table and its pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl4sar.config.evaluation import EvaluationConfig
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.scores_file import read_baselines, read_scores
from ssl4sar.evaluate.terminal import print_summary
from ssl4sar.evaluate.trained_models import read_other_images, read_training_record, trained_model
from ssl4sar.report.caffe_mde import ResultPaths, ScoredRun, write_caffe_mde
from ssl4sar.workflow.job import job


def main(
    cfg: dict[str, Any],
    manifest: TreeManifest,
    scores: Sequence[Path],
    zones: Sequence[Path],
    fronts: Sequence[Path],
    metrics: Sequence[Path],
    models: Sequence[Path],
    predictions: Sequence[Path],
    trivial: dict[str, Any],
    paths: ResultPaths,
) -> None:
    """Write everything and print the summary."""
    runs = [
        ScoredRun(RunScores(*read_scores(score)), zone, front, table)
        for score, zone, front, table in zip(scores, zones, fronts, metrics, strict=True)
    ]
    config = EvaluationConfig.model_validate(cfg["evaluation"])
    records = [read_training_record(model) for model in models]
    model = trained_model(records, manifest.test_glaciers, read_other_images(predictions[0]))
    print_summary(write_caffe_mde(cfg["name"], manifest, model, runs, trivial, config, paths))


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            manifest=TreeManifest.read(snakemake.input.manifest),
            scores=[Path(path) for path in snakemake.input.scores],
            zones=[Path(path) for path in snakemake.input.zones],
            fronts=[Path(path) for path in snakemake.input.fronts],
            metrics=[Path(path) for path in snakemake.input.metrics],
            models=[Path(path) for path in snakemake.input.models],
            predictions=[Path(path) for path in snakemake.input.predictions],
            trivial=read_baselines(snakemake.input.baselines),
            paths=ResultPaths(
                result=Path(snakemake.output.result),
                table=Path(snakemake.output.table),
                scenes=Path(snakemake.output.scenes),
                errors=Path(snakemake.output.errors),
                training=Path(snakemake.output.training),
                overlays=Path(snakemake.output.overlays),
            ),
        )
