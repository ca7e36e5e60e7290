"""Render SYNTHETIC pairs of SAR and optical images in the layout of the SSL4SAR dataset."""

from pathlib import Path
from typing import Any

from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.listing import write_listing
from ssl4sar.synthetic.pairs import render_pairs
from ssl4sar.workflow.job import job


def main(cfg: dict[str, Any], workers: int, folder: Path, listing: Path) -> None:
    """Render the dataset and list its files with their hashes."""
    with atomic_directory(folder) as root:
        render_pairs(PairSceneConfig.model_validate(cfg["pair_scene"]), root, workers)
    write_listing(folder, listing)


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            workers=snakemake.threads,
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
