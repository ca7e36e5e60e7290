"""Geocode a batch of a glacier's scenes."""

from collections.abc import Mapping
from pathlib import Path

from ssl4sar.acquire.areas import Glacier
from ssl4sar.core.progress import log
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.area import glacier_grid
from ssl4sar.stack.scenes import WantedPolarisation, fetched_scenes, stack_scenes
from ssl4sar.workflow.job import job


def main(
    glacier: Glacier,
    manifests: list[Path],
    orbits: Mapping[str, Path],
    elevation: Path,
    spacing_m: float,
    polarisation: WantedPolarisation,
    options: GeocodeOptions,
    record: Path,
    images: Path,
) -> None:
    """Write images and record of the scenes, and of what failed the reason."""
    scenes, unavailable = fetched_scenes(manifests, orbits)
    images.mkdir(parents=True, exist_ok=True)
    stack = stack_scenes(
        scenes,
        glacier.name,
        glacier_grid(glacier, spacing_m),
        Elevation(elevation),
        record,
        polarisation=polarisation,
        options=options,
        images=images,
        unavailable=unavailable,
    )
    for scene in filter(lambda scene: scene.problem is not None, stack.scenes):
        log(f"{scene.product}: no image: {scene.problem}")


if __name__ == "__main__":
    with job(snakemake):
        cfg = snakemake.params.cfg
        records = {Path(path).stem: Path(path) for path in snakemake.input.orbits}
        orbit_of = snakemake.params.orbit_of
        engine = cfg["stack.engine"], cfg["stack.snap_timeout_min"]
        main(
            glacier=Glacier.from_feature(snakemake.params.glacier),
            manifests=[Path(path) for path in snakemake.input.manifests],
            orbits={product: records[each] for product, each in orbit_of.items()},
            elevation=Path(snakemake.input.elevation),
            spacing_m=cfg["stack.spacing_m"],
            polarisation=cfg["sentinel.polarisation"],
            options=GeocodeOptions(cfg["stack.quantity"], cfg["stack.remove_noise"], *engine),
            record=Path(snakemake.output.record),
            images=Path(snakemake.output.images),
        )
