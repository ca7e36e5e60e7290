"""Texture tiles."""

from __future__ import annotations

import numpy as np
import pytest

from ssl4sar.synthetic.textures import TILE_PX, textures


def test_tiles_have_the_promised_ranges():
    tiles = textures(5)
    for name in ("stripes", "rubble", "swell"):
        tile = getattr(tiles, name)
        assert tile.shape == (TILE_PX, TILE_PX)
        assert tile.dtype == np.float32
        assert tile.mean() == pytest.approx(0, abs=1e-3)
        assert tile.std() == pytest.approx(1, abs=1e-3)
    for name in ("crevasses", "blocks", "block_rims", "floes", "floe_rims"):
        tile = getattr(tiles, name)
        assert tile.dtype == np.float32
        assert tile.min() >= 0
        assert tile.max() <= 1 + 1e-6


def test_stripes_run_along_and_crevasses_across_the_flow():
    tiles = textures(5)

    def lag(tile, axis):
        centred = tile - tile.mean()
        return float((centred * np.roll(centred, 6, axis)).mean() / centred.var())

    assert lag(tiles.stripes, 0) > lag(tiles.stripes, 1) + 0.1
    assert lag(tiles.crevasses, 1) > lag(tiles.crevasses, 0) + 0.2
