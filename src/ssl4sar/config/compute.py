"""Where the network runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl4sar.config.block import Block


class ComputeConfig(Block):
    """Device and processor cores. Changing them does not rerun a finished training."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """cpu, cuda (one GPU; fails without one), or auto (a GPU where there is one)."""
    train_threads: int = Field(default=2, ge=1)
    """Processor cores of one training or prediction job."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that read crops; 0 reads in the training process."""
