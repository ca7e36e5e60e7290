"""Extract and score the fronts of one trained network."""

from pathlib import Path

from ssl4sar.core.atomic import atomic_directory
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.scores_file import write_scores
from ssl4sar.evaluate.scoring import LabelFolders, score_folder
from ssl4sar.workflow.job import job


def main(
    zones: Path, manifest: TreeManifest, member: str, workers: int, fronts: Path, scores: Path
) -> None:
    """Score every test scene and keep the extracted fronts."""
    with atomic_directory(fronts) as folder:
        images = score_folder(
            zones,
            LabelFolders.of_tree(manifest.tree, "test"),
            manifest.scenes["test"],
            workers=workers,
            fronts_out=folder,
        )
    write_scores(scores, member, images)


if __name__ == "__main__":
    with job(snakemake):
        main(
            zones=Path(snakemake.input.zones),
            manifest=TreeManifest.read(snakemake.input.manifest),
            member=snakemake.wildcards.member,
            workers=snakemake.threads,
            fronts=Path(snakemake.output.fronts),
            scores=Path(snakemake.output.scores),
        )
