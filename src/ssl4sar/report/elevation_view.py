"""An elevation model at the size of its picture, and how it is painted: relief, heights, flags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from ssl4sar.acquire.areas import KM_PER_DEG
from ssl4sar.acquire.elevation.raster import opened
from ssl4sar.acquire.elevation.voids import FILLED, SEA, VOID
from ssl4sar.core.errors import UserError

FLAG_COLOURS: Final = {SEA: "#B7D3E6", FILLED: "#E69F00", VOID: "#CC79A7"}
#: Green lowland, brown rock, white ice, pale enough for the relief to stay readable.
HEIGHT_COLOURS: Final = LinearSegmentedColormap.from_list(
    "heights", ["#6E8F6B", "#B9B78A", "#B08E6A", "#C9BFB6", "#FBFBFB"]
)
_SUN_AZIMUTH_DEG: Final = 315.0
_SUN_HEIGHT_DEG: Final = 45.0
#: The steeper slopes of a model are drawn with about this tangent: glaciers are flat, walls steep.
_DRAWN_SLOPE: Final = 0.7
_EXAGGERATIONS: Final = (0.5, 8.0)
_DARKEST: Final = 0.25


@dataclass(frozen=True)
class ElevationView:
    """An elevation model at the size of its picture.

    Attributes:
        heights_m: (height, width) float32, metres; NaN where void.
        flags: (height, width) uint8; of the pixels that fall on one the highest flag.
        west: western edge, degrees; longitudes are continuous.
        south: southern edge.
        east: eastern edge.
        north: northern edge.
        tags: metadata of the file.
    """

    heights_m: NDArray[np.float32]
    flags: NDArray[np.uint8]
    west: float
    south: float
    east: float
    north: float
    tags: dict[str, str]

    @property
    def width_km(self) -> float:
        """Length of the middle parallel."""
        return (self.east - self.west) * _km_per_degree(0.5 * (self.south + self.north))


def read_elevation(path: str | Path, longest_px: int) -> ElevationView:
    """Read an elevation model at the size of its picture, whose pixels are square on the ground.

    Args:
        path: GeoTIFF with heights and flags.
        longest_px: longest side of the picture, pixels.

    Raises:
        UserError: the file is missing or has no two bands.
    """
    from rasterio.enums import Resampling

    with opened(path) as file:
        if file.count != 2:
            raise UserError(path, "this is not an elevation model with flags", "build it again")
        bounds = file.bounds
        width_km = (bounds.right - bounds.left) * _km_per_degree((bounds.top + bounds.bottom) / 2)
        height_km = (bounds.top - bounds.bottom) * KM_PER_DEG
        px_per_km = longest_px / max(width_km, height_km)
        shape = (max(round(height_km * px_per_km), 2), max(round(width_km * px_per_km), 2))
        finer = shape[0] > file.height
        heights_m = file.read(
            1, out_shape=shape, resampling=Resampling.bilinear if finer else Resampling.average
        )
        flags = _highest_flags(file, shape)
        return ElevationView(
            heights_m.astype(np.float32),
            flags,
            bounds.left,
            bounds.bottom,
            bounds.right,
            bounds.top,
            file.tags(),
        )


def _highest_flags(file: Any, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the highest flag of the pixels that share one: small voids must not get lost."""
    from rasterio.windows import Window

    flags = np.zeros(shape, np.uint8)
    columns = np.minimum(np.arange(shape[1]) * file.width // shape[1], file.width - 1)
    for row in range(shape[0]):
        top = row * file.height // shape[0]
        below = max((row + 1) * file.height // shape[0], top + 1)
        part = file.read(2, window=Window(0, top, file.width, below - top)).max(axis=0)
        flags[row] = np.maximum.reduceat(part, columns)
    return flags


def elevation_picture(view: ElevationView, scale: Normalize) -> NDArray[np.float64]:
    """Paint relief, heights and flags.

    Args:
        view: the model.
        scale: from metres to shares of the colours.

    Returns:
        (height, width, 3), RGB of 0 to 1.
    """
    heights = _without_voids(view.heights_m)
    picture: NDArray[np.float64] = HEIGHT_COLOURS(scale(heights))[:, :, :3]
    pixel_m = 1000.0 * view.width_km / heights.shape[1]
    shade = hillshade(heights, pixel_m)[:, :, None]
    # Grey relief over the colours: lit slopes go towards white, slopes in shade towards black.
    picture = np.where(shade > 1, 1 - (1 - picture) * (2 - shade), picture * shade)
    for flag in (FILLED, SEA, VOID):
        colour = np.array(_rgb(FLAG_COLOURS[flag]))
        where = view.flags == flag
        picture[where] = colour * shade[where] ** 0.5 if flag == FILLED else colour
    clipped: NDArray[np.float64] = np.clip(picture, 0.0, 1.0)
    return clipped


def _without_voids(heights_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return heights with those nearest to a void in it, so that no cliff is seen around it."""
    from scipy import ndimage

    void = np.isnan(heights_m)
    if void.all():
        return np.zeros_like(heights_m)
    nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
    filled: NDArray[np.float32] = heights_m[tuple(nearest)]
    return filled


def hillshade(heights_m: NDArray[Any], pixel_m: float) -> NDArray[np.float64]:
    """Return how bright slopes are against flat land, for a sun in the north-west.

    Args:
        heights_m: (height, width), the first row in the north.
        pixel_m: length of a pixel's side on the ground.

    Returns:
        (height, width): 1 for flat land, down to 0.25 in shade, up to 1.41 facing the sun.
    """
    south, east = np.gradient(heights_m.astype(np.float64), pixel_m)
    steep = float(np.percentile(np.hypot(south, east), 95))
    exaggeration = np.clip(_DRAWN_SLOPE / max(steep, 1e-6), *_EXAGGERATIONS)
    south, east = exaggeration * south, exaggeration * east
    azimuth, height = math.radians(_SUN_AZIMUTH_DEG), math.radians(_SUN_HEIGHT_DEG)
    # Cosine between the normal (-dz/dx, -dz/dy, 1) and the direction of the sun.
    towards = -east * math.sin(azimuth) * math.cos(height) + south * math.cos(azimuth) * math.cos(
        height
    )
    light = (towards + math.sin(height)) / np.sqrt(1 + east**2 + south**2)
    shade: NDArray[np.float64] = np.maximum(light / math.sin(height), _DARKEST)
    return shade


def _km_per_degree(lat: float) -> float:
    return KM_PER_DEG * math.cos(math.radians(lat))


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def height_scale(view: ElevationView) -> Normalize:
    """Return the scale of heights, metres: nearly all heights of land fit in."""
    land = view.heights_m[(view.flags != SEA) & ~np.isnan(view.heights_m)]
    if land.size == 0:
        return Normalize(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(land, (0.5, 99.5)))
    return Normalize(low, max(high, low + 1.0), clip=True)
