"""Draw what the inventories hold."""

from pathlib import Path
from typing import Any

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.inventory import read_inventory
from ssl4sar.report.glacier_map import draw_areas
from ssl4sar.report.inventory import draw_inventories
from ssl4sar.workflow.job import job


def main(
    features: list[dict[str, Any]], inventories: list[Path], picture: Path, areas: Path
) -> None:
    """Draw scenes over time, and where the glaciers are."""
    glaciers = [Glacier.from_feature(feature) for feature in features]
    found = [read_inventory(path) for path in inventories]
    draw_inventories(
        picture,
        {inventory.header.glacier: inventory.products for inventory in found},
        test_glaciers=[glacier.name for glacier in glaciers if glacier.is_test],
    )
    draw_areas(areas, glaciers)


if __name__ == "__main__":
    with job(snakemake):
        main(
            features=snakemake.params.glaciers,
            inventories=[Path(path) for path in snakemake.input.inventories],
            picture=Path(snakemake.output.picture),
            areas=Path(snakemake.output.areas),
        )
