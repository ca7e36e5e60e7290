"""What the glacier scene model renders for the pretraining of the embedded default."""

from __future__ import annotations

from pydantic import Field

from ssl4sar.config.block import Block


class PairSceneConfig(Block):
    """SYNTHETIC Sentinel-1 sequences with one Sentinel-2 image per glacier."""

    seed: int = Field(default=20250701, ge=0)
    """Seed of the rendered worlds; the same seed gives the same bytes."""
    glaciers: int = Field(default=14, ge=1, le=99)
    """Number of glaciers; none of them is a glacier of CaFFe."""
    train_images: int = Field(default=140, ge=1)
    """Number of Sentinel-1 images to train on, over all glaciers."""
    val_images: int = Field(default=14, ge=1)
    """Number of Sentinel-1 images to validate on, over all glaciers."""
    extent_km: float = Field(default=9.0, ge=3, le=40)
    """Side of the area of one glacier, kilometres; areas differ by up to a fifth around it."""
    spacing_m: int = Field(default=20, ge=20, le=100, multiple_of=20)
    """Pixel size of both images, metres: rendered at 20 m and averaged over blocks of pixels."""
    difficulty: float = Field(default=1.0, ge=0, le=2)
    """Overlap in brightness of glacier, melange and wet snow: 0 easy, 1 realistic, 2 hard."""
