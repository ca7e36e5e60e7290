"""Search the scenes of a glacier and freeze what the catalogue lists."""

from datetime import UTC, datetime
from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.providers.choose import open_provider
from ssl4sar.acquire.search import search_glacier
from ssl4sar.config.sentinel import OpticalConfig, SentinelConfig
from ssl4sar.config.services import Services
from ssl4sar.workflow.job import job


def main(
    glacier: Glacier,
    sentinel: SentinelConfig,
    optical: OpticalConfig,
    services: Services,
    inventory: Path,
    left_out: Path,
    choice: Path,
) -> None:
    """Ask the providers, and write the inventory and what explains it."""
    found = search_glacier(
        glacier,
        sentinel,
        optical,
        open_provider(sentinel.provider, services),
        open_provider(sentinel.optical_from, services),
        now=datetime.now(UTC),
    )
    found.write(inventory, left_out, choice)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            glacier=Glacier.from_feature(snakemake.params.glacier),
            sentinel=SentinelConfig.model_validate(cfg["sentinel"]),
            optical=OpticalConfig.model_validate(cfg["optical"]),
            services=Services.of_job(snakemake.config),
            inventory=Path(snakemake.output.inventory),
            left_out=Path(snakemake.output.left_out),
            choice=Path(snakemake.output.choice),
        )
