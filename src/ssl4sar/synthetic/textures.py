"""Periodic texture tiles of one seed: flow stripes, crevasses, blocks of ice, floes, rubble."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.noise import FloatArray, cells, fractal_noise, look_up, smooth_noise

TILE_PX: Final = 1024
#: Pixel of the tiles whose two axes are metres.
TILE_SPACING_M: Final = 8.0
#: Along-flow pixel of the stripes, which are kilometres long.
STRIPE_SPACING_M: Final = 64.0
#: Stripe pixels per half width of the valley.
STRIPES_PER_HALF_WIDTH: Final = 300.0
#: Pixel of the floes, larger than the blocks of the melange.
FLOE_SPACING_M: Final = 16.0


@dataclass(frozen=True)
class Textures:
    """Square float32 tiles of ``TILE_PX``; periodic.

    Attributes:
        stripes: rows along the flow, columns across; zero mean, unit variance.
        crevasses: rows along the flow, columns across; 0 none to 1 open crack.
        blocks: value of the ice block, 0 to 1.
        block_rims: 0 inside a block to 1 on its rim.
        floes: value of the floe, 0 to 1.
        floe_rims: 0 inside a floe to 1 on its rim.
        rubble: rough isotropic noise; zero mean, unit variance.
        swell: smooth isotropic noise of some hundred metres; zero mean, unit variance.
    """

    stripes: FloatArray
    crevasses: FloatArray
    blocks: FloatArray
    block_rims: FloatArray
    floes: FloatArray
    floe_rims: FloatArray
    rubble: FloatArray
    swell: FloatArray


def _stripes(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    fine = smooth_noise(rng, shape, (14.0, 2.0))
    broad = smooth_noise(rng, shape, (24.0, 9.0))
    widest = smooth_noise(rng, shape, (30.0, 40.0))
    total = 0.45 * fine + 0.6 * broad + 0.75 * widest
    return np.asarray(total / total.std(), np.float32)


def _crevasses(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    # Cracks follow the zero lines of a field whose hills lie across the flow.
    field = smooth_noise(rng, shape, (3.2, 15.0)) - 0.55 * smooth_noise(rng, shape, (7.0, 20.0))
    crack = np.exp(-((field / np.float32(0.34)) ** 2))
    fields = np.clip(0.45 + 0.8 * smooth_noise(rng, shape, (36.0, 44.0)), 0, 1)
    return np.asarray(crack * fields, np.float32)


@lru_cache(maxsize=2)
def textures(seed: int) -> Textures:
    """Return the tiles of a seed (32 MB, cached in memory)."""
    shape = (TILE_PX, TILE_PX)

    def rng(name: str) -> np.random.Generator:
        return generator(seed, "texture", name)

    blocks, block_rims = cells(rng("blocks"), TILE_PX, cell_px=13.0, warp_px=1.8)
    floes, floe_rims = cells(rng("floes"), TILE_PX, cell_px=26.0, warp_px=3.5)
    return Textures(
        _stripes(rng("stripes"), shape),
        _crevasses(rng("crevasses"), shape),
        blocks,
        block_rims,
        floes,
        floe_rims,
        fractal_noise(rng("rubble"), shape, 24.0, 1.1),
        smooth_noise(rng("swell"), shape, (16.0, 16.0)),
    )


def on_map(
    tile: FloatArray, x_m: np.ndarray, y_m: np.ndarray, spacing_m: float = TILE_SPACING_M
) -> FloatArray:
    """Return a tile laid over the map, nearest pixel.

    Args:
        tile: (N, N) float32.
        x_m: (1, W) coordinates.
        y_m: (H, 1) coordinates.
        spacing_m: pixel of the tile.

    Returns:
        (H, W) float32.
    """
    return look_up(tile, y_m / spacing_m, x_m / spacing_m)
