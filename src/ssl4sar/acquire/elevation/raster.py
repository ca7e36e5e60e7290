"""Reading elevation tiles: where their heights belong, and whether they can be true."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.raster import UnreadableRasterError, open_raster

#: WGS 84, alone and with heights above EGM96 or EGM2008.
_SYSTEMS: Final = frozenset({4326, 9707, 9518})
#: No land is lower or higher: the Dead Sea is at -430 m, Everest at 8849 m.
LOWEST_M: Final = -1000.0
HIGHEST_M: Final = 9000.0
#: Void values of the DEM's formats and their conversions; all are below any land.
_VOIDS: Final = (-32768.0, -32767.0, -9999.0)
#: A tile is at its place if no corner is farther from it than this share of a pixel.
_TOLERANCE_PX: Final = 0.01
_ROWS_AT_ONCE: Final = 512
#: A tile has 52 MB in memory, a geoid grid of one arc minute 0.9 GB, a model up to 3.2 GB.
_MOST_BYTES: Final = 4_000_000_000
#: Units of heights as files name them; most name none.
_METRES: Final = frozenset({"", "m", "metre", "metres", "meter", "meters"})
_AGAIN: Final = "remove it and fetch it again; if it stays, correct elevation.tile_url"


@dataclass(frozen=True)
class Heights:
    """Range of the heights of a tile, metres; None if all are void."""

    least_m: float | None
    greatest_m: float | None
    void_px: int


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a GeoTIFF of metres; errors of rasterio become user errors.

    Raises:
        UserError: the file is missing, not a GeoTIFF, ends too early, claims more than it holds, or
            as :func:`require_metres`.
    """
    try:
        with open_raster(path, "GTiff", whole=True, most_bytes=_MOST_BYTES) as file:
            require_metres(file, path)
            yield file
    except UnreadableRasterError as error:
        raise UserError(path, f"this is not a complete raster ({error})", _AGAIN) from error


def require_metres(file: Any, path: str | Path) -> None:
    """Check that the numbers of the first band are metres as they are.

    Args:
        file: open dataset of rasterio, which returns stored numbers without scale and offset.
        path: for errors.

    Raises:
        UserError: it has a scale, an offset or another unit.
    """
    scale, offset, unit = file.scales[0], file.offsets[0], file.units[0] or ""
    if (scale, offset) != (1.0, 0.0):
        raise UserError(
            path,
            f"its values are stored with scale {scale:g} and offset {offset:g}",
            "write them as they are: gdal_translate -unscale -ot Float32 FILE NEW",
        )
    if unit.strip().lower() not in _METRES:
        raise UserError(
            path,
            f"its unit is {unit}",
            "convert it to metres, e.g. feet: gdal_calc.py -A FILE --calc A*0.3048 --outfile NEW",
        )


def read_tile_grid(path: str | Path, tile: Tile) -> Grid:
    """Check that a file is a certain tile, by its place; return its grid.

    The file gives the edges of its pixels, whichever convention its tag ``AREA_OR_POINT`` names:
    heights belong to the centres, and the first centre must be on the tile's north-western corner.

    Raises:
        UserError: it is not a GeoTIFF of one band in WGS 84 degrees, north up, of this tile.
    """
    with opened(path) as file:
        if file.count != 1:
            raise UserError(path, "this is not a GeoTIFF of one band", _AGAIN)
        if file.crs is None or file.crs.to_epsg() not in _SYSTEMS:
            raise UserError(
                path,
                f"its reference system is {file.crs or 'missing'}, expected WGS 84 (EPSG:4326)",
                _AGAIN,
            )
        try:
            grid = Grid.of_raster(file)
        except ValueError:
            grid = None
    if grid is None or not grid.is_north_up:
        raise UserError(path, "it is turned or not north up", _AGAIN)
    west, north = grid.column(tile.west), grid.row(tile.south + 1)
    east, south = grid.column(tile.west + 1), grid.row(tile.south)
    # The eastern and southern edges are centres of pixels, too: the first ones of the neighbours.
    off_px = (west - 0.5, north - 0.5, east - grid.width - 0.5, south - grid.height - 0.5)
    if max(map(abs, off_px)) > _TOLERANCE_PX:
        first, after = grid.place(0.5, 0.5), grid.place(grid.width + 0.5, grid.height + 0.5)
        raise UserError(
            path,
            f"it is not the tile {tile.name}: its heights reach from {first[0]:.6f} E, "
            f"{first[1]:.6f} N to {after[0]:.6f} E, {after[1]:.6f} N",
            _AGAIN,
        )
    return grid


def check_heights(path: str | Path) -> Heights:
    """Read a whole tile and return the range of its heights.

    Raises:
        UserError: it ends too early, or there are heights that no land has.
    """
    least, greatest, voids = np.inf, -np.inf, 0
    with opened(path) as file:
        for start in range(0, file.height, _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, file.height))
            heights = read_heights(file, rows, slice(0, file.width))
            measured = heights[~np.isnan(heights)]
            voids += heights.size - measured.size
            if measured.size:
                least = min(least, float(measured.min()))
                greatest = max(greatest, float(measured.max()))
    if least > greatest:
        return Heights(None, None, voids)
    if least < LOWEST_M or greatest > HIGHEST_M:
        raise UserError(
            path, f"heights of {least:g} to {greatest:g} m are not of the Earth", _AGAIN
        )
    return Heights(least, greatest, voids)


def read_heights(file: Any, rows: slice, columns: slice) -> NDArray[np.float32]:
    """Read part of a tile; NaN where it is void.

    Returns:
        (rows, columns) float32, metres.
    """
    from rasterio.windows import Window

    window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
    heights: NDArray[np.float32] = file.read(1, window=window).astype(np.float32)
    void = np.isin(heights, _VOIDS)
    if file.nodata is not None and not np.isnan(file.nodata):
        void |= heights == np.float32(file.nodata)
    heights[void | ~np.isfinite(heights)] = np.nan
    return heights
