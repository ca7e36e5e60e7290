"""Resample a CaFFe tree to one pixel size."""

from pathlib import Path
from typing import Any

from ssl4sar.core.progress import tell
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.workflow.job import job


def main(
    source: TreeManifest, cfg: dict[str, Any], workers: int, folder: Path, manifest: Path
) -> None:
    """Resample and write the manifest of the new tree."""
    done = resample_tree(source, cfg["caffe.spacing_m"], folder, workers)
    tell(f"{done.resampled} scenes resampled, {done.copied} copied as they were")
    done.manifest.write(manifest)


if __name__ == "__main__":
    with job(snakemake):
        main(
            source=TreeManifest.read(snakemake.input.manifest),
            cfg=snakemake.params.cfg,
            workers=snakemake.threads,
            folder=Path(snakemake.output.folder),
            manifest=Path(snakemake.output.manifest),
        )
