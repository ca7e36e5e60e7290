"""Where the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field

from ssl4sar.config.block import Block


class ComputeConfig(Block):
    """Device and processor cores. Changing them repeats no finished training."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """cpu; cuda: GPUs, fails without them; auto: a GPU if visible, reserves none."""
    devices: int = Field(default=1, ge=1)
    """Processes of one training per node: one per GPU, or so many on the processor. Samples per
    optimiser step stay the same: the processes share a recipe's `accumulate_batches` first, then
    its `batch_size`."""
    nodes: int = Field(default=1, ge=1)
    """Nodes of one training; more than one needs SLURM."""
    train_threads: int = Field(default=2, ge=1)
    """Processor cores of one prediction job and of each process of a training."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that read crops, per process of a training; 0 reads in the training process."""

    @property
    def processes(self) -> int:
        """Processes of one training, all nodes together."""
        return self.devices * self.nodes

    @property
    def threads_per_task(self) -> int:
        """Cores of one SLURM task of a training.

        The processes of one node are started by one task; on several nodes each process is a task.
        """
        return self.train_threads * (self.devices if self.nodes == 1 else 1)

    @classmethod
    def of_job(cls, config: Mapping[str, Any], threads: int) -> Self:
        """Return the block of a workflow's configuration, with the cores a job really got.

        Args:
            config: the whole configuration.
            threads: cores of the job, which a prediction uses alone.
        """
        return cls.model_validate({**config["compute"], "train_threads": threads})

    @classmethod
    def of_training(cls, config: Mapping[str, Any], threads: int) -> Self:
        """Return the block with the cores that each process of a training really got.

        Args:
            config: the whole configuration.
            threads: cores of one task of the job.
        """
        compute = cls.model_validate(config["compute"])
        sharing = compute.devices if compute.nodes == 1 else 1
        return compute.model_copy(update={"train_threads": max(1, threads // sharing)})


class BatchShares(NamedTuple):
    """How the processes of a training share the samples of an optimiser step.

    Attributes:
        batch_size: samples per batch and process.
        accumulate_batches: batches per process whose gradients are added.
        lanes: batches of the recipe that are worked on at the same time.
        parts: processes that share one batch of the recipe.
    """

    batch_size: int
    accumulate_batches: int
    lanes: int
    parts: int


def share_batches(
    batch_size: int, accumulate_batches: int, processes: int, block: str = "training"
) -> BatchShares:
    """Share the samples of an optimiser step, whose number stays that of the recipe.

    Whole batches are shared first, since that changes nothing but the order of additions. Only
    what is left splits batches: the Dice loss, which is not additive, then sees smaller ones.

    Args:
        batch_size: samples per batch of the recipe.
        accumulate_batches: batches per optimiser step of the recipe.
        processes: processes of the training.
        block: block of the recipe, for the error.

    Raises:
        ValueError: the samples cannot be shared evenly.
    """
    lanes = gcd(processes, accumulate_batches)
    parts = processes // lanes
    if batch_size % parts:
        raise ValueError(
            f"compute.devices * compute.nodes: {processes} processes cannot share "
            f"{block}.batch_size {batch_size} * {block}.accumulate_batches {accumulate_batches} "
            f"evenly (left to split each batch: {parts})"
        )
    return BatchShares(batch_size // parts, accumulate_batches // lanes, lanes, parts)
