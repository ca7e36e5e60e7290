"""Put the optical image of a glacier on the grid of its scenes."""

from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.core.atomic import write_json
from ssl4sar.stack.area import glacier_grid
from ssl4sar.stack.optical import open_fetched, optical_facts, optical_image, write_optical
from ssl4sar.workflow.job import job


def main(
    glacier: Glacier, manifests: list[Path], spacing_m: float, image: Path, facts: Path
) -> None:
    """Write the image, and what it was made from."""
    grid = glacier_grid(glacier, spacing_m)
    bands = optical_image([open_fetched(path) for path in manifests], grid)
    write_optical(image, bands, grid)
    write_json(facts, optical_facts(bands))


if __name__ == "__main__":
    with job(snakemake):
        main(
            glacier=Glacier.from_feature(snakemake.params.glacier),
            manifests=[Path(path) for path in snakemake.input.manifests],
            spacing_m=snakemake.params.cfg["stack.spacing_m"],
            image=Path(snakemake.output.image),
            facts=Path(snakemake.output.facts),
        )
