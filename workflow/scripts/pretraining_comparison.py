"""Compare models on the same test scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import ModelScores
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.scores_file import read_baselines, read_scores
from ssl4sar.evaluate.trained_models import read_other_images, read_training_record, trained_model
from ssl4sar.report.comparison import write_pretraining_comparison
from ssl4sar.workflow.job import job


def main(
    cfg: dict[str, Any],
    manifest: TreeManifest,
    scores: Sequence[Path],
    records: Sequence[Path],
    predictions: Sequence[Path],
    baselines: Path,
    *,
    target: Path,
    table: Path,
    figure: Path,
) -> None:
    """Write file, table and figure, and print the comparison."""
    found = [
        (read_training_record(record), RunScores(*read_scores(run)), read_other_images(prediction))
        for record, run, prediction in zip(records, scores, predictions, strict=True)
    ]
    models = []
    for name in cfg["compare"]:
        own = [each for each in found if each[0]["model"] == name]
        own_records, runs, others = zip(*own, strict=True)
        model = trained_model(own_records, manifest.test_glaciers, others[0])
        models.append(ModelScores(model, runs))
    trivial = read_baselines(baselines)
    write_pretraining_comparison(
        cfg["name"], manifest, models, trivial, target=target, table=table, figure=figure
    )


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            manifest=TreeManifest.read(snakemake.input.manifest),
            scores=[Path(path) for path in snakemake.input.scores],
            records=[Path(path) for path in snakemake.input.models],
            predictions=[Path(path) for path in snakemake.input.predictions],
            baselines=Path(snakemake.input.baselines),
            target=Path(snakemake.output.comparison),
            table=Path(snakemake.output.table),
            figure=Path(snakemake.output.figure),
        )
