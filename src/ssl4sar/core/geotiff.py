"""Writing multi-band GeoTIFF files: equal images give equal bytes, complete or absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes


def write_geotiff(
    path: str | Path,
    image: NDArray[np.float32],
    transform: Sequence[float],
    *,
    descriptions: Sequence[str],
    tags: Mapping[str, str],
    crs: str | None = None,
) -> None:
    """Write (bands, H, W) float32 as a compressed GeoTIFF; NaN stands for no data.

    Args:
        path: file, written atomically.
        image: (bands, H, W) float32.
        transform: (a, b, c, d, e, f) of x = a column + b row + c and y = d column + e row + f, for
            the upper left corner of a pixel.
        descriptions: one per band.
        tags: metadata of the file, e.g. a note that it is synthetic.
        crs: reference system as rasterio reads it; None for a place that is not on the Earth.

    Raises:
        ValueError: ``image`` is not (bands, H, W) float32 with one description per band.
        UserError: the disk is full or the folder cannot be written.
    """
    if image.dtype != np.float32 or image.ndim != 3 or len(descriptions) != len(image):
        raise ValueError(f"expected (bands, H, W) float32, got {image.shape} {image.dtype}")
    # Heavy, and needed by few: the rest of the package works without it.
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    bands, height, width = image.shape
    # In memory first: errors of the disk are then told like those of any other file.
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=width,
            height=height,
            count=bands,
            dtype="float32",
            nodata=np.nan,
            crs=crs,
            transform=Affine(*transform),
            interleave="band",
            compress="deflate",
            # Differences of floating-point neighbours compress best.
            predictor=3,
        ) as file:
            file.write(image)
            file.descriptions = tuple(descriptions)
            file.update_tags(**tags)
        write_bytes(path, memory.read())
