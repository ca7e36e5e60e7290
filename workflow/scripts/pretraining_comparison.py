"""Compare models on the same test scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import ModelScores
from ssl4sar.evaluate.result import RunScores
from ssl4sar.evaluate.scores_file import read_baselines, read_scores
from ssl4sar.evaluate.trained_models import read_training_record, trained_model
from ssl4sar.report.comparison import write_pretraining_comparison
from ssl4sar.workflow.job import job


def main(
    cfg: dict[str, Any],
    manifest: TreeManifest,
    scores: Sequence[Path],
    records: Sequence[Path],
    baselines: Path,
    *,
    target: Path,
    table: Path,
    figure: Path,
) -> None:
    """Write file, table and figure, and print the comparison."""
    found = [
        (read_training_record(record), RunScores(*read_scores(run)))
        for record, run in zip(records, scores, strict=True)
    ]
    models = []
    for name in cfg["compare"]:
        own = [(record, run) for record, run in found if record["model"] == name]
        model = trained_model([record for record, _ in own], manifest.test_glaciers)
        models.append(ModelScores(model, [run for _, run in own]))
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
            baselines=Path(snakemake.input.baselines),
            target=Path(snakemake.output.comparison),
            table=Path(snakemake.output.table),
            figure=Path(snakemake.output.figure),
        )
