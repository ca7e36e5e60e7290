"""What is drawn beside the numbers; the numbers themselves have no options."""

from __future__ import annotations

from pydantic import Field

from ssl4sar.config.block import Block


class EvaluationConfig(Block):
    """Pictures of the evaluation; the rules of the benchmark are fixed."""

    overlays: int = Field(default=200, ge=3)
    """Largest number of overlay pictures, drawn of the first seed; worst and median among them."""
    overlay_px: int = Field(default=1000, ge=200)
    """Longest side of an overlay picture, pixels."""
