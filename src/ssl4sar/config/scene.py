"""What the glacier scene model renders for the embedded default."""

from __future__ import annotations

from pydantic import Field

from ssl4sar.config.block import Block


class SceneConfig(Block):
    """SYNTHETIC CaFFe-like scenes: how many, how large, how hard."""

    seed: int = Field(default=20250702, ge=0)
    """Seed of the rendered world; the same seed gives the same bytes."""
    train_images: int = Field(default=40, ge=5)
    """Number of training scenes over the five training glaciers."""
    test_images: int = Field(default=12, ge=2)
    """Number of test scenes over Columbia and Mapple."""
    extent_km: float = Field(default=9.0, ge=3, le=40)
    """Side of the area of one glacier, kilometres; areas differ by up to a fifth around it."""
    difficulty: float = Field(default=1.0, ge=0, le=2)
    """Overlap in brightness of glacier, melange and wet snow: 0 easy, 1 realistic, 2 hard."""
