"""Optical rasters of a pretraining dataset: their bands, and their channels as bytes.

Every band of an image is divided by its own maximum. Source: the loaders of the published code of
SSL4SAR (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945): NaN becomes 0, a band is divided by
its maximum over the image, times 255, rounded. Here a mask of valid pixels comes with it, infinite
values count as no data, and negative ones become 0 instead of wrapping around.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.grid import Grid
from ssl4sar.core.image import open_image, raster_grid
from ssl4sar.core.pair_layout import RASTER_BANDS

OpticalScale = Literal["maximum", "percentile"]
#: A band above it is saturated; of 2 million pixels, 2000.
PERCENTILE: Final = 99.9


@dataclass(frozen=True)
class OpticalHeader:
    """What an optical raster says without its pixels.

    Attributes:
        shape: (rows, columns).
        grid: pixel grid; None without coordinates.
        bands: number of bands.
        names: description of every band; empty where there is none.
        dtype: type of the pixels, as NumPy names it.
    """

    shape: tuple[int, int]
    grid: Grid | None
    bands: int
    names: tuple[str, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Channels:
    """Pixels of the 14 channels of an optical raster.

    Attributes:
        values: (14, H, W) in the type of the file.
        known: (14, H, W) bool: finite, and not marked as no data.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W) bool: all channels are known.

        Zero in every channel means no data, too: exports in whole numbers mark so what is outside
        the scene, with class 0 ("no data") in the scene classification.
        """
        valid: NDArray[np.bool_] = self.known.all(axis=0) & (self.values != 0).any(axis=0)
        return valid


def optical_header(path: Path) -> OpticalHeader:
    """Read what an optical raster says without its pixels.

    Raises:
        UserError: it is not a readable GeoTIFF.
    """
    with open_image(path, "GTiff") as raster:
        names = tuple(name or "" for name in raster.descriptions)
        grid = raster_grid(raster, path)
        return OpticalHeader(raster.shape, grid, raster.count, names, raster.dtypes[0])


def read_channels(path: Path) -> Channels:
    """Read the 14 channels of an optical raster.

    Raises:
        UserError: it is not a readable GeoTIFF.
    """
    with open_image(path, "GTiff") as raster:
        values: NDArray[Any] = raster.read(RASTER_BANDS)
        known: NDArray[np.bool_] = raster.read_masks(RASTER_BANDS) != 0
    if values.dtype.kind == "f":
        known &= np.isfinite(values)
    return Channels(values, known)


def optical_bytes(
    channels: Channels, scale: OpticalScale
) -> tuple[NDArray[np.uint8], tuple[float, ...]]:
    """Scale the channels of one image to bytes.

    Args:
        channels: 14 channels of any numeric type.
        scale: maximum: the largest known value of a band becomes 255; percentile: its 99.9th
            percentile, and all above it.

    Returns:
        (H, W, 15) uint8: the 14 channels, 0 where not known, and last 255 where all are known,
        else 0; and the value that became 255 of every channel, 0 where a band has none above 0.
    """
    count, height, width = channels.values.shape
    out = np.empty((height, width, count + 1), np.uint8)
    tops: list[float] = []
    for number in range(count):
        band, known = channels.values[number], channels.known[number]
        top = _top(band[known], scale)
        tops.append(float(top))
        out[..., number] = _scaled(band, known, top)
    out[..., count] = channels.valid * np.uint8(255)
    return out, tuple(tops)


def _top(known_values: NDArray[Any], scale: OpticalScale) -> Any:
    """Return the value that becomes 255, in the type of the band; 0 where none is above 0."""
    if known_values.size == 0:
        return 0
    if scale == "percentile":
        top = np.percentile(known_values, PERCENTILE)
        if top > 0:
            return top
    return max(known_values.max(), known_values.dtype.type(0))


def _scaled(band: NDArray[Any], known: NDArray[np.bool_], top: Any) -> NDArray[np.uint8]:
    if top == 0:
        return np.zeros(band.shape, np.uint8)
    # Zeros are put in first: dividing what is not finite would warn.
    share = np.where(known, band, band.dtype.type(0)) / top
    # Floats of 32 bits from here on, as in the published loader, whose rounding this repeats.
    share = np.clip(share, 0, 1).astype(np.float32)
    scaled: NDArray[np.uint8] = np.rint(share * np.float32(255)).astype(np.uint8)
    return scaled
