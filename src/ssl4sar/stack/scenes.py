"""Raw products onto the grids of glaciers: what fails is recorded, the rest is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from ssl4sar.acquire.fetch_record import ProductManifest, unchanged_product
from ssl4sar.acquire.orbits.file import OrbitRecord
from ssl4sar.core.errors import EngineError, UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.progress import log, track
from ssl4sar.sar.engine import geocode_with_engine
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.record import BatchRecord, StackedScene, StackRecord, in_order
from ssl4sar.stack.scene_files import valid_percent, write_scene

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

    @cached_property
    def product(self) -> GrdProduct:
        """The product, opened once for all grids that it is brought to."""
        return open_product(self.path)


@dataclass(frozen=True)
class GlacierScenes:
    """Scenes that a glacier lists.

    Attributes:
        glacier: its name.
        grid: of all its images.
        elevation: model of its area.
        scenes: raw products, or why one is unavailable.
    """

    glacier: str
    grid: Grid
    elevation: Elevation
    scenes: Sequence[RawScene | StackedScene]


def fetched_scenes(
    manifests: Sequence[Path], orbits: Mapping[str, Path]
) -> dict[str, RawScene | StackedScene]:
    """Return the products of manifests by name; for a missing or changed one the reason.

    Args:
        manifests: of fetched products.
        orbits: record of the orbit file by product; a scene whose file is missing takes the orbit
            of its annotation.
    """
    found: dict[str, RawScene | StackedScene] = {}
    for manifest in manifests:
        name = ProductManifest.read(manifest).name
        try:
            found[name] = RawScene(unchanged_product(manifest), _orbit_file(orbits.get(name)))
        except UserError as error:
            found[name] = StackedScene(product=name, problem=str(error))
    return found


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

    Returns:
        The record, written too. A scene that cannot be made is in it with the reason.

    Raises:
        UserError: the elevation model, its geoid or the engine cannot be used, or the disk is full.
    """
    folder = Path(record).parent
    wanted = GlacierScenes(glacier, grid, elevation, scenes)
    stack = _stack(wanted, folder, folder, polarisation, options or GeocodeOptions())
    stack.write(record)
    return stack


def stack_batch(
    batch: Sequence[GlacierScenes],
    record: str | Path,
    images: Path,
    *,
    polarisation: WantedPolarisation = "copolar",
    options: GeocodeOptions | None = None,
) -> BatchRecord:
    """Geocode scenes for several glaciers; one that several list is opened and parsed once.

    Args:
        batch: scenes by glacier; the same object where several list a scene.
        record: file of the record.
        images: folder; the images of a glacier are in the folder of its name within.
        polarisation: as for :func:`stack_scenes`.
        options: as for :func:`stack_scenes`.

    Returns:
        The record, written too.

    Raises:
        UserError: as :func:`stack_scenes`.
    """
    options, folder = options or GeocodeOptions(), Path(record).parent
    stacks = [
        _stack(wanted, images / wanted.glacier, folder, polarisation, options) for wanted in batch
    ]
    made = BatchRecord(stacks=tuple(stacks))
    made.write(record)
    return made


def _stack(
    wanted: GlacierScenes,
    images: Path,
    folder: Path,
    polarisation: WantedPolarisation,
    options: GeocodeOptions,
) -> StackRecord:
    """Return the stack of a glacier as a record in ``folder`` lists it; its images are written."""
    images.mkdir(parents=True, exist_ok=True)
    made = [scene for scene in wanted.scenes if isinstance(scene, StackedScene)]
    scenes = [scene for scene in wanted.scenes if isinstance(scene, RawScene)]
    for scene in track(scenes, f"geocoding scenes of {wanted.glacier}"):
        chosen = replace(options, orbit_file=scene.orbit_file)
        stacked = _stacked(scene, wanted.grid, wanted.elevation, images, polarisation, chosen)
        made.append(stacked.moved(images, folder))
    for each in made:
        if each.problem is not None:
            log(f"{each.product}: no image of {wanted.glacier}: {each.problem}")
    return StackRecord(glacier=wanted.glacier, grid=wanted.grid.to_json(), scenes=in_order(made))


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
        product = scene.product
        chosen = _polarisation(product, polarisation)
        image = geocode_with_engine(product, chosen, grid, elevation, options)
    except EngineError:
        raise
    except UserError as error:
        # Of the elevation model or its geoid, not of this scene: no other would fare better.
        if str(error.subject) in {str(elevation.path), str(elevation.geoid)}:
            raise
        return StackedScene(product=name, problem=str(error))
    shown = valid_percent(image)
    if shown < _LEAST_VALID_PERCENT:
        problem = f"it shows {shown:g} % of the area"
        return StackedScene(product=name, problem=problem, valid_percent=shown)
    return write_scene(name, image, grid, folder)


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
