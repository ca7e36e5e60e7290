"""Which images of a glacier a temporal network sees together."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ssl4sar.config.block import Block


class SeriesConfig(Block):
    """A series of images of one glacier; only temporal networks read it."""

    frames: int = Field(default=8, ge=1)
    """Images of a series, the reference among them; fewer where there are fewer."""
    window: Literal["all", "past"] = "all"
    """all: images before and after the reference; past: none that is later than it."""
    max_days: int | None = Field(default=None, ge=0)
    """Most days between the reference and another image; null: any."""
    predicted: Literal["reference", "all"] = "reference"
    """reference: each series is about one image; all: about each of its images."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.window == "past" and self.predicted == "all":
            raise ValueError(
                "predicted: all of a series are predicted from later images too, which window past "
                "forbids: set reference"
            )
        return self
