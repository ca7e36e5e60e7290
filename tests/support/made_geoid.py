"""A made-up geoid in the formats that real grids have."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

#: Spacing of its grids, degrees.
STEP = 0.5


def undulation(lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[Any]:
    """A smooth geoid that passes within 5 m of the two control points."""
    first = 48.61 * np.exp(-(((lon - 12.5 + 180) % 360 - 180) ** 2 + (lat - 42.0) ** 2) / 800)
    second = 29.16 * np.exp(-(((lon + 49.8 + 180) % 360 - 180) ** 2 + (lat - 69.2) ** 2) / 800)
    total: NDArray[Any] = first + second
    total -= 20 * np.cos(np.radians(lon - 90)) * np.cos(np.radians(lat)) ** 8
    return total


def write_grid(
    path: Path,
    *,
    north_up: bool = True,
    first_lon: float = -180.0,
    columns: int = 720,
    south: float = -90.0,
    rows: int = 361,
    sign: float = 1.0,
) -> None:
    lon = first_lon + STEP * np.arange(columns)
    lat = south + STEP * np.arange(rows)
    values = (sign * undulation(lon[None, :], lat[:, None])).astype(np.float32)
    top = lat[-1] + STEP / 2 if north_up else south - STEP / 2
    step = -STEP if north_up else STEP
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(STEP, 0, first_lon - STEP / 2, 0, step, top),
    ) as file:
        file.write(values[::-1] if north_up else values, 1)


def write_gtx(path: Path, first_lon: float = -180.0, void: tuple[int, int] | None = None) -> None:
    """Write NOAA's format: corner, spacing, size, then rows from the south, all big-endian."""
    lon, lat = first_lon + STEP * np.arange(720), -90 + STEP * np.arange(361)
    values = undulation(lon[None, :], lat[:, None]).astype(">f4")
    if void is not None:
        values[void] = -88.8888
    header = struct.pack(">4d2i", -90.0, first_lon, STEP, STEP, 361, 720)
    path.write_bytes(header + values.tobytes())
