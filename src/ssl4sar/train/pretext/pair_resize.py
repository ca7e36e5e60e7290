"""Pairs of a batch resized and mirrored on the device: what the pretext networks get.

Both images are resized like the published code does (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945, with OpenCV's ``INTER_CUBIC`` on bytes): cubic convolution (Keys
1981, doi:10.1109/TASSP.1981.1163711) with a = -0.75, centres of pixels at halves, border pixels
repeated, clipped to the range of bytes. Only the rounding to whole bytes is left out.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.train.pretext.pair_crops import Pair, PairBatch

_A: Final = -0.75
#: Rows of a result that are computed by one small matrix product on a CPU.
_BAND_PX: Final = 32


class PairTensors(NamedTuple):
    """Input and target of a pretext network.

    Attributes:
        sar: (B, 1, S, S) float32, values 0-1.
        optical: (B, 14, S, S) float32, values 0-1.
        valid: (B, 1, S, S) bool, False where the optical image has no data.
    """

    sar: Tensor
    optical: Tensor
    valid: Tensor


class Taps(NamedTuple):
    """Which pixels of a row a resized row is made of.

    Attributes:
        pixels: (new, 4) int64 numbers of pixels, within the row.
        weights: (new, 4) float64, sums 1.
    """

    pixels: NDArray[np.int64]
    weights: NDArray[np.float64]


class _Band(NamedTuple):
    """A few pixels in a row of a result, as a matrix product of a few pixels in a row."""

    made: slice
    read: slice
    weights: Tensor


def cubic_taps(new_px: int, old_px: int) -> Taps:
    """Return the four taps of each pixel of a resized row.

    Args:
        new_px: length of the resized row.
        old_px: length of the row.
    """
    # Centre (i + 1/2) old / new - 1/2, in exact integers, so that a centre on a pixel is exact.
    centre = (2 * np.arange(new_px, dtype=np.int64) + 1) * old_px - new_px
    before, rest = np.divmod(centre, 2 * new_px)
    distance = rest / (2 * new_px)
    pixels = np.clip(before[:, None] + np.arange(-1, 3), 0, old_px - 1)
    weights = np.stack(
        [_far(distance + 1), _near(distance), _near(1 - distance), _far(2 - distance)], axis=1
    )
    return Taps(pixels, weights)


def _near(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic kernel at distances 0-1."""
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _far(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic kernel at distances 1-2: a (x - 1) (x - 2)^2, exactly 0 at both ends."""
    return _A * (x - 1) * (x - 2) ** 2


def resize_cubic(planes: Tensor, out: Tensor) -> None:
    """Resize images.

    Args:
        planes: (C, h, w) float32.
        out: (C, S, T) float32, overwritten; values are not clipped.
    """
    count, height, width = planes.shape
    if out.shape == planes.shape:
        out.copy_(planes)
        return
    if planes.device.type != "cpu":
        size = tuple(out.shape[1:])
        out.copy_(interpolate(planes[None], size, mode="bicubic", align_corners=False)[0])
        return
    # torch's kernel for CPUs reads 16 pixels for each new one. Separated into columns and rows,
    # as products with narrow bands of the two matrices, it takes a quarter of the time.
    _, new_height, new_width = out.shape
    half = torch.empty(count * height, new_width)
    with torch.autocast("cpu", enabled=False):
        for made, read, weights in _bands(new_width, width):
            torch.mm(planes.reshape(-1, width)[:, read], weights.T, out=half[:, made])
        half = half.view(count, height, new_width)
        for made, read, weights in _bands(new_height, height):
            torch.bmm(weights.expand(count, -1, -1), half[:, read], out=out[:, made])


@lru_cache(maxsize=1024)
def _bands(new_px: int, old_px: int) -> tuple[_Band, ...]:
    pixels, weights = cubic_taps(new_px, old_px)
    bands = []
    for first in range(0, new_px, _BAND_PX):
        made = slice(first, min(first + _BAND_PX, new_px))
        read = slice(int(pixels[made].min()), int(pixels[made].max()) + 1)
        matrix = np.zeros((made.stop - first, read.stop - read.start))
        # Repeated border pixels: their weights add up.
        np.add.at(
            matrix, (np.arange(len(matrix))[:, None], pixels[made] - read.start), weights[made]
        )
        bands.append(_Band(made, read, torch.from_numpy(matrix.astype(np.float32))))
    return tuple(bands)


def resize_valid(valid: Tensor, side_px: int) -> Tensor:
    """Resize a mask: a pixel is valid if all pixels that :func:`resize_cubic` reads for it are.

    Args:
        valid: (h, w) bool.
        side_px: new side S.

    Returns:
        (S, S) bool.
    """
    rows, columns = (_read_pixels(side_px, length, valid.device) for length in valid.shape)
    for dimension, taps in ((0, rows), (1, columns)):
        valid = reduce(Tensor.logical_and_, (valid.index_select(dimension, tap) for tap in taps))
    return valid


@lru_cache(maxsize=1024)
def _read_pixels(new_px: int, old_px: int, device: torch.device) -> Tensor:
    """Return the taps that are read, (4, new) int64; taps without weight repeat another."""
    pixels, weights = cubic_taps(new_px, old_px)
    read = np.where(weights != 0, pixels, pixels[:, 1:2])
    return torch.from_numpy(np.ascontiguousarray(read.T)).to(device)


def pairs_on_device(batch: PairBatch, input_px: int, *, ignore_no_data: bool = True) -> PairTensors:
    """Turn raw crops into input and target, on the device that holds them.

    Args:
        batch: crops of any size and their draws.
        input_px: side S of the network's input.
        ignore_no_data: False: pixels without data are valid, too, with the values that the store
            has for them: 0 in every channel that is not known.

    Returns:
        Images resized to S, clipped to 0-1 and mirrored, and which optical pixels count: those
        made of pixels with data alone.
    """
    pairs = batch.pairs()
    device = batch.pixels.device
    images = torch.empty(len(pairs), 1 + len(CHANNELS), input_px, input_px, device=device)
    valid = torch.ones(len(pairs), 1, input_px, input_px, dtype=torch.bool, device=device)
    for number, (pair, draw) in enumerate(zip(pairs, batch.draws, strict=True)):
        image = images[number]
        resize_cubic(_planes(pair), image)
        image.clamp_(0, 255).div_(255)
        mirrored = [-1] * draw.flip_columns + [-2] * draw.flip_rows
        if mirrored:
            image.copy_(image.flip(mirrored))
        if ignore_no_data:
            has_data = pair.optical[..., -1] != 0
            # A look at the mask spares a CPU the rest; a GPU would have to be waited for.
            if device.type != "cpu" or not bool(has_data.all()):
                valid[number, 0] = resize_valid(has_data, input_px).flip(mirrored)
    return PairTensors(images[:, :1], images[:, 1:], valid)


def _planes(pair: Pair) -> Tensor:
    """Return the SAR image and the optical channels as (15, h, w) float32, values 0-255."""
    planes = torch.empty(1 + len(CHANNELS), *pair.sar.shape, device=pair.sar.device)
    planes[0] = pair.sar
    planes[1:] = pair.optical[..., : len(CHANNELS)].permute(2, 0, 1)
    return planes
