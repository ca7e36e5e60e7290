"""Resample a CaFFe tree to one pixel size."""

from pathlib import Path
from typing import Any

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.workflow.job import job


def main(
    source: TreeManifest, cfg: dict[str, Any], workers: int, folder: Path, manifest: Path
) -> None:
    """Resample and write the manifest of the new tree."""
    resample_tree(source, cfg["caffe.spacing_m"], folder, workers).write(manifest)


if __name__ == "__main__":
    with job(snakemake):
        main(
            source=TreeManifest.read(snakemake.input.manifest),
            cfg=snakemake.params.cfg,
            workers=snakemake.threads,
            folder=Path(snakemake.output.folder),
            manifest=Path(snakemake.output.manifest),
        )
