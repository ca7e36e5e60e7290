"""Fetch a tile of the Copernicus DEM GLO-30, or record that it is all sea."""

from pathlib import Path

from ssl4sar.acquire.elevation.service import fetch_tile, read_tile_list
from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.config.services import ElevationConfig, Services
from ssl4sar.workflow.job import job


def main(tile: Tile, config: ElevationConfig, listing: Path, folder: Path) -> None:
    """Fetch the tile, or find it there."""
    fetch_tile(tile, config, folder, read_tile_list(listing, config))


if __name__ == "__main__":
    with job(snakemake):
        main(
            tile=Tile.parse(snakemake.wildcards.tile),
            config=Services.of_job(snakemake.config).elevation,
            listing=Path(snakemake.input.listing),
            folder=Path(snakemake.output.record).parent,
        )
