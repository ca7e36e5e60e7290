"""The loader: it only cuts uint8 windows out of memory-mapped arrays, one flat buffer per batch.

Windows keep the size they have in the image, because resizing is done in a batch on the device.
One flat uint8 buffer is one allocation, one copy through shared memory, and one transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        front: (h, w) uint8 labelled front 0/1, or None.
    """

    image: Tensor
    labels: Tensor
    partner: Tensor | None
    front: Tensor | None


@dataclass(frozen=True)
class CropBatch(Batch):
    """Crops in one buffer: per sample its image, labels and, if there are any, partner and front.

    Attributes:
        with_fronts: whether the buffer holds fronts.
    """

    draws: tuple[SampleDraw, ...]
    with_fronts: bool = False

    @property
    def images(self) -> list[int]:
        """Numbers of the training images of the samples."""
        return [draw.window.image for draw in self.draws]

    def crops(self) -> list[Crop]:
        """Return views of the crops."""
        crops, start = [], 0
        for draw in self.draws:
            views: dict[str, Tensor] = {}
            for name, window in _parts(draw, self.with_fronts).items():
                end = start + window.height_px * window.width_px
                views[name] = self.pixels[start:end].view(window.height_px, window.width_px)
                start = end
            partner, front = views.get("partner"), views.get("front")
            crops.append(Crop(views["image"], views["labels"], partner, front))
        return crops


def _parts(draw: SampleDraw, with_front: bool) -> dict[str, Window]:
    """Return the windows of a sample by the names of :class:`Crop`, in their order in a buffer."""
    parts = {"image": draw.window, "labels": draw.window}
    if draw.partner is not None:
        parts["partner"] = draw.partner
    return {**parts, "front": draw.window} if with_front else parts


class FrontPixels:
    """The pixels of the labelled fronts of training images, each searched for once.

    Args:
        store: the training images.
        scenes: numbers in ``store`` of the images to train on.
    """

    def __init__(self, store: Store, scenes: tuple[int, ...]) -> None:
        self._store = store
        self._scenes = scenes
        self._found: dict[int, NDArray[np.int32]] = {}

    def __call__(self, image: int) -> NDArray[np.int32]:
        """Return rows and columns (n, 2) of the front of a training image, by its number."""
        if image not in self._found:
            front = self._store.front(self._scenes[image])
            self._found[image] = np.argwhere(front).astype(np.int32)
        return self._found[image]


class CropDataset(Dataset[CropBatch]):
    """Batches of training crops by (epoch, sample numbers).

    Args:
        store: the training images.
        scenes: numbers in ``store`` of the images to train on; windows count in this order.
        drawer: what each sample is.
        with_fronts: also cut the labelled fronts.
    """

    def __init__(
        self,
        store: Store,
        scenes: tuple[int, ...],
        drawer: SampleDrawer,
        with_fronts: bool = False,
    ) -> None:
        self.store = store
        self.scenes = scenes
        self.drawer = drawer
        self.with_fronts = with_fronts

    def __getitem__(self, key: BatchKey) -> CropBatch:
        """Return the batch of (epoch, sample numbers)."""
        draws = tuple(self.drawer.draw(key.epoch, index) for index in key.samples)
        return CropBatch(self.pixels(draws), draws, key, self.with_fronts)

    def pixels(self, draws: Sequence[SampleDraw]) -> Tensor:
        """Return all that a batch holds of some draws, (total,) uint8."""
        parts = [part for draw in draws for part in _parts(draw, self.with_fronts).items()]
        buffer = np.empty(sum(w.height_px * w.width_px for _, w in parts), np.uint8)
        start = 0
        for name, window in parts:
            start = self._cut(name, window, buffer, start)
        return torch.from_numpy(buffer)

    def _cut(self, part: str, window: Window, buffer: NDArray[np.uint8], start: int) -> int:
        number = self.scenes[window.image]
        read = {"labels": self.store.zones, "front": self.store.front}.get(part, self.store.image)
        array = read(number)
        end = start + window.height_px * window.width_px
        view = buffer[start:end].reshape(window.height_px, window.width_px)
        reflect_crop(array, window.row, window.column, window.height_px, window.width_px, out=view)
        return end
