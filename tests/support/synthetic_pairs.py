"""Pairs of random images in memory, in place of a store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SyntheticScene:
    """Entry of a store, as far as it is read."""

    name: str
    height: int
    width: int


@dataclass(frozen=True)
class SyntheticPairs:
    """Random pairs; ``no_data`` is the share of optical pixels without data."""

    sizes_px: tuple[tuple[int, int], ...]
    no_data: float = 0.0
    seed: int = 0
    scenes: tuple[SyntheticScene, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [f"S1_Synthetic{i:02}_20200101_001" for i in range(len(self.sizes_px))]
        scenes = (SyntheticScene(n, *size) for n, size in zip(names, self.sizes_px, strict=True))
        object.__setattr__(self, "scenes", tuple(scenes))

    def sar(self, number: int) -> NDArray[np.uint8]:
        random = np.random.default_rng((self.seed, 0, number))
        return random.integers(0, 256, self.sizes_px[number]).astype(np.uint8)

    def optical(self, number: int) -> NDArray[np.uint8]:
        random = np.random.default_rng((self.seed, 1, number))
        pixels = random.integers(0, 256, (*self.sizes_px[number], 15)).astype(np.uint8)
        valid = random.random(self.sizes_px[number]) >= self.no_data
        pixels[..., -1] = valid * 255
        pixels[~valid] = 0
        return pixels
