"""Rasters that SNAP reads and writes: heights for it, and its images on our grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes
from ssl4sar.core.grid import TOLERANCE_PX, Grid
from ssl4sar.core.raster import open_raster
from ssl4sar.sar.terrain import Terrain

#: Stands for missing heights in the model that SNAP reads.
NO_HEIGHT: Final = -32768.0


def write_heights(path: Path, terrain: Terrain) -> None:
    """Write heights above the ellipsoid as SNAP takes them."""
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    grid, heights = terrain.grid, terrain.heights_m
    with MemoryFile() as memory:
        # Neither compressed nor tiled: SNAP reads TIFF by a reader of its own.
        with memory.open(
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=1,
            dtype="float32",
            nodata=NO_HEIGHT,
            crs=grid.crs,
            transform=Affine(*grid.transform),
        ) as file:
            file.write(np.where(np.isnan(heights), np.float32(NO_HEIGHT), heights), 1)
        write_bytes(path, memory.read())


def read_band(file: Path, grid: Grid) -> NDArray[np.float32]:
    """Return a band that SNAP wrote, on a grid; NaN beyond it.

    Args:
        file: image in the format ENVI.
        grid: its pixels are those of the image, whose extent may be another.

    Raises:
        ValueError: the image cannot be read or its pixels are not those of the grid; the message is
            a phrase.
    """
    with open_raster(file, "ENVI") as raster:
        values, found = raster.read(1), Grid.of_raster(raster)
    theirs, ours = _common(found, grid)
    band = np.full(grid.shape, np.nan, np.float32)
    band[ours] = values[theirs]
    return band


def _common(found: Grid | None, grid: Grid) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the window of an image, and that of a grid, where both have the same pixels.

    Raises:
        ValueError: they are not of one lattice, or have no pixel in common.
    """
    from pyproj import Transformer

    if found is None or found.crs is None:
        raise ValueError("it has no coordinates")
    # SNAP words reference systems in its own way: they are the same if places are.
    transformer = Transformer.from_crs(grid.crs, found.crs, always_xy=True)
    x, y = grid.x()[0, [0, -1]], grid.y()[[0, -1], 0]
    off_px = np.abs(np.subtract(transformer.transform(x, y), (x, y))).max() / grid.spacing
    if not off_px <= TOLERANCE_PX:
        raise ValueError("it is in another reference system")
    same = replace(found, crs=grid.crs)
    windows = same.overlap(grid), grid.overlap(same)
    if windows[0] is None or windows[1] is None:
        raise ValueError("it is of another place")
    return windows[0], windows[1]
