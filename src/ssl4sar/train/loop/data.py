"""The loader of the training samples, for one process or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ssl4sar.config.batch_shares import BatchShares
from ssl4sar.train.loop.batches import Batch, BatchKey, EpochBatches

BatchT = TypeVar("BatchT", bound=Batch)


def batch_loader(
    dataset: Dataset[BatchT],
    keys: Sampler[BatchKey] | Sequence[BatchKey],
    workers: int,
    *,
    pin_memory: bool,
    persistent: bool = False,
) -> DataLoader[BatchT]:
    """Return a loader of whole batches, which takes nothing from the global random numbers.

    Args:
        dataset: batches by ``BatchKey``.
        keys: the batches to read, in order.
        workers: processes that read; 0 reads in the process that asks.
        pin_memory: put batches into page-locked memory.
        persistent: leave the processes running from one pass to the next.
    """
    return DataLoader(
        dataset,
        batch_size=None,
        sampler=keys,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        pin_memory=pin_memory,
        # The base seed of workers comes from here, not from the generator of the dropout.
        generator=torch.Generator(),
    )


class TrainingCrops(pl.LightningDataModule, Generic[BatchT]):
    """Hands the samples of each epoch to the trainer.

    Args:
        dataset: batches by ``BatchKey``.
        samples_per_epoch: samples per epoch over all processes.
        batch_size: samples per batch of the recipe.
        shares: how processes share the batches; None: one process.
        workers: processes that read crops; 0 reads in the training process.
        pin_memory: put batches into page-locked memory, from where they move to a GPU while it
            computes; of no use without one.
        first_epoch: epoch from 0 that the training starts or resumes with.
    """

    def __init__(
        self,
        dataset: Dataset[BatchT],
        *,
        samples_per_epoch: int,
        batch_size: int,
        workers: int,
        pin_memory: bool,
        shares: BatchShares | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.samples_per_epoch = samples_per_epoch
        self.batch_size = batch_size
        self.workers = workers
        self.pin_memory = pin_memory
        self.first_epoch = first_epoch
        self.shares = shares or BatchShares(batch_size, 1, 1, 1)

    def train_dataloader(self) -> DataLoader[BatchT]:
        """Return the loader; its sampler follows the trainer's epoch."""
        batches = EpochBatches(
            self.samples_per_epoch,
            self.batch_size,
            rank=self.trainer.global_rank if self.trainer else 0,
            lanes=self.shares.lanes,
            parts=self.shares.parts,
        )
        # Loader processes read ahead before Lightning sets the epoch of a resumed training.
        batches.set_epoch(self.first_epoch)
        return batch_loader(
            self.dataset, batches, self.workers, pin_memory=self.pin_memory, persistent=True
        )

    def transfer_batch_to_device(
        self, batch: BatchT, device: torch.device, dataloader_idx: int
    ) -> BatchT:
        """Move a batch without waiting, which Lightning itself does for bare tensors only."""
        del dataloader_idx
        return batch.to(device, non_blocking=True)
