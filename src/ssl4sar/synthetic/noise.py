"""Random fields with a given texture, and resampling between grids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from ssl4sar.core.grid import Grid

FloatArray = NDArray[np.float32]


def _frequencies(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rows = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    columns = np.fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    return rows, columns


def _shaped(rng: np.random.Generator, shape: tuple[int, int], response: FloatArray) -> FloatArray:
    white = rng.standard_normal(shape, dtype=np.float32)
    spectrum = fft.rfft2(white, workers=1) * response
    spectrum[0, 0] = 0
    field: FloatArray = fft.irfft2(spectrum, s=shape, workers=1)
    return np.asarray(field / np.maximum(field.std(), np.float32(1e-12)), np.float32)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], scale_px: tuple[float, float]
) -> FloatArray:
    """Return periodic Gaussian noise of zero mean and unit variance.

    Args:
        rng: generator.
        shape: (H, W).
        scale_px: standard deviation of the smoothing Gaussian along rows and columns.

    Returns:
        (H, W) float32.
    """
    rows, columns = _frequencies(shape)
    exponent = (rows * scale_px[0]) ** 2 + (columns * scale_px[1]) ** 2
    return _shaped(rng, shape, np.exp(-2 * np.pi**2 * exponent, dtype=np.float32))


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], longest_px: float, exponent: float
) -> FloatArray:
    """Return periodic noise whose amplitude falls with frequency f as f**-exponent.

    Args:
        rng: generator.
        shape: (H, W).
        longest_px: wavelength beyond which the spectrum is flat.
        exponent: 1 is rough like rubble, 2 is smooth like hills.

    Returns:
        (H, W) float32 of zero mean and unit variance.
    """
    rows, columns = _frequencies(shape)
    squared = rows**2 + columns**2 + np.float32(longest_px**-2)
    return _shaped(rng, shape, squared ** np.float32(-exponent / 2))


def cells(
    rng: np.random.Generator, side_px: int, cell_px: float, warp_px: float
) -> tuple[FloatArray, FloatArray]:
    """Return a periodic mosaic of irregular blocks, like floes or blocks of ice.

    Args:
        rng: generator.
        side_px: side of the square tile.
        cell_px: mean distance of the block centres.
        warp_px: how far the straight edges of the Voronoi cells are bent.

    Returns:
        (side, side) float32 value of the block, uniform in [0, 1), and (side, side) float32
        closeness to the rim of the block, 0 inside to 1 on the rim.
    """
    margin = int(4 * cell_px)
    count = max(4, round((side_px / cell_px) ** 2))
    # Half of the blocks crowd where the noise is high: sizes then differ by an order of magnitude.
    crowd = smooth_noise(rng, (side_px, side_px), (side_px / 12, side_px / 12))
    spots = rng.integers(0, side_px, (4 * count, 2))
    chance = np.where(crowd[spots[:, 0], spots[:, 1]] > 0.4, 0.6, 0.13)
    spots = spots[rng.random(4 * count) < chance]
    seeds = np.zeros((side_px, side_px), bool)
    seeds[spots[:, 0], spots[:, 1]] = True
    seeds = np.pad(seeds, margin, mode="wrap")
    nearest = ndimage.distance_transform_edt(
        ~seeds, return_distances=False, return_indices=True
    ) - np.int32(margin)
    inner = slice(margin, margin + side_px)
    block = ((nearest[0] % side_px) * side_px + nearest[1] % side_px)[inner, inner]
    if warp_px > 0:
        shift = [
            np.rint(warp_px * smooth_noise(rng, block.shape, (cell_px / 5, cell_px / 5)))
            for _ in range(2)
        ]
        index = np.arange(side_px, dtype=np.int32)
        block = block[
            (index[:, None] + shift[0].astype(np.int32)) % side_px,
            (index[None, :] + shift[1].astype(np.int32)) % side_px,
        ]
    value = rng.random(side_px * side_px, dtype=np.float32)[block]
    rim = (block != np.roll(block, 1, 0)) | (block != np.roll(block, 1, 1))
    closeness = ndimage.gaussian_filter(rim.astype(np.float32), 1.0, mode="wrap", truncate=2.5)
    return value, np.minimum(closeness * np.float32(2.2), np.float32(1))


def resample(field: FloatArray, source: Grid, target: Grid) -> FloatArray:
    """Interpolate linearly from one grid to another; coarser targets average.

    Args:
        field: (H, W) float32 on ``source``.
        source: grid of the field.
        target: grid within ``source``.

    Returns:
        float32 on ``target``.

    Raises:
        ValueError: ``target`` reaches beyond ``source``.
    """
    box = (
        source.column(target.left),
        source.row(target.top),
        source.column(target.right),
        source.row(target.bottom),
    )
    if min(box) < 0 or box[2] > source.width or box[3] > source.height:
        raise ValueError(f"the grid {target} reaches beyond the world")
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    size = (target.width, target.height)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))


def look_up(
    tile: FloatArray, rows: NDArray[np.floating], columns: NDArray[np.floating]
) -> FloatArray:
    """Return the periodic tile at (broadcast) tile coordinates, nearest pixel.

    Args:
        tile: (N, N) float32 with N a power of two.
        rows: row coordinates in tile pixels, any value.
        columns: column coordinates in tile pixels, any value.

    Returns:
        float32 of the broadcast shape.
    """
    mask = np.int32(tile.shape[0] - 1)
    row = np.floor(rows).astype(np.int32) & mask
    column = np.floor(columns).astype(np.int32) & mask
    values: FloatArray = tile.ravel()[row * np.int32(tile.shape[1]) + column]
    return values
