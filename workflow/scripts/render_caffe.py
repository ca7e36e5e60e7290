"""Render SYNTHETIC scenes in the official layout of CaFFe."""

from pathlib import Path
from typing import Any

from ssl4sar.config.scene import SceneConfig
from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.listing import write_listing
from ssl4sar.synthetic.caffe import render_caffe
from ssl4sar.workflow.job import job


def main(cfg: dict[str, Any], workers: int, folder: Path, listing: Path) -> None:
    """Render the tree and list its files with their hashes."""
    with atomic_directory(folder) as root:
        render_caffe(SceneConfig.model_validate(cfg["scene"]), root, workers)
    write_listing(folder, listing)


if __name__ == "__main__":
    with job(snakemake):
        main(
            cfg=snakemake.params.cfg,
            workers=snakemake.threads,
            folder=Path(snakemake.output.folder),
            listing=Path(snakemake.output.listing),
        )
