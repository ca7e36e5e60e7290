"""Geocoding by SNAP, with our elevation model, our orbit and our grid.

pyroSAR writes the graph, ``gpt`` of SNAP executes it, and what it wrote is put on the grid. Both
run in a scratch folder that is their home: they find the orbit there, and nothing of earlier runs.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from ssl4sar.acquire.orbits.choice import OrbitKind, OrbitName
from ssl4sar.core.errors import EngineError, UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.grid import Grid
from ssl4sar.core.progress import log
from ssl4sar.sar.coding import to_db
from ssl4sar.sar.geocode import GeocodeOptions, image_facts, labelled, margin_px
from ssl4sar.sar.noise import Noise
from ssl4sar.sar.product import GrdProduct
from ssl4sar.sar.snap import write_graph
from ssl4sar.sar.snap.graph import Graph
from ssl4sar.sar.snap.program import TimeOverError, run_program, what_it_said
from ssl4sar.sar.snap.rasters import NO_HEIGHT, read_band, write_heights
from ssl4sar.sar.terrain import Elevation, Terrain, read_terrain
from ssl4sar.sar.window import needed_window

if TYPE_CHECKING:
    import xarray

#: An order that SNAP refuses for a parameter that it does not know is repeated without it.
_MOST_ORDERS: Final = 10
#: Of a program that failed, for the log.
_LINES: Final = 20
_ENVIRONMENT: Final = "conda env create -f envs/pyrosar.yaml"
_SNAP: Final = "install ESA SNAP (step.esa.int) and put its folder bin on PATH"
_INSTEAD: Final = "see docs/sar.md, or use the engine builtin"
_BAND_OF: Final = {"sigma0": "Sigma0", "gamma0": "Gamma0", "gamma0_rtc": "Gamma0"}
#: Times in names of orbit files.
_STAMP: Final = "%Y%m%dT%H%M%S"


def geocode_by_snap(
    product: GrdProduct,
    polarisation: str,
    grid: Grid,
    elevation: Elevation,
    options: GeocodeOptions,
) -> xarray.Dataset:
    """Return calibrated, terrain-corrected backscatter on a grid, as SNAP makes it.

    Args:
        product: as :func:`ssl4sar.sar.product.open_product` returns it.
        polarisation: one of the product's.
        grid: north-up, in a zone of UTM.
        elevation: model of the area.
        options: how.

    Returns:
        Bands and attributes of :func:`ssl4sar.sar.geocode.geocode`. Where SNAP has a power of 0,
        which is its missing value too, a pixel is not valid.

    Raises:
        EngineError: pyroSAR or SNAP is missing, or does not make the quantity.
        UserError: SNAP fails, takes too long or writes another grid; the grid is in no zone of UTM;
            or as :func:`ssl4sar.sar.geocode.geocode`.
    """
    _require_possible(grid, options)
    annotation = product.annotation(polarisation, options.orbit_file)
    terrain = read_terrain(elevation, grid, margin_px(grid.require_metres("the grid")))
    needed_window(annotation, grid, terrain.range_m, product.name)
    noise = product.noise(polarisation)
    with tempfile.TemporaryDirectory("", "ssl4sar_snap_", ignore_cleanup_errors=True) as scratch:
        deadline_s = time.monotonic() + 60 * options.snap_timeout_min
        job = _Job(product, polarisation, options, Path(scratch), deadline_s)
        arguments = _arguments(product, polarisation, terrain, options, noise)
        graph, versions = job.graph(terrain, arguments)
        bands = job.bands(graph, grid, terrain)
    looks = tuple(int(graph.parameter("Multilook", name) or 1) for name in ("nAzLooks", "nRgLooks"))
    facts = image_facts(product, annotation, terrain, options, noise, (looks[0], looks[1]))
    return labelled(bands, grid, {**facts, "engine": "pyrosar", "engine_versions": versions})


def _require_possible(grid: Grid, options: GeocodeOptions) -> None:
    from pyproj import CRS

    if options.quantity not in _BAND_OF:
        known = ", ".join(_BAND_OF)
        raise EngineError(
            "the engine pyrosar",
            f"it does not make {options.quantity}",
            f"choose {known}, or the engine builtin",
        )
    if grid.crs is None or CRS.from_user_input(grid.crs).utm_zone is None:
        # Of this glacier: a batch may hold others.
        raise UserError(
            "the engine pyrosar",
            f"it is used in zones of UTM only, the grid is in {grid.crs}",
            "choose such a grid, or the engine builtin",
        )
    if shutil.which("gpt") is None:
        raise EngineError("the engine pyrosar", "gpt of SNAP is not on PATH", _SNAP)


def _arguments(
    product: GrdProduct,
    polarisation: str,
    terrain: Terrain,
    options: GeocodeOptions,
    noise: Noise | None,
) -> dict[str, Any]:
    """Return the arguments of pyroSAR's ``geocode`` but for folders and the file of heights."""
    flattened = options.quantity == "gamma0_rtc"
    grid = terrain.grid
    return {
        "infile": str(product.path.resolve()),
        "polarizations": [polarisation],
        "t_srs": grid.crs,
        "spacing": grid.spacing,
        "shapefile": _area(grid),
        "scaling": "linear",
        "refarea": "sigma0" if options.quantity == "sigma0" else "gamma0",
        "terrainFlattening": flattened,
        "removeS1BorderNoiseMethod": "ESA",
        "removeS1ThermalNoise": options.remove_noise and noise is not None and not noise.is_zero,
        "allow_RES_OSV": True,
        "externalDEMNoDataValue": NO_HEIGHT,
        "externalDEMApplyEGM": False,
        # To SNAP all that has no height is sea; the sea of our models has one.
        "nodataValueAtSea": True,
        "export_extra": ["localIncidenceAngle", "layoverShadowMask"],
        # The origin is the centre of a pixel.
        "alignToStandardGrid": True,
        "standardGridOriginX": grid.left + grid.spacing / 2,
        "standardGridOriginY": grid.top - grid.spacing / 2,
    }


def _area(grid: Grid) -> dict[str, float] | None:
    """Return the part of the scene that is worked on, degrees; None, all, at the antimeridian."""
    from pyproj import Transformer

    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    west, south, east, north = transformer.transform_bounds(*grid.bounds)
    return None if east < west else {"xmin": west, "ymin": south, "xmax": east, "ymax": north}


@dataclass(frozen=True)
class _Job:
    """The geocoding of one scene by SNAP.

    Attributes:
        product: the scene.
        polarisation: one of the product's.
        options: how.
        scratch: home folder of the programs, and all they write.
        deadline_s: when they are killed, by ``time.monotonic``.
    """

    product: GrdProduct
    polarisation: str
    options: GeocodeOptions
    scratch: Path
    deadline_s: float

    def graph(self, terrain: Terrain, arguments: dict[str, Any]) -> tuple[Graph, str]:
        """Return the graph that pyroSAR writes, with our orbit, and the versions behind it."""
        heights, request, answer, log_file = (
            self.scratch / name for name in ("heights.tif", "request.json", "answer.json", "log")
        )
        write_heights(heights, terrain)
        kind, empty = self._furnish()
        asked = {**arguments, "outdir": str(self.scratch / "out"), "externalDEMFile": str(heights)}
        request.write_text(json.dumps(asked), encoding="utf-8")
        program = [sys.executable, "-m", write_graph.__name__]
        status = self._run([*program, str(request), str(answer)], log_file)
        if status == write_graph.UNUSABLE:
            raise EngineError(
                "the engine pyrosar",
                f"pyroSAR cannot be used here ({what_it_said(log_file, status)})",
                f"{_ENVIRONMENT} (or snakemake --sdm conda) brings pyroSAR; {_SNAP}",
            )
        if status != 0:
            raise self._failed("pyroSAR", log_file, status)
        for path in empty:
            path.unlink()
        try:
            made = read_json(answer)
            graph, versions = Graph.read(Path(made["graph"])), str(made["versions"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            problem = f"pyroSAR did not write a graph that can be read ({error})"
            raise UserError(self.product.name, problem, _INSTEAD) from error
        graph.use_orbit(kind)
        # The factors of Sentinel-1 are in its products; another file would have to be fetched.
        for operator in ("Calibration", "Terrain-Correction"):
            graph.set(operator, "auxFile", "Product Auxiliary File")
        return graph, versions

    def bands(self, graph: Graph, grid: Grid, terrain: Terrain) -> dict[str, NDArray[Any]]:
        """Let SNAP execute a graph, and return the bands on the grid."""
        self._order(graph)
        folder = Path(graph.parameter("Write", "file") or "")
        inner = slice(terrain.pad, -terrain.pad)
        name = f"{_BAND_OF[self.options.quantity]}_{self.polarisation}"
        power = self._band(folder, f"{name}.img", grid)
        angle = self._band(folder, "localIncidenceAngle.img", grid)
        marks = self._band(folder, "layover*hadow*.img", grid)
        # SNAP's missing value is 0, which its resampling mixes into the pixels beside.
        measured = binary_erosion(power > 0, border_value=1)
        valid = measured & ~np.isnan(terrain.heights_m[inner, inner])
        if not valid.any():
            raise UserError(
                self.product.name,
                "SNAP's image is empty in the area",
                "choose a scene that covers the area",
            )
        return {
            "backscatter": np.where(valid, to_db(np.where(valid, power, 1)), np.float32(np.nan)),
            "local_incidence_angle": np.where(angle > 0, angle, np.float32(np.nan)),
            "layover_shadow": np.where(np.isin(marks, (1, 2, 3)), marks, 0).astype(np.uint8),
            "valid": valid,
        }

    def _order(self, graph: Graph) -> None:
        """Let SNAP execute a graph."""
        gpt = shutil.which("gpt") or "gpt"
        order, log_file = self.scratch / "order.xml", self.scratch / "log"
        for _ in range(_MOST_ORDERS):
            graph.write(order)
            command = [gpt, str(order), "-e", "-q", str(self.options.workers)]
            status = self._run(command, log_file)
            if status == 0:
                return
            if not graph.drop_unknown(what_it_said(log_file, status)):
                break
        raise self._failed("SNAP", log_file, status)

    def _run(self, command: list[str], log_file: Path) -> int:
        try:
            return run_program(command, self.scratch, log_file, self.deadline_s)
        except TimeOverError as error:
            _show_end(log_file)
            raise UserError(
                self.product.name,
                f"SNAP was killed after {self.options.snap_timeout_min} minutes",
                "raise stack.snap_timeout_min (sar process: --snap-timeout) if it is merely slow",
            ) from error
        except OSError as error:
            raise EngineError(
                "the engine pyrosar", f"{command[0]} cannot be started ({error})", _SNAP
            ) from error

    def _failed(self, program: str, log_file: Path, status: int) -> UserError:
        _show_end(log_file)
        problem = f"{program} failed: {what_it_said(log_file, status)}"
        return UserError(self.product.name, problem, _INSTEAD)

    def _furnish(self) -> tuple[OrbitKind | None, list[Path]]:
        """Put into the home folder what SNAP and pyroSAR look for.

        Returns:
            The kind of the orbit file, None where there is none; and empty files which pyroSAR
            would otherwise fetch, and which SNAP must not find.
        """
        settings, auxiliary = self.scratch / ".snap/etc", self.scratch / ".snap/auxdata"
        # Of an installation for many users they are elsewhere.
        _write(settings / "snap.properties", f"snap.userdir = {self.scratch / '.snap'}\n")
        _write(settings / "snap.auxdata.properties", f"AuxDataPath = {auxiliary}\n")
        # For heights above EGM96, of which there are none here.
        empty = [auxiliary / "dem/egm96/ww15mgh_b.zip"]
        file, start = self.options.orbit_file, self.product.start
        orbits = auxiliary / "Orbits/Sentinel-1"
        if file is None:
            # pyroSAR wants a precise orbit, and looks at its name alone.
            times = (f"{start + timedelta(hours=by):{_STAMP}}" for by in (1, -1, 1))
            name = "{}_OPER_AUX_POEORB_OPOD_{}_V{}_{}.EOF".format(self.product.platform, *times)
            empty.append(orbits / "POEORB" / self.product.platform / f"{start:%Y/%m}" / name)
            kind = None
        else:
            try:
                named = OrbitName.parse(file.stem)
            except ValueError as error:
                fix = "give it the name that it has in the archive"
                raise UserError(file, "SNAP knows orbit files by their names", fix) from error
            kind = named.kind
            for month in {f"{time:%Y/%m}" for time in (named.start, start)}:
                folder = orbits / kind / self.product.platform / month
                _write(folder / f"{file.stem}.EOF", file.read_text(encoding="utf-8"))
        for path in empty:
            _write(path, "")
        return kind, empty

    def _band(self, folder: Path, pattern: str, grid: Grid) -> NDArray[np.float32]:
        try:
            return read_band(next(folder.glob(pattern), folder / pattern), grid)
        except ValueError as error:
            problem = f"SNAP did not write the image that it was to write ({error})"
            raise UserError(self.product.name, problem, _INSTEAD) from error


def _show_end(log_file: Path) -> None:
    """Log the last lines of a program, which are lost with its folder."""
    for line in log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]:
        log(f"SNAP: {line}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
