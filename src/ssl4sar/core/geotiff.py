"""Writing GeoTIFF files: equal images give equal bytes, complete or absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes
from ssl4sar.core.grid import Grid

#: How TIFF stores differences of neighbours, by the type of the pixels: they compress best.
_PREDICTORS: Final = {"float32": 3, "uint8": 2}


def write_geotiff(
    path: str | Path,
    image: NDArray[Any],
    grid: Grid,
    *,
    descriptions: Sequence[str] = (),
    tags: Mapping[str, str],
) -> None:
    """Write (bands, H, W) float32 or uint8 as a compressed GeoTIFF.

    Args:
        path: file, written atomically.
        image: (bands, H, W); NaN of float32 stands for no data.
        grid: where it is.
        descriptions: one per band, or none.
        tags: metadata of the file, e.g. a note that it is synthetic.

    Raises:
        ValueError: ``image`` is not (bands, H, W) of the grid, float32 or uint8, with one
            description per band.
        UserError: the disk is full or the folder cannot be written.
    """
    kind = image.dtype.name
    if kind not in _PREDICTORS or image.ndim != 3 or len(descriptions) not in (0, len(image)):
        raise ValueError(f"expected (bands, H, W) float32 or uint8, got {image.shape} {kind}")
    if image.shape[1:] != grid.shape:
        raise ValueError(f"expected an image of {grid.shape}, got {image.shape}")
    # Heavy, and needed by few: the rest of the package works without it.
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    # In memory first: errors of the disk are then reported like those of any other file.
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=len(image),
            dtype=kind,
            nodata=np.nan if kind == "float32" else None,
            crs=grid.crs,
            transform=Affine(*grid.transform),
            interleave="band",
            compress="deflate",
            predictor=_PREDICTORS[kind],
            bigtiff="if_safer",
        ) as file:
            file.write(image)
            if descriptions:
                file.descriptions = tuple(descriptions)
            file.update_tags(**tags)
        write_bytes(path, memory.read())
