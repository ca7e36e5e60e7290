"""Where the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field

from ssl4sar.config.block import Block


class ComputeConfig(Block):
    """Device and processor cores. Changing them repeats no finished training."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """cpu; cuda: one GPU per job, fails without one; auto: a GPU if visible, reserves none."""
    train_threads: int = Field(default=2, ge=1)
    """Processor cores of one training or prediction job."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that read crops; 0 reads in the training process."""

    @classmethod
    def of_job(cls, config: Mapping[str, Any], threads: int) -> Self:
        """Return the block of a workflow's configuration, with the cores a job really got."""
        return cls.model_validate({**config["compute"], "train_threads": threads})
