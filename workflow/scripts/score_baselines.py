"""Score the true zones and trivial predictions."""

from functools import partial
from pathlib import Path

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.scores_file import write_baselines
from ssl4sar.evaluate.scoring import LabelFolders
from ssl4sar.workflow.job import job


def main(manifest: TreeManifest, workers: int, scores: Path) -> None:
    """Score them through the ordinary path."""
    baselines = score_baselines(
        LabelFolders.of_tree(manifest.tree, "test"),
        manifest.scenes["test"],
        sar_path=partial(manifest.tree.sar, "test"),
        workers=workers,
    )
    write_baselines(scores, baselines)


if __name__ == "__main__":
    with job(snakemake):
        main(
            manifest=TreeManifest.read(snakemake.input.manifest),
            workers=snakemake.threads,
            scores=Path(snakemake.output.scores),
        )
