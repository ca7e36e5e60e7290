"""Terrain on the grid of an image: heights above the ellipsoid, from an elevation model.

An error of one metre in height moves a point by 1.2 to 1.7 m, and the geoid is up to 86 m from the
ellipsoid. So heights without a stated datum are refused, and so are heights above a geoid without a
grid of it: the library of projections would silently add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.elevation.geoid import GeoidGrid, check_geoid, read_geoid
from ssl4sar.acquire.elevation.raster import (
    HIGHEST_M,
    LOWEST_M,
    read_heights,
    require_metres,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.geometry.lattice import Lattice
from ssl4sar.sar.resample import multilook, sample

Datum = Literal["ellipsoid", "EGM96", "EGM2008"]
#: What stands for heights that an elevation model does not have: nothing, the sea, or a refusal.
Missing = Literal["nodata", "sea", "refuse"]
#: Vertical systems of EPSG: heights above these geoids.
_VERTICAL: Final[dict[int, Datum]] = {5773: "EGM96", 3855: "EGM2008"}
#: WGS 84 with heights above the ellipsoid.
_WGS_84_3D: Final = 4979
#: A model that is wider goes around the globe, but for some pixels.
_GLOBE_DEG: Final = 359.0
#: Rows of a block; four arrays of a block fit into a few megabytes per thousand columns.
_ROWS: Final = 512
#: Pixels of the model around the window that a grid needs.
_MARGIN_PX: Final = 2
#: Larger windows are of another place than the grid, or of a far finer model.
_MOST_PX: Final = 400_000_000


@dataclass(frozen=True)
class Elevation:
    """An elevation model and how to read it.

    Attributes:
        path: GeoTIFF with heights in metres in its first band, in any reference system.
        datum: what its heights refer to; None: as the file says.
        geoid: geoid grid, GTX or GeoTIFF; for heights above a geoid, and for the sea.
        missing: what stands for heights that the file does not have.
    """

    path: Path
    datum: Datum | None = None
    geoid: Path | None = None
    missing: Missing = "nodata"


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights of the pixels of a grid.

    Attributes:
        grid: H x W, with the pixels around the one that was asked for.
        pad: pixels around it on every side.
        heights_m: (H, W) float32 above the ellipsoid WGS 84; NaN where there are none.
        facts: name and SHA-256 of the files, datum, geoid: plain values for the record.
    """

    grid: Grid
    pad: int
    heights_m: NDArray[np.float32]
    facts: dict[str, Any]

    @property
    def range_m(self) -> tuple[float, float]:
        """Lowest and highest height, metres."""
        return float(np.nanmin(self.heights_m)), float(np.nanmax(self.heights_m))


def read_terrain(elevation: Elevation, grid: Grid, pad: int = 0) -> Terrain:
    """Return the heights of a grid, bilinear between those of the elevation model.

    Where the model is at least twice as fine as the grid, its means over whole pixels are used.

    Args:
        elevation: the model.
        grid: north-up, with a reference system.
        pad: pixels around the grid whose heights are wanted, too, where the model has them.

    Raises:
        UserError: the file is missing, damaged or not in metres, its datum is not stated or another
            one than the file says, the geoid grid is missing or of other values, the model has no
            height in the grid or heights that no land has, or lacks some and ``missing`` is refuse.
    """
    path = Path(elevation.path)
    if not path.is_file():
        raise UserError(path, "the elevation model does not exist", "correct the path")
    lattice = Lattice(grid.pad(pad))
    inner = slice(pad, pad + grid.height), slice(pad, pad + grid.width)
    try:
        # Blocks that are not in the file would be read as heights of 0.
        with open_raster(path, "GTiff", whole=True) as file:
            require_metres(file, path)
            datum = _datum(file, path, elevation.datum)
            geoid = _geoid(elevation, datum, path)
            heights = _resampled(file, path, lattice)
    except UnreadableRasterError as error:
        raise UserError(path, f"this is not a GeoTIFF ({error})", "get the file again") from error
    _require_heights_of_land(heights, path)
    void = np.isnan(heights)
    if datum != "ellipsoid" or elevation.missing == "sea":
        assert geoid is not None
        _to_ellipsoid(heights, void, lattice, geoid, elevation.missing == "sea", datum)
    share = float(void[inner].mean())
    if share and elevation.missing == "refuse":
        raise UserError(
            path,
            f"it has no height at {share:.2%} of the area",
            "use a larger or filled model, or let missing heights be nodata, or sea",
        )
    if np.isnan(heights[inner]).all():
        raise UserError(
            path, "it has no height in the area", "use the elevation model of this area"
        )
    facts = {
        "elevation": path.name,
        "elevation_sha256": sha256_file(path),
        "elevation_datum": datum,
        "geoid": None if geoid is None else Path(geoid.source).name,
        "geoid_sha256": None if geoid is None else sha256_file(geoid.source),
        "missing_heights": elevation.missing,
        "missing_heights_share": round(share, 6),
    }
    return Terrain(lattice.grid, pad, heights, facts)


def _datum(file: Any, path: Path, given: Datum | None) -> Datum:
    from pyproj.exceptions import CRSError

    if file.crs is None:
        raise UserError(
            path, "it has no reference system", "write it with gdal_edit.py -a_srs EPSG:4326 FILE"
        )
    try:
        stated = _stated_datum(file, path)
    except CRSError as error:
        raise UserError(
            path, "its reference system is unknown", "write it with gdal_edit.py -a_srs EPSG:CODE"
        ) from error
    if given is not None and given not in get_args(Datum):
        raise UserError(path, f"{given!r} is not a datum", f"use {', '.join(get_args(Datum))}")
    if stated is None and given is None:
        raise UserError(
            path,
            "it does not say what its heights refer to",
            "say it: datum ellipsoid, EGM96 or EGM2008 (Copernicus GLO-30: EGM2008)",
        )
    if stated is not None and given is not None and stated != given:
        raise UserError(
            path,
            f"by its reference system or tags its heights refer to {stated}, not to {given}",
            "leave the datum out, or correct the file",
        )
    return stated or given  # type: ignore[return-value]


def _stated_datum(file: Any, path: Path) -> Datum | None:
    """Return the datum by our own tags or by the reference system."""
    from pyproj import CRS

    heights = file.tags().get("HEIGHTS")
    if heights in ("ellipsoidal", "orthometric"):
        return "ellipsoid" if heights == "ellipsoidal" else "EGM2008"
    crs = CRS.from_user_input(file.crs.to_wkt())
    if crs.is_compound:
        vertical = crs.sub_crs_list[1]
        code = vertical.to_epsg()
        if code is not None and code not in _VERTICAL:
            raise UserError(
                path,
                f"its heights refer to {vertical.name}, which is not known here",
                "transform them with gdalwarp to heights above the ellipsoid (EPSG:4979)",
            )
        return None if code is None else _VERTICAL[code]
    return "ellipsoid" if crs.to_epsg() == _WGS_84_3D else None


def _geoid(elevation: Elevation, datum: Datum, path: Path) -> GeoidGrid | None:
    if elevation.geoid is None:
        if datum != "ellipsoid":
            raise UserError(
                path,
                f"its heights are above the geoid {datum}, and there is no geoid grid: they would "
                "be up to 100 m off",
                f"give a grid of {datum}, GTX or GeoTIFF, e.g. from the package proj-data",
            )
        if elevation.missing == "sea":
            raise UserError(
                path,
                "the height of the sea above the ellipsoid needs a geoid grid",
                "give one, GTX or GeoTIFF, or let missing heights be nodata",
            )
        return None
    if datum == "ellipsoid" and elevation.missing != "sea":
        return None
    geoid = read_geoid(elevation.geoid)
    if geoid.undulations_m.shape[1] * geoid.column_deg >= 360.0 and geoid.south <= -80.0:
        check_geoid(geoid)
    return geoid


def _resampled(file: Any, path: Path, lattice: Lattice) -> NDArray[np.float32]:
    model = Grid.of_raster(file)
    if model is None or not model.is_north_up:
        raise UserError(path, "it has no coordinates or is not north up", "warp it with gdalwarp")
    horizontal = _horizontal(file.crs.to_wkt())
    x, y = lattice.in_crs(horizontal.to_wkt())
    if horizontal.is_geographic:
        middle = (model.left + model.right) / 2
        x = x - 360.0 * np.round((x[x.shape[0] // 2, x.shape[1] // 2] - middle) / 360.0)
        whole_globe = abs(model.width * model.transform[0]) > _GLOBE_DEG
        if whole_globe and (x.min() < model.left or x.max() > model.right):
            raise UserError(
                path,
                "it ends at the antimeridian, within the area",
                "cut the part around the area: gdalwarp -te 175 SOUTH 185 NORTH",
            )
    # Positions in pixels of the model, 0 = centre of the first.
    column = (x - model.left) / model.transform[0] - 0.5
    row = (y - model.top) / model.transform[4] - 0.5
    window = _window(row, model.height), _window(column, model.width)
    if any(part.stop <= part.start for part in window):
        raise UserError(path, "it does not reach the area", "use the elevation model of this area")
    rows, columns = window
    if (rows.stop - rows.start) * (columns.stop - columns.start) > _MOST_PX:
        raise UserError(path, "it is far finer than the grid", "average it to the grid's spacing")
    heights = read_heights(file, rows, columns)
    row, column = row - rows.start, column - columns.start
    looks = _looks(row), _looks(column.T)
    heights = multilook(heights, looks)
    row, column = (row - (looks[0] - 1) / 2) / looks[0], (column - (looks[1] - 1) / 2) / looks[1]
    found = np.empty(lattice.grid.shape, np.float32)
    for start in range(0, len(found), _ROWS):
        part = slice(start, min(start + _ROWS, len(found)))
        found[part] = sample(heights, lattice.spread(row, part), lattice.spread(column, part))
    return found


def _require_heights_of_land(heights: NDArray[np.float32], path: Path) -> None:
    """Refuse voids that the file does not mark: far below the ground they would bend the geometry.

    Between -99,999 and 100 m the polynomials in height are off by 5 m of range.
    """
    beyond = (heights < LOWEST_M) | (heights > HIGHEST_M)
    if beyond.any():
        raise UserError(
            path,
            f"its height of {heights[beyond][0]:g} m is not of the Earth",
            "if it stands for missing heights, mark it: gdal_edit.py -a_nodata VALUE FILE",
        )


def _horizontal(wkt: str) -> Any:
    from pyproj import CRS

    crs = CRS.from_user_input(wkt)
    return crs.sub_crs_list[0] if crs.is_compound else crs.to_2d()


def _window(positions: NDArray[np.float64], size: int) -> slice:
    first, last = int(np.floor(positions.min())), int(np.ceil(positions.max()))
    return slice(max(0, first - _MARGIN_PX), min(size, last + 1 + _MARGIN_PX))


def _looks(positions: NDArray[np.float64]) -> int:
    """Return how many whole pixels of the model a pixel of the grid spans down an axis."""
    from ssl4sar.geometry.lattice import STEP

    return max(1, int(np.median(np.abs(np.diff(positions, axis=0))) / STEP + 0.01))


def _to_ellipsoid(
    heights: NDArray[np.float32],
    void: NDArray[np.bool_],
    lattice: Lattice,
    geoid: GeoidGrid,
    sea: bool,
    datum: Datum,
) -> None:
    """Add the undulation of the geoid in place; the sea is at height 0 above it."""
    # Cubic between nodes some hundred metres apart: a centimetre off where the grid has its kinks.
    undulation = geoid.undulation_m(*lattice.lon_lat)
    for start in range(0, len(heights), _ROWS):
        part = slice(start, min(start + _ROWS, len(heights)))
        here = lattice.spread(undulation, part).astype(np.float32)
        if sea:
            heights[part][void[part]] = here[void[part]] if datum == "ellipsoid" else 0.0
        if datum != "ellipsoid":
            heights[part] += here
