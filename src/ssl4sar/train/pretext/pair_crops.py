"""The loader of pairs: it cuts uint8 windows out of memory-mapped arrays, and draws masks.

One flat uint8 buffer per batch, as for the crops of the fine-tuning; resizing is done on the
device. Optical channels are side by side in a pixel, the mask of pixels with data behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.pair_store import DEPTH, PairStore
from ssl4sar.models.token_mask import masked_tokens
from ssl4sar.train.loop.batches import Batch, BatchKey
from ssl4sar.train.pretext.pair_sampling import PairDraw


class PairDrawer(Protocol):
    """Says what each sample is."""

    def draw(self, epoch: int, index: int) -> PairDraw:
        """Return sample ``index`` of ``epoch``."""
        ...

    def mask(self, epoch: int, index: int) -> NDArray[np.bool_] | None:
        """Return which tokens of the sample are masked; None for a task without masks."""
        ...


class Pair(NamedTuple):
    """One sample before it is resized.

    Attributes:
        sar: (h, w) uint8 grey.
        optical: (h, w, 15) uint8: 14 channels, then 255 where they are data.
    """

    sar: Tensor
    optical: Tensor


@dataclass(frozen=True)
class PairBatch(Batch):
    """Pairs of different sizes in one buffer: per sample its SAR crop and its optical crop.

    Attributes:
        names: SAR images of the samples.
        masked: (B, M) int32, numbers of the masked tokens; None for a task without masks.
    """

    draws: tuple[PairDraw, ...]
    names: tuple[str, ...] = ()
    masked: Tensor | None = None

    def pairs(self) -> list[Pair]:
        """Return views of the crops."""
        pairs, start = [], 0
        for draw in self.draws:
            height, width = draw.window.height_px, draw.window.width_px
            middle = start + height * width
            end = middle + height * width * DEPTH
            sar = self.pixels[start:middle].view(height, width)
            optical = self.pixels[middle:end].view(height, width, DEPTH)
            pairs.append(Pair(sar, optical))
            start = end
        return pairs


class PairDataset(Dataset[PairBatch]):
    """Batches of pairs by (epoch, sample numbers).

    Args:
        store: the images.
        scenes: numbers in ``store`` of the images; draws count in this order.
        drawer: what each sample is.
    """

    def __init__(self, store: PairStore, scenes: Sequence[int], drawer: PairDrawer) -> None:
        self.store = store
        self.scenes = tuple(scenes)
        self.drawer = drawer

    def __getitem__(self, key: BatchKey) -> PairBatch:
        """Return the batch of (epoch, sample numbers)."""
        draws = tuple(self.drawer.draw(key.epoch, index) for index in key.samples)
        areas = [draw.window.height_px * draw.window.width_px for draw in draws]
        buffer = np.empty(sum(areas) * (1 + DEPTH), np.uint8)
        start = 0
        for draw in draws:
            number = self.scenes[draw.window.image]
            start = _cut(self.store.sar(number), draw, buffer, start)
            start = _cut(self.store.optical(number), draw, buffer, start)
        numbers = [self.scenes[draw.window.image] for draw in draws]
        names = tuple(self.store.scenes[number].name for number in numbers)
        return PairBatch(torch.from_numpy(buffer), draws, key, names, self._masked(key))

    def _masked(self, key: BatchKey) -> Tensor | None:
        # Drawn here, in a loader process, so that the training process does not wait for it.
        masks = [self.drawer.mask(key.epoch, index) for index in key.samples]
        drawn = [mask for mask in masks if mask is not None]
        return masked_tokens(drawn) if drawn else None


def _cut(array: NDArray[np.uint8], draw: PairDraw, buffer: NDArray[np.uint8], start: int) -> int:
    """Cut the window of a draw into the buffer; return where the next one starts."""
    window = draw.window
    shape = (window.height_px, window.width_px)
    values = array.shape[2] if array.ndim == 3 else 1
    end = start + shape[0] * shape[1] * values
    # All values of a pixel as one item: mirrored columns are copied three times faster so.
    pixels, out = (
        flat.view(f"V{values}").reshape(size)
        for flat, size in ((array, array.shape[:2]), (buffer[start:end], shape))
    )
    reflect_crop(pixels, window.row, window.column, *shape, out=out)
    return end
