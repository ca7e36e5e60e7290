"""What every training has: length, batches, optimiser, arithmetic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ssl4sar.config.block import Block

Probability = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Recipe(Block):
    """Keys that fine-tuning and both pretext tasks share."""

    epochs: int = Field(ge=1)
    """Number of epochs."""
    samples_per_epoch: int = Field(ge=1)
    """Crops drawn per epoch; images are dealt in shuffled rounds that run on over epochs."""
    batch_size: int = Field(ge=1)
    """Crops per step, on one device; several share them, see `compute.devices`."""
    accumulate_batches: int = Field(default=1, ge=1)
    """Steps whose gradients are added before the optimiser moves."""
    optimiser: Literal["sgd", "adamw"] = "sgd"
    """sgd: with momentum, as published; adamw: for small models from scratch."""
    learning_rate: float = Field(gt=0)
    """Learning rate (peak of the schedule)."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum (sgd only)."""
    adam_betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decays of the averaged gradient and of its square (adamw only)."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Weight decay; adamw spares gains and biases."""
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps in which the learning rate grows linearly (cosine only)."""
    gradient_clip_norm: float | None = Field(default=None, gt=0)
    """Largest gradient norm; null clips nothing."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay per optimiser step of the averaged weights that are validated and kept; null: none."""
    validate_every_epochs: int = Field(default=1, ge=1)
    """Epochs between two validations; the last epoch is always validated."""
    precision: Literal["32-true", "tf32", "bf16-mixed"] = "32-true"
    """Arithmetic of the training; 32-true is reproducible bit by bit on a CPU. tf32: 32-true, on a
    GPU with TF32 in matrix products too (in convolutions torch always uses it)."""
