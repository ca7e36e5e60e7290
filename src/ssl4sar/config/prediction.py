"""How a trained network is applied to a whole image."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block
from ssl4sar.config.recipe import Probability
from ssl4sar.config.series import SeriesConfig


class DateMeanConfig(Block):
    """What the other images of a glacier say about the zones of one."""

    share: Probability = 0.0
    """Share of the mean over the images of the glacier on the same grid in the zones of each; 0:
    each image alone. Stored probabilities are always those of the image alone."""
    window: Literal["all", "past"] = "all"
    """all: the mean over all images of the split; past: over those that are not later."""


class PredictionConfig(Block):
    """Overlapped windows, blended with Gaussian weights."""

    stride_px: int = Field(default=128, ge=8)
    """Step between two windows, pixels."""
    centre_px: int = Field(default=256, ge=8)
    """Side of the centre of a window that is kept, pixels; at least the stride."""
    sigma_px: float = Field(default=32.0, gt=0)
    """Standard deviation of the Gaussian weights, pixels (an eighth of the centre)."""
    rotations: tuple[Literal[0, 90, 180, 270], ...] = (0,)
    """Rotations in degrees whose probabilities are averaged (test-time augmentation)."""
    batch_size: int = Field(default=8, ge=1)
    """Windows per network call; each image of a series counts as one."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic of the network."""
    series: SeriesConfig = SeriesConfig()
    """Series of a temporal network, from the images of the split that is predicted: with predicted
    reference the nearest in time to each image, with all consecutive ones."""

    date_mean: DateMeanConfig = DateMeanConfig()
    """Mean over the dates of a glacier; uses test images without their labels."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stride_px > self.centre_px:
            raise ValueError(
                f"stride_px: {self.stride_px} is larger than centre_px {self.centre_px}, "
                "which would leave gaps"
            )
        if not self.rotations or len(set(self.rotations)) != len(self.rotations):
            raise ValueError("rotations: need at least one rotation and none twice")
        if self.series.predicted == "all" and self.series.max_days is not None:
            raise ValueError(
                "series.max_days: series of consecutive images have no reference to count days "
                "from: set null, or series.predicted reference"
            )
        return self
