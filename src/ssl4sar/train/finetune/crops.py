"""The loader: it only cuts uint8 windows out of memory-mapped arrays, one flat buffer per batch.

Windows keep the size they have in the image, because resizing is done in a batch on the device.
One flat uint8 buffer is one allocation, one copy through shared memory, and one transfer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.store import Store
from ssl4sar.train.loop.batches import BatchKey
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
class CropBatch:
    """Crops of different sizes in one buffer.

    Attributes:
        pixels: (total,) uint8: per sample its image, labels and, if drawn, its partner.
        draws: the draws of the samples, in order.
        samples: sample numbers.
        number: the batch of the recipe within the epoch that the samples belong to.
        part: which of the processes that share this batch it is for.
        weight: factor of the loss; 0: another process has the samples that count.
    """

    pixels: Tensor
    draws: tuple[SampleDraw, ...]
    samples: tuple[int, ...] = ()
    number: int = 0
    part: int = 0
    weight: float = 1.0

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.draws)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its pixels on ``device``."""
        return replace(self, pixels=self.pixels.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, from where it moves to a GPU faster."""
        return replace(self, pixels=self.pixels.pin_memory())

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
        return CropBatch(pixels, draws, key.samples, key.number, key.part, key.weight)

    def _cut(self, window: Window, buffer: NDArray[np.uint8], start: int, *, labels: bool) -> int:
        number = self.scenes[window.image]
        array = self.store.zones(number) if labels else self.store.image(number)
        end = start + window.height_px * window.width_px
        view = buffer[start:end].reshape(window.height_px, window.width_px)
        reflect_crop(array, window.row, window.column, window.height_px, window.width_px, out=view)
        return end
