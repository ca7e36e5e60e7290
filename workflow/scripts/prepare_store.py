"""Split the training scenes and decode them into flat arrays."""

from pathlib import Path
from typing import Any

from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.dataset.split import validation_names
from ssl4sar.workflow.job import job


def main(manifest: TreeManifest, cfg: dict[str, Any], target: Path) -> None:
    """Hold out the validation scenes and write the store."""
    names = manifest.scenes["train"]
    held_out = validation_names(
        names, cfg["caffe.validation_fraction"], cfg["caffe.validation_seed"]
    )
    kept = sorted(set(names) - set(held_out))
    build_store(manifest.tree, kept, sorted(held_out), target)


if __name__ == "__main__":
    with job(snakemake):
        main(
            manifest=TreeManifest.read(snakemake.input.manifest),
            cfg=snakemake.params.cfg,
            target=Path(snakemake.output.index).parent,
        )
