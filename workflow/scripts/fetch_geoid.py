"""Fetch the grid of geoid heights over the ellipsoid."""

from pathlib import Path

from ssl4sar.acquire.elevation.geoid import fetch_geoid
from ssl4sar.config.services import ElevationConfig, Services
from ssl4sar.workflow.job import job


def main(config: ElevationConfig, grid: Path) -> None:
    """Fetch the grid, or find it there; its record is beside it."""
    fetch_geoid(config, grid)


if __name__ == "__main__":
    with job(snakemake):
        main(Services.of_job(snakemake.config).elevation, Path(snakemake.params.cached[0]))
