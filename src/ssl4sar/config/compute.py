"""Where the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

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
    max_time_min: int | None = Field(default=None, ge=1)
    """Minutes from the start of its own process after which a training ends by itself, for queues
    other than SLURM's; the same command resumes there. null: none but SLURM's, and the time in
    the variable SSL4SAR_JOB_END."""

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
