"""Fetch the list of all tiles of the Copernicus DEM GLO-30."""

from pathlib import Path

from ssl4sar.acquire.elevation.service import fetch_tile_list
from ssl4sar.config.services import ElevationConfig, Services
from ssl4sar.workflow.job import job


def main(config: ElevationConfig, listing: Path) -> None:
    """Fetch the list and check that it is one."""
    fetch_tile_list(config, listing)


if __name__ == "__main__":
    with job(snakemake):
        main(Services.of_job(snakemake.config).elevation, Path(snakemake.output.listing))
