"""Decode the pairs of SAR and optical images into flat arrays."""

from pathlib import Path

from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.optical import OpticalScale
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.workflow.job import job


def main(manifest: PairManifest, scale: OpticalScale, target: Path) -> None:
    """Write the store."""
    build_pair_store(manifest, scale, target)


if __name__ == "__main__":
    with job(snakemake):
        main(
            manifest=PairManifest.read(snakemake.input.manifest),
            scale=snakemake.params.cfg["ssl4sar.optical_scale"],
            target=Path(snakemake.output.index).parent,
        )
