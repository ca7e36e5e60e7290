"""Put the elevation tiles of a glacier together."""

from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.model import build_elevation
from ssl4sar.config.services import ElevationConfig
from ssl4sar.report.elevation import draw_elevation
from ssl4sar.workflow.job import job


def main(
    glacier: Glacier,
    tiles: list[Path],
    geoid: list[Path],
    config: ElevationConfig,
    elevation: Path,
    picture: Path,
) -> None:
    """Write the elevation model with its record and draw it."""
    # The record of the grid is named after it.
    grid = geoid[0].with_suffix("") if geoid else None
    build_elevation(glacier, tiles[0].parent, elevation, config, grid)
    draw_elevation(picture, elevation, glacier)


if __name__ == "__main__":
    with job(snakemake):
        main(
            glacier=Glacier.from_feature(snakemake.params.glacier),
            tiles=[Path(path) for path in snakemake.input.tiles],
            geoid=[Path(path) for path in snakemake.input.geoid],
            config=ElevationConfig.model_validate(snakemake.params.cfg["elevation"]),
            elevation=Path(snakemake.output.elevation),
            picture=Path(snakemake.output.picture),
        )
