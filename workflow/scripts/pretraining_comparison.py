"""Compare the starting points of the fine-tuning on the same test scenes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.scores_file import read_baselines
from ssl4sar.evaluate.starting_point import ScoredFiles
from ssl4sar.report.pretraining_comparison import ComparisonPaths, write_pretraining_comparison
from ssl4sar.workflow.job import job


def main(
    cfg: dict[str, Any],
    manifest: TreeManifest,
    runs: Sequence[ScoredFiles],
    baselines: Path,
    paths: ComparisonPaths,
) -> None:
    """Write file, table and figure, and print the comparison."""
    write_pretraining_comparison(
        cfg["name"],
        manifest,
        runs,
        read_baselines(baselines),
        asked=cfg["pretraining.compare"],
        weights=cfg["model.weights"],
        paths=paths,
    )


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            manifest=TreeManifest.read(snakemake.input.manifest),
            runs=[
                ScoredFiles(Path(scores), Path(model))
                for scores, model in zip(
                    snakemake.input.scores, snakemake.input.models, strict=True
                )
            ],
            baselines=Path(snakemake.input.baselines),
            paths=ComparisonPaths(
                comparison=Path(snakemake.output.comparison),
                table=Path(snakemake.output.table),
                figure=Path(snakemake.output.figure),
            ),
        )
