"""The recipes of the two pretext tasks, OptSimMIM and OptTranslator.

Defaults are those of the published code of SSL4SAR (Gourmelon et al. 2025,
doi:10.1109/TGRS.2025.3580945); 4 crops x 8 batches are its 4 GPUs x 4 crops x 2 batches.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl4sar.config.recipe import Probability, Recipe


class PretextConfig(Recipe):
    """Keys of both pretext tasks."""

    epochs: int = Field(default=1000, ge=1)
    """Largest number of epochs; how many were published is unknown, 1000 is their limit."""
    samples_per_epoch: int = Field(default=76_496, ge=1)
    """Pairs of crops drawn per epoch; images are dealt in shuffled rounds."""
    batch_size: int = Field(default=4, ge=1)
    """Pairs per step, on one device; several share them, see `compute.devices`."""
    accumulate_batches: int = Field(default=8, ge=1)
    """Steps whose gradients are added before the optimiser moves."""
    schedule: Literal["plateau", "constant", "cosine"] = "plateau"
    """plateau: times `plateau_factor` when the validation loss stagnates, as published; cosine:
    linear warm-up, then cosine to zero."""
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    """Factor of the learning rate at a plateau."""
    plateau_patience: int = Field(default=5, ge=0)
    """Validations without improvement that are waited for before the learning rate falls."""
    early_stop_patience: int | None = Field(default=None, ge=1)
    """Validations without improvement after which the pretraining ends; null: never."""
    checkpoint: Literal["best_loss", "last"] = "best_loss"
    """Which weights the result has: least validation loss, or the last."""
    min_scale: float = Field(default=0.7, gt=0, le=1)
    """Smallest side of a crop in parts of the network's input; it is resized to the input."""
    flip_probability: Probability = 0.5
    """Probability of a mirror image, left to right."""
    legacy_vertical_flip: bool = False
    """Mirror top to bottom, as the original code does by mistake."""
    ignore_no_data: bool = True
    """Leave optical pixels without data out of the loss; false learns them as zeros, as the
    original code does."""
    panels: int = Field(default=4, ge=1, le=16)
    """Validation tiles that are drawn: SAR, masked input, true and predicted optical image."""
    panels_every_epochs: int = Field(default=10, ge=1)
    """Epochs between two drawings; the first epoch and the last are always drawn."""


class OptSimMIMConfig(PretextConfig):
    """Pretext task 1: predict the optical pixels under masked SAR tokens."""

    learning_rate: float = Field(default=0.001, gt=0)
    """Learning rate (peak of the schedule)."""
    mask_ratio: float = Field(default=0.3, gt=0, lt=1)
    """Share of the 4x4 px tokens that is masked."""
    legacy_random_validation_masks: bool = False
    """Draw new masks at every validation like the original code, whose validation loss is noisy."""


class OptTranslatorConfig(PretextConfig):
    """Pretext task 2: translate the SAR image into all 14 optical channels."""

    learning_rate: float = Field(default=0.005, gt=0)
    """Learning rate (peak of the schedule)."""
    early_stop_patience: int | None = Field(default=100, ge=1)
    """Validations without improvement after which the pretraining ends; null: never."""
