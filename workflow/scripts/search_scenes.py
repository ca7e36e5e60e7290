"""Search the scenes of a glacier and freeze what the catalogue lists."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.inventory import TIME_FORMAT, is_of_time
from ssl4sar.acquire.catalogue.search import SearchConfig, search_glacier
from ssl4sar.acquire.orbits.choice import choose_orbits
from ssl4sar.acquire.providers.local import Local
from ssl4sar.acquire.providers.odata import ODataCatalogue
from ssl4sar.acquire.providers.registry import open_provider
from ssl4sar.config.sentinel import OpticalConfig, SentinelConfig
from ssl4sar.config.services import Services
from ssl4sar.core.progress import log
from ssl4sar.workflow.job import job


def main(
    glacier: Glacier, config: SearchConfig, services: Services, searched_utc: str, inventory: Path
) -> None:
    """Ask the providers, and write the inventory and what explains it; reuse a frozen one."""
    if is_of_time(inventory, searched_utc):
        log(f"{glacier.name}: the inventory of {searched_utc} is reused: `refresh` searches again")
        return
    sentinel, cdse = config.sentinel, services.cdse
    optical = sentinel.optical_provider or sentinel.provider
    sar = open_provider(sentinel.provider, services)
    # Wherever the scenes come from: to list orbit files this catalogue wants no account.
    catalogue = ODataCatalogue(cdse.catalogue_url, cdse.page_size, cdse.max_skip)
    search_glacier(
        config,
        glacier,
        sar=sar,
        optical=open_provider(optical, services) if config.optical.count else None,
        searched_utc=datetime.strptime(searched_utc, TIME_FORMAT).replace(tzinfo=UTC),
        choose_orbits=partial(
            choose_orbits, catalogue=catalogue, mirror=sar if isinstance(sar, Local) else None
        ),
    ).write(inventory.parent)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        main(
            glacier=Glacier.from_feature(snakemake.params.glacier),
            config=SearchConfig(
                SentinelConfig.model_validate(cfg["sentinel"]),
                OpticalConfig.model_validate(cfg["optical"]),
                snakemake.params.service,
            ),
            services=Services.of_job(snakemake.config),
            searched_utc=snakemake.params.searched_utc,
            inventory=Path(snakemake.output.inventory),
        )
