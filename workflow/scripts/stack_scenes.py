"""Geocode a batch of scenes for all glaciers that list them."""

from collections.abc import Mapping
from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.area import glacier_grid
from ssl4sar.stack.scenes import GlacierScenes, WantedPolarisation, fetched_scenes, stack_batch
from ssl4sar.workflow.job import job


def main(
    glaciers: list[Glacier],
    scenes_of: Mapping[str, list[str]],
    manifests: list[Path],
    orbits: Mapping[str, Path],
    elevations: list[Path],
    spacing_m: float,
    polarisation: WantedPolarisation,
    options: GeocodeOptions,
    record: Path,
    images: Path,
) -> None:
    """Write images and record of the scenes, and of what failed the reason."""
    found = fetched_scenes(manifests, orbits)
    batch = [
        GlacierScenes(
            glacier.name,
            glacier_grid(glacier, spacing_m),
            Elevation(elevation),
            [found[product] for product in scenes_of[glacier.name]],
        )
        for glacier, elevation in zip(glaciers, elevations, strict=True)
    ]
    stack_batch(batch, record, images, polarisation=polarisation, options=options)


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        records = {Path(path).stem: Path(path) for path in snakemake.input.orbits}
        main(
            glaciers=[Glacier.from_feature(each) for each in snakemake.params.glaciers],
            scenes_of=snakemake.params.scenes_of,
            manifests=[Path(path) for path in snakemake.input.manifests],
            orbits={name: records[orbit] for name, orbit in snakemake.params.orbit_of.items()},
            elevations=[Path(path) for path in snakemake.input.elevations],
            spacing_m=cfg["stack.spacing_m"],
            polarisation=cfg["sentinel.polarisation"],
            options=GeocodeOptions(
                cfg["stack.quantity"],
                cfg["stack.remove_noise"],
                cfg["stack.engine"],
                cfg["stack.snap_timeout_min"],
            ),
            record=Path(snakemake.output.record),
            images=Path(snakemake.output.images),
        )
