"""The loader: it only cuts uint8 windows out of memory-mapped arrays, one flat buffer per batch.

Windows keep the size they have in the image, because resizing is done in a batch on the device.
One flat uint8 buffer is one allocation, one copy through shared memory, and one transfer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ssl4sar.dataset.store import Store, reflect_crop
from ssl4sar.train.sampling import SampleDraw, SampleDrawer, Window

#: Epoch and sample numbers of one batch.
BatchKey = tuple[int, tuple[int, ...]]


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
    """

    pixels: Tensor
    draws: tuple[SampleDraw, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.draws)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its pixels on ``device``."""
        return type(self)(self.pixels.to(device, non_blocking=non_blocking), self.draws)

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, from where it moves to a GPU faster."""
        return type(self)(self.pixels.pin_memory(), self.draws)

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
        epoch, indices = key
        draws = tuple(self.drawer.draw(epoch, index) for index in indices)
        size = sum(part.height_px * part.width_px for draw in draws for part in _parts(draw))
        buffer = np.empty(size, np.uint8)
        start = 0
        for draw in draws:
            for place, window in enumerate(_parts(draw)):
                start = self._cut(window, buffer, start, labels=place == 1)
        return CropBatch(torch.from_numpy(buffer), draws)

    def _cut(self, window: Window, buffer: NDArray[np.uint8], start: int, *, labels: bool) -> int:
        number = self.scenes[window.image]
        array = self.store.zones(number) if labels else self.store.image(number)
        end = start + window.height_px * window.width_px
        view = buffer[start:end].reshape(window.height_px, window.width_px)
        reflect_crop(array, window.row, window.column, window.height_px, window.width_px, out=view)
        return end


class EpochBatches(Sampler[BatchKey]):
    """The batches of one epoch, sharded over processes by arithmetic.

    Every process gets the same number of batches; a rest too small to give each process a sample
    is dropped.

    Args:
        samples_per_epoch: samples per epoch over all processes.
        batch_size: samples per batch and process.
        rank: number of this process.
        world_size: number of processes.
    """

    def __init__(
        self, samples_per_epoch: int, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.samples_per_epoch = samples_per_epoch
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches per process and epoch."""
        full, rest = divmod(self.samples_per_epoch, self.batch_size * self.world_size)
        return full + (rest >= self.world_size)

    def __iter__(self) -> Iterator[BatchKey]:
        """Yield (epoch, sample numbers of this process)."""
        step = self.batch_size * self.world_size
        for batch in range(len(self)):
            group = range(batch * step, min((batch + 1) * step, self.samples_per_epoch))
            yield self.epoch, tuple(group[self.rank :: self.world_size])
