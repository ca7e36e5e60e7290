"""The loader: it only cuts uint8 windows out of memory-mapped arrays, one flat buffer per batch.

Windows keep the size they have in the image, because resizing is done in a batch on the device.
One flat uint8 buffer is one allocation, one copy through shared memory, and one transfer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.store import Store
from ssl4sar.train.loop.batches import Batch, BatchKey
from ssl4sar.train.loop.sampling import SampleDraw, SampleDrawer, Window


class Crop(NamedTuple):
    """One sample before augmentation.

    Attributes:
        image: (h, w) uint8 grey.
        labels: (h, w) uint8 class ids.
        partner: (h', w') uint8 grey to mix into the ocean, or None.
    """

    image: Tensor
    labels: Tensor
    partner: Tensor | None


@dataclass(frozen=True)
class CropBatch(Batch):
    """Crops in one buffer: per sample its image, labels and, if drawn, its partner."""

    draws: tuple[SampleDraw, ...]

    def crops(self) -> list[Crop]:
        """Return views of the crops."""
        crops, start = [], 0
        for draw in self.draws:
            views: list[Tensor] = []
            for window in _parts(draw):
                end = start + window.height_px * window.width_px
                views.append(self.pixels[start:end].view(window.height_px, window.width_px))
                start = end
            crops.append(Crop(views[0], views[1], views[2] if len(views) == 3 else None))
        return crops


def _parts(draw: SampleDraw) -> tuple[Window, ...]:
    image_and_labels = (draw.window, draw.window)
    return image_and_labels if draw.partner is None else (*image_and_labels, draw.partner)


class CropDataset(Dataset[CropBatch]):
    """Batches of training crops by (epoch, sample numbers).

    Args:
        store: the training images.
        scenes: numbers in ``store`` of the images to train on; windows count in this order.
        drawer: what each sample is.
    """

    def __init__(self, store: Store, scenes: tuple[int, ...], drawer: SampleDrawer) -> None:
        self.store = store
        self.scenes = scenes
        self.drawer = drawer

    def __getitem__(self, key: BatchKey) -> CropBatch:
        """Return the batch of (epoch, sample numbers)."""
        draws = tuple(self.drawer.draw(key.epoch, index) for index in key.samples)
        size = sum(part.height_px * part.width_px for draw in draws for part in _parts(draw))
        buffer = np.empty(size, np.uint8)
        start = 0
        for draw in draws:
            for place, window in enumerate(_parts(draw)):
                start = self._cut(window, buffer, start, labels=place == 1)
        pixels = torch.from_numpy(buffer)
        return CropBatch(pixels, draws, key)

    def _cut(self, window: Window, buffer: NDArray[np.uint8], start: int, *, labels: bool) -> int:
        number = self.scenes[window.image]
        array = self.store.zones(number) if labels else self.store.image(number)
        end = start + window.height_px * window.width_px
        view = buffer[start:end].reshape(window.height_px, window.width_px)
        reflect_crop(array, window.row, window.column, window.height_px, window.width_px, out=view)
        return end
