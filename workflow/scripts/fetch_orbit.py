"""Fetch a file of Sentinel-1 orbits."""

from pathlib import Path

from ssl4sar.acquire.orbits.file import fetch_orbit, write_missing_orbit
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.acquire.providers.local import Local
from ssl4sar.acquire.query import MissingProductError
from ssl4sar.config.services import Services
from ssl4sar.workflow.job import job


def main(orbit: Product, services: Services, target: Path, record: Path) -> None:
    """Fetch the file, or find it there, and write what it is, or why it is missing."""
    is_local = orbit.provider == "local"
    source = Local(services.root) if is_local else Cdse(services.cdse)
    try:
        fetch_orbit(orbit, target, source.fetch_file, record)
    except MissingProductError as error:
        write_missing_orbit(orbit, error, record)


if __name__ == "__main__":
    with job(snakemake):
        main(
            orbit=Product.from_row(snakemake.params.orbit),
            services=Services.of_job(snakemake.config),
            target=Path(snakemake.params.cached[0]),
            record=Path(snakemake.output.record),
        )
