"""The loader: it only cuts uint8 windows out of memory-mapped arrays, one flat buffer per batch.

Windows keep the size they have in the image, because resizing is done in a batch on the device.
One flat uint8 buffer is one allocation, one copy through shared memory, and one transfer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ssl4sar.dataset.store import Store, reflect_crop
from ssl4sar.train.sampling import SampleDraw, SampleDrawer, Window


class BatchKey(NamedTuple):
    """What one process works on in one step.

    Attributes:
        epoch: number from 0.
        samples: sample numbers.
        number: the batch of the recipe within the epoch that the samples belong to.
        part: which of the processes that share this batch it is for.
        weight: factor of the loss.
    """

    epoch: int
    samples: tuple[int, ...]
    number: int = 0
    part: int = 0
    weight: float = 1.0


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
        number: the batch of the recipe within the epoch that the samples belong to.
        part: which of the processes that share this batch it is for.
        weight: factor of the loss; 0: another process has the samples that count.
    """

    pixels: Tensor
    draws: tuple[SampleDraw, ...]
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
        return CropBatch(torch.from_numpy(buffer), draws, key.number, key.part, key.weight)

    def _cut(self, window: Window, buffer: NDArray[np.uint8], start: int, *, labels: bool) -> int:
        number = self.scenes[window.image]
        array = self.store.zones(number) if labels else self.store.image(number)
        end = start + window.height_px * window.width_px
        view = buffer[start:end].reshape(window.height_px, window.width_px)
        reflect_crop(array, window.row, window.column, window.height_px, window.width_px, out=view)
        return end


class EpochBatches(Sampler[BatchKey]):
    """The batches of one epoch, shared between processes by arithmetic.

    The batches are those of one process: ``batch_size`` samples in a row, the last one perhaps
    smaller. ``lanes`` of them are worked on at the same time, each by ``parts`` processes, so that
    the samples of an optimiser step do not depend on the number of processes. Gradients are
    averaged over processes, hence a weight where a batch at the end of an epoch cannot be split
    evenly: parts * samples of the part / samples of the batch. Every process takes equally many
    steps; one that is left without samples gets some of another's with weight 0.

    Args:
        samples_per_epoch: samples per epoch over all processes.
        batch_size: samples per batch of the recipe, a multiple of ``parts``.
        rank: number of this process, below lanes * parts.
        lanes: batches that are worked on at the same time.
        parts: processes that share one batch.
    """

    def __init__(
        self,
        samples_per_epoch: int,
        batch_size: int,
        rank: int = 0,
        *,
        lanes: int = 1,
        parts: int = 1,
    ) -> None:
        self.samples_per_epoch = samples_per_epoch
        self.batch_size = batch_size
        self.lanes = lanes
        self.parts = parts
        self.lane, self.part = divmod(rank, parts)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass; Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches per process and epoch."""
        batches = math.ceil(self.samples_per_epoch / self.batch_size)
        return math.ceil(batches / self.lanes)

    def __iter__(self) -> Iterator[BatchKey]:
        """Yield what this process works on."""
        share = self.batch_size // self.parts
        for step in range(len(self)):
            number = step * self.lanes + self.lane
            start = number * self.batch_size
            batch = range(start, min(start + self.batch_size, self.samples_per_epoch))
            own = batch[self.part * share : (self.part + 1) * share]
            samples = tuple(own) or (batch[0] if batch else 0,)
            weight = self.parts * len(own) / len(batch) if batch else 0.0
            yield BatchKey(self.epoch, samples, number, self.part, weight)
