"""Putting elevation tiles together in one grid.

The grid is that of the tiles: its pixels have the same centres. Where tiles of several longitude
spacings meet (at 50, 60, 70, 80 and 85 degrees) the finest is used for all, and coarser tiles are
interpolated linearly along their rows. Across the antimeridian longitudes continue beyond 180.

Centres are at whole fractions of a degree, so pixels of tiles and model are matched by the numbers
of their rows and columns, exactly: counted from the equator and from 0 E, and found from the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.elevation.raster import opened, read_heights
from ssl4sar.acquire.elevation.service import TileRecord
from ssl4sar.acquire.elevation.tiles import Bounds, Tile
from ssl4sar.acquire.elevation.voids import MEASURED, SEA, VOID
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import track

#: Longitude and latitude on WGS 84.
CRS: Final = "EPSG:4326"
#: Rows per degree where there is only sea.
_ROWS: Final = 3600
#: Rows that are changed or written at one time.
ROWS_AT_ONCE: Final = 256
#: Heights and flags are held in memory, 5 bytes per pixel.
_MOST_PX: Final = 400_000_000


@dataclass(frozen=True)
class Source:
    """A tile that the model is made of."""

    tile: Tile
    record: TileRecord
    path: Path


def read_sources(tiles: Sequence[Tile], folder: Path) -> list[Source]:
    """Return tiles with their records; each file is the one that was recorded.

    Args:
        tiles: the tiles, in the order of ``tiles_of_bounds``.
        folder: with files and records.

    Raises:
        UserError: a record or file is missing, or is not what was fetched.
    """
    sources = []
    for tile in tiles:
        record = TileRecord.read(folder / f"{tile.name}.json")
        path = folder / f"{tile.name}.tif"
        if not record.sea and (not path.is_file() or sha256_file(path) != record.sha256):
            raise UserError(
                path, "is missing or not the file that was fetched", "fetch the tile again"
            )
        sources.append(Source(tile, record, path))
    return sources


def choose_grid(name: str, bounds: Bounds, sources: Sequence[Source]) -> Grid:
    """Return the grid of a model: the finest of its tiles.

    Args:
        name: what the area is called in errors.
        bounds: rectangle that the grid covers.
        sources: all tiles of the rectangle.

    Raises:
        UserError: tiles differ in their rows, or there would be too many pixels.
    """
    land = [source for source in sources if not source.record.sea]
    rows = {source.record.rows or 0 for source in land} or {_ROWS}
    if len(rows) > 1:
        raise UserError(
            name,
            f"its tiles have {' and '.join(map(str, sorted(rows)))} rows",
            "take all from one service",
        )
    per_lat = rows.pop()
    per_lon = max(
        (source.record.columns or 0 for source in land),
        default=max(source.tile.columns for source in sources),
    )
    first_west = math.floor(bounds.west)
    last_west = first_west + _tiles_wide(sources) - 1
    souths = [source.tile.south for source in sources]
    left = max(math.floor(bounds.west * per_lon), first_west * per_lon)
    right = min(math.ceil(bounds.east * per_lon), (last_west + 1) * per_lon - 1)
    top = min(math.ceil(bounds.north * per_lat), (max(souths) + 1) * per_lat)
    bottom = max(math.floor(bounds.south * per_lat), min(souths) * per_lat + 1)
    corner = (left - 0.5) / per_lon, (top + 0.5) / per_lat
    transform = (1 / per_lon, 0.0, corner[0], 0.0, -1 / per_lat, corner[1])
    grid = Grid(top - bottom + 1, right - left + 1, transform, CRS)
    pixels = grid.height * grid.width
    if pixels > _MOST_PX:
        raise UserError(
            name,
            f"its elevation model would have {pixels / 1e6:.0f} million pixels",
            f"choose an area with at most {_MOST_PX / 1e6:.0f} million",
        )
    return grid


def per_degree(grid: Grid) -> tuple[int, int]:
    """Return the rows and columns of a model's grid in one degree."""
    return round(-1 / grid.transform[4]), round(1 / grid.transform[0])


def centres(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes from the west and latitudes from the north of the centres, degrees.

    Those of tiles that share them are the same to the last bit, unlike sums of spacings.
    """
    (rows, columns), (top, left) = per_degree(grid), _first_pixel(grid)
    longitudes = np.arange(left, left + grid.width) / columns
    return longitudes, np.arange(top, top - grid.height, -1) / rows


def _first_pixel(grid: Grid) -> tuple[int, int]:
    """Return the numbers of the northernmost row and the westernmost column."""
    (rows, columns), (longitude, latitude) = per_degree(grid), grid.place(0.5, 0.5)
    return round(latitude * rows), round(longitude * columns)


def assemble(
    grid: Grid, sources: Sequence[Source], name: str
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return heights and flags of a whole grid.

    Args:
        grid: the grid.
        sources: its tiles, each row of them from the west, as ``tiles_of_bounds`` has them.
        name: what progress lines call it.

    Returns:
        Heights above the geoid, (rows, columns) float32 in metres, NaN where void, 0 in sea tiles;
        and flags, (rows, columns) uint8.
    """
    heights_m = np.full(grid.shape, np.nan, np.float32)
    flags = np.full(grid.shape, VOID, np.uint8)
    (rows, columns), (first_row, first_column) = per_degree(grid), _first_pixel(grid)
    last_row, last_column = first_row - grid.height + 1, first_column + grid.width - 1
    first_west = first_column // columns
    wide = _tiles_wide(sources)
    for index, source in enumerate(track(sources, f"elevation model of {name} (tiles)")):
        column = index % wide
        # Numbers of the tile's own rows and columns in the numbering of the grid.
        north, west = (source.tile.south + 1) * rows, (first_west + column) * columns
        top, bottom = min(north, first_row), max(north - rows + 1, last_row)
        low, high = max(first_column, west), min(last_column, west + columns - 1)
        if top < bottom or low > high:
            continue
        heights = _tile_part(
            source,
            slice(north - top, north - bottom + 1),
            np.arange(low - west, high - west + 1),
            columns,
            sources[index + 1] if column + 1 < wide else None,
        )
        part = (
            slice(first_row - top, first_row - bottom + 1),
            slice(low - first_column, high - first_column + 1),
        )
        heights_m[part] = heights
        flags[part] = np.where(np.isnan(heights), VOID, SEA if source.record.sea else MEASURED)
    return heights_m, flags


def _tiles_wide(sources: Sequence[Source]) -> int:
    return len({source.tile.west for source in sources})


def _tile_part(
    source: Source, rows: slice, wanted: NDArray[np.intp], columns: int, east: Source | None
) -> NDArray[np.float32]:
    """Return the heights of a tile at ``wanted`` of its ``columns`` columns of the target grid.

    Args:
        source: the tile.
        rows: of its file.
        wanted: columns of the target grid, counted from its western edge.
        columns: columns per degree of the target grid.
        east: its eastern neighbour, which continues it; None where there is none.
    """
    if source.record.sea:
        return np.zeros((rows.stop - rows.start, len(wanted)), np.float32)
    with opened(source.path) as file:
        if file.width == columns:
            return read_heights(file, rows, slice(int(wanted[0]), int(wanted[-1]) + 1))
        # Exact in integers: a target column that falls on a source column takes its heights as is.
        lower, rest = np.divmod(wanted * file.width, columns)
        first, last = int(lower[0]), min(int(lower[-1]) + 2, file.width)
        heights = read_heights(file, rows, slice(first, last))
        reaches_edge = int(lower[-1]) + 1 == file.width
    if reaches_edge:
        beyond = heights[:, -1:] if east is None else _first_column(east, rows)
        heights = np.concatenate([heights, beyond], axis=1)
    share = (rest / columns).astype(np.float32)
    left = heights[:, lower - first]
    right = heights[:, np.minimum(lower - first + 1, heights.shape[1] - 1)]
    between = left + share * (right - left)
    return np.where(rest == 0, left, between)


def _first_column(source: Source, rows: slice) -> NDArray[np.float32]:
    if source.record.sea:
        return np.zeros((rows.stop - rows.start, 1), np.float32)
    with opened(source.path) as file:
        return read_heights(file, rows, slice(0, 1))
