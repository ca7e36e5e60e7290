"""Putting elevation tiles together in one grid.

The grid is that of the tiles: its pixels have the same centres. Where tiles of several longitude
spacings meet (at 50, 60, 70, 80 and 85 degrees) the finest is used for all, and coarser tiles are
interpolated linearly along their rows. Across the antimeridian longitudes go on beyond 180.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.elevation.raster import TileGrid, opened, read_heights, read_tile_grid
from ssl4sar.acquire.elevation.service import TileRecord
from ssl4sar.acquire.elevation.tiles import Bounds, Tile
from ssl4sar.acquire.elevation.voids import MEASURED, SEA, VOID
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import track

#: Rows per degree where there is only sea.
_ROWS: Final = 3600
#: Rows that are read, changed or written at one time.
ROWS_AT_ONCE: Final = 256
#: Heights and flags are held in memory, 5 bytes per pixel.
_MOST_PX: Final = 400_000_000


@dataclass(frozen=True)
class Grid:
    """Pixels of a model; the centre of a pixel lies at (column / columns, row / rows) degrees.

    Attributes:
        rows: rows per degree.
        columns: columns per degree.
        first_column: number of the westernmost column, counted from 0 E; may go beyond 180 E.
        last_column: of the easternmost.
        top_row: number of the northernmost row, counted northwards from the equator.
        bottom_row: of the southernmost.
    """

    rows: int
    columns: int
    first_column: int
    last_column: int
    top_row: int
    bottom_row: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the model."""
        return (
            self.top_row - self.bottom_row + 1,
            self.last_column - self.first_column + 1,
        )

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Map from (column, row) of the upper left corner of a pixel to degrees."""
        return (
            1 / self.columns,
            0.0,
            (self.first_column - 0.5) / self.columns,
            0.0,
            -1 / self.rows,
            (self.top_row + 0.5) / self.rows,
        )

    def longitudes(self) -> NDArray[np.float64]:
        """Longitudes of the centres, degrees, from the west."""
        return np.arange(self.first_column, self.last_column + 1) / self.columns

    def latitudes(self) -> NDArray[np.float64]:
        """Latitudes of the centres, degrees, from the north."""
        return np.arange(self.top_row, self.bottom_row - 1, -1) / self.rows


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
        folder: where files and records lie.

    Raises:
        UserError: a record or file is missing, or is not what was fetched.
    """
    sources = []
    for tile in tiles:
        record = TileRecord.read(folder / f"{tile.name}.json")
        path = folder / f"{tile.name}.tif"
        if record.tile != tile.name:
            raise UserError(
                folder / f"{tile.name}.json", f"is the record of {record.tile}", "fetch it again"
            )
        if not record.sea:
            if not path.is_file() or sha256_file(path) != record.sha256:
                raise UserError(
                    path, "is missing or not the file that was fetched", "fetch the tile again"
                )
            if read_tile_grid(path, tile) != TileGrid(record.rows or 0, record.columns or 0):
                raise UserError(path, "has another size than recorded", "fetch the tile again")
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
    first_west, last_west = math.floor(bounds.west), _last_west(bounds, sources)
    souths = [source.tile.south for source in sources]
    grid = Grid(
        rows=per_lat,
        columns=per_lon,
        first_column=max(math.floor(bounds.west * per_lon), first_west * per_lon),
        last_column=min(math.ceil(bounds.east * per_lon), (last_west + 1) * per_lon - 1),
        top_row=min(math.ceil(bounds.north * per_lat), (max(souths) + 1) * per_lat),
        bottom_row=max(math.floor(bounds.south * per_lat), min(souths) * per_lat + 1),
    )
    pixels = grid.shape[0] * grid.shape[1]
    if pixels > _MOST_PX:
        raise UserError(
            name,
            f"its elevation model would have {pixels / 1e6:.0f} million pixels",
            f"choose an area with at most {_MOST_PX / 1e6:.0f} million",
        )
    return grid


def _last_west(bounds: Bounds, sources: Sequence[Source]) -> int:
    columns = len({source.tile.west for source in sources})
    return math.floor(bounds.west) + columns - 1


def assemble(
    grid: Grid, sources: Sequence[Source], name: str
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return heights and flags of a whole grid.

    Args:
        grid: the grid.
        sources: its tiles, each row of them from the west, as ``tiles_of_bounds`` has them.
        name: what is told as progress.

    Returns:
        Heights above the geoid, (rows, columns) float32 in metres, NaN where void, 0 in sea tiles;
        and flags, (rows, columns) uint8.
    """
    heights_m = np.full(grid.shape, np.nan, np.float32)
    flags = np.full(grid.shape, VOID, np.uint8)
    by_south: dict[int, list[Source]] = {}
    for source in sources:  # in the order of tiles_of_bounds: from the west
        by_south.setdefault(source.tile.south, []).append(source)
    first_west = math.floor(grid.first_column / grid.columns)
    blocks = [
        (south, block)
        for south in by_south
        for block in _row_blocks(south * grid.rows + 1, (south + 1) * grid.rows, grid)
    ]
    for south, (top, bottom) in track(blocks, f"elevation model of {name} (blocks)"):
        out = slice(grid.top_row - top, grid.top_row - bottom + 1)
        tile_rows = slice((south + 1) * grid.rows - top, (south + 1) * grid.rows - bottom + 1)
        with ExitStack() as stack:
            files = [
                None if source.record.sea else stack.enter_context(opened(source.path))
                for source in by_south[south]
            ]
            for index, file in enumerate(files):
                west = (first_west + index) * grid.columns
                low = max(grid.first_column, west)
                high = min(grid.last_column, west + grid.columns - 1)
                if low > high:
                    continue
                beyond = files[index + 1] if index + 1 < len(files) else None
                edge = _edge(beyond, index + 1 < len(files), tile_rows)
                part = (out, slice(low - grid.first_column, high - grid.first_column + 1))
                heights_m[part] = _tile_part(
                    file, tile_rows, np.arange(low - west, high - west + 1), grid.columns, edge
                )
                known = MEASURED if file is not None else SEA
                flags[part] = np.where(np.isnan(heights_m[part]), VOID, known)
    return heights_m, flags


def _row_blocks(lowest: int, highest: int, grid: Grid) -> Iterator[tuple[int, int]]:
    """Yield (northernmost, southernmost) row numbers of a tile's blocks within the grid."""
    top, bottom = min(highest, grid.top_row), max(lowest, grid.bottom_row)
    while top >= bottom:
        yield top, max(top - ROWS_AT_ONCE + 1, bottom)
        top -= ROWS_AT_ONCE


def _edge(file: Any, there: bool, rows: slice) -> NDArray[np.float32] | None:
    """Return the first column of the eastern neighbour, which continues a tile; None if none."""
    if not there:
        return None
    if file is None:
        return np.zeros((rows.stop - rows.start, 1), np.float32)
    return read_heights(file, rows, slice(0, 1))


def _tile_part(
    file: Any,
    rows: slice,
    wanted: NDArray[np.intp],
    columns: int,
    edge: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Return the heights of a tile at ``wanted`` of its ``columns`` columns of the target grid."""
    if file is None:
        return np.zeros((rows.stop - rows.start, len(wanted)), np.float32)
    if file.width == columns:
        return read_heights(file, rows, slice(int(wanted[0]), int(wanted[-1]) + 1))
    # Exact in integers: a target column that falls on a source column takes its heights as is.
    lower, rest = np.divmod(wanted * file.width, columns)
    first, last = int(lower[0]), min(int(lower[-1]) + 2, file.width)
    heights = read_heights(file, rows, slice(first, last))
    if int(lower[-1]) + 1 == file.width:
        heights = np.concatenate([heights, heights[:, -1:] if edge is None else edge], axis=1)
    share = (rest / columns).astype(np.float32)
    left = heights[:, lower - first]
    right = heights[:, np.minimum(lower - first + 1, heights.shape[1] - 1)]
    between = left + share * (right - left)
    return np.where(rest == 0, left, between)
