"""Batches of any training: which samples of an epoch a process works on, and what it gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.data import Sampler


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


_NO_SAMPLES: Final = BatchKey(0, ())


@dataclass(frozen=True)
class Batch:
    """Samples of one process for one step, crops of different sizes in one buffer.

    Attributes:
        pixels: (total,) uint8.
        draws: the draws of the samples, in order.
        key: what the process works on; weight 0: another process has the samples that count.
    """

    pixels: Tensor
    draws: tuple[Any, ...]
    key: BatchKey = _NO_SAMPLES

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.draws)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on ``device``."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, from where it moves to a GPU faster."""
        return self._with(Tensor.pin_memory)

    def _with(self, changed: Callable[[Tensor], Tensor]) -> Self:
        tensors: dict[str, Any] = {
            name: changed(each) for name, each in vars(self).items() if isinstance(each, Tensor)
        }
        return replace(self, **tensors)


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
