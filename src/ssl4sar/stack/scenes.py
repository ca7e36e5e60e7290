"""A batch of raw products onto the grid of a glacier: what fails is recorded, the rest is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from ssl4sar.acquire.fetch_record import ProductManifest, unchanged_product
from ssl4sar.acquire.orbits.file import OrbitRecord
from ssl4sar.core.errors import InstallationError, UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import track
from ssl4sar.sar.coding import write_backscatter
from ssl4sar.sar.engine import geocode_with_engine
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.record import StackedScene, StackRecord, in_order

WantedPolarisation = Literal["copolar", "HH", "HV", "VV", "VH"]
#: Below this share of the grid a scene shows too little of the glacier, percent.
_LEAST_VALID_PERCENT: Final = 5.0


@dataclass(frozen=True)
class RawScene:
    """A product to stack.

    Attributes:
        path: folder or zip.
        orbit_file: precise orbit; None takes that of the annotation.
    """

    path: Path
    orbit_file: Path | None = None


def fetched_scenes(
    manifests: Sequence[Path], orbits: Mapping[str, Path]
) -> tuple[list[RawScene], list[StackedScene]]:
    """Return the products of manifests, and those that are missing or changed with the reason.

    Args:
        manifests: of fetched products.
        orbits: record of the orbit file by product; a scene whose file is missing takes the orbit
            of its annotation.
    """
    scenes, unavailable = [], []
    for manifest in manifests:
        name = ProductManifest.read(manifest).name
        try:
            scenes.append(RawScene(unchanged_product(manifest), _orbit_file(orbits.get(name))))
        except UserError as error:
            unavailable.append(StackedScene(product=name, problem=str(error)))
    return scenes, unavailable


def _orbit_file(record: Path | None) -> Path | None:
    if record is None or OrbitRecord.read(record).missing is not None:
        return None
    return record.with_suffix(".EOF")


def stack_scenes(
    scenes: Sequence[RawScene],
    glacier: str,
    grid: Grid,
    elevation: Elevation,
    record: str | Path,
    *,
    polarisation: WantedPolarisation = "copolar",
    options: GeocodeOptions | None = None,
    images: Path | None = None,
    unavailable: Sequence[StackedScene] = (),
) -> StackRecord:
    """Geocode scenes onto the grid of a glacier and write them beside their record.

    Args:
        scenes: raw products.
        glacier: name of the glacier.
        grid: of all its images.
        elevation: model of its area.
        record: file of the record.
        polarisation: copolar takes HH or VV, whichever there is.
        options: of the geocoding; the orbit file is that of each scene.
        images: folder of the images; None: that of the record.
        unavailable: scenes that there is no product of, with the reason.

    Returns:
        The record, written too. A scene that cannot be made is in it with the reason.

    Raises:
        UserError: the elevation model, its geoid or the engine cannot be used, or the disk is full.
    """
    folder = images or Path(record).parent
    made = list(unavailable)
    for scene in track(scenes, f"geocoding scenes of {glacier}"):
        chosen = replace(options or GeocodeOptions(), orbit_file=scene.orbit_file)
        stacked = _stacked(scene, grid, elevation, folder, polarisation, chosen)
        made.append(stacked.moved(folder, Path(record).parent))
    stack = StackRecord(glacier=glacier, grid=grid.to_json(), scenes=in_order(made))
    stack.write(record)
    return stack


def _stacked(
    scene: RawScene,
    grid: Grid,
    elevation: Elevation,
    folder: Path,
    polarisation: WantedPolarisation,
    options: GeocodeOptions,
) -> StackedScene:
    name = scene.path.name.rsplit(".", 1)[0]
    try:
        product = open_product(scene.path)
        chosen = _polarisation(product, polarisation)
        image = geocode_with_engine(product, chosen, grid, elevation, options)
    except InstallationError:
        raise
    except UserError as error:
        # Of the elevation model or its geoid, not of this scene: no other would fare better.
        if str(error.subject) in {str(elevation.path), str(elevation.geoid)}:
            raise
        return StackedScene(product=name, problem=str(error))
    valid_percent = round(100 * float(image["valid"].mean()), 2)
    if valid_percent < _LEAST_VALID_PERCENT:
        return StackedScene(
            product=name,
            problem=f"it shows {valid_percent:g} % of the area",
            valid_percent=valid_percent,
        )
    facts: dict[str, Any] = {key: value for key, value in image.attrs.items() if key != "crs"}
    facts["incidence_deg"] = round(float(np.nanmedian(image["local_incidence_angle"])), 3)
    file = f"{name}_{chosen}.tif"
    backscatter = image["backscatter"].values
    clamped = write_backscatter(
        folder / file, backscatter, grid, name=options.quantity, metadata=facts
    )
    return StackedScene(
        product=name,
        file=file,
        sha256=sha256_file(folder / file),
        day=str(facts["start"])[:10],
        track=track_name(facts),
        valid_percent=valid_percent,
        facts={**facts, "clamped_px": clamped},
    )


def track_name(facts: dict[str, Any]) -> str:
    """Return what scenes of one geometry have in common: orbit, direction, mode, polarisation."""
    orbit = facts["relative_orbit"]
    number = "unknown" if orbit is None else f"{orbit:03d}"
    return f"{number} {facts['orbit_pass'] or 'unknown'} {facts['mode']} {facts['polarisation']}"


def _polarisation(product: GrdProduct, wanted: WantedPolarisation) -> str:
    candidates = ("HH", "VV") if wanted == "copolar" else (wanted,)
    for each in candidates:
        if each in product.polarisations:
            return each
    raise UserError(
        product.path,
        f"it has {', '.join(product.polarisations)}, not {' or '.join(candidates)}",
        "choose another sentinel.polarisation",
    )
