from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from made_elevation import ROWS, tile_heights, write_tile

from ssl4sar.acquire.elevation.raster import (
    Heights,
    check_heights,
    opened,
    read_heights,
    read_tile_grid,
)
from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.core.errors import UserError

TILE = Tile(78, -13)


@pytest.mark.parametrize("how", [{"point": True}, {"point": False}, {"crs": "EPSG:9518"}])
def test_a_tile_of_either_convention_is_at_its_place(tmp_path: Path, how: dict[str, Any]) -> None:
    path = tmp_path / "tile.tif"
    write_tile(path, TILE, tile_heights(TILE, 30), **how)
    assert read_tile_grid(path, TILE).shape == (ROWS, 30)


@pytest.mark.parametrize(
    ("tile", "how", "problem"),
    [
        *[(Tile(*place), {}, "it is not the tile N78_W013") for place in ((78, -14), (79, -13))],
        *[(TILE, {"shift_px": off}, "it is not the tile") for off in (0.5, -0.5, 1.0, 0.02)],
        (TILE, {"crs": "EPSG:32633"}, "EPSG:32633, expected WGS 84"),
    ],
)
def test_a_tile_of_another_place_or_system_is_refused(
    tmp_path: Path, tile: Tile, how: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "tile.tif"
    write_tile(path, tile, tile_heights(tile), **how)
    with pytest.raises(UserError, match=problem):
        read_tile_grid(path, TILE)


def test_a_tile_with_the_shared_column_is_refused(tmp_path: Path) -> None:
    # 3601 columns, as in the original DEM: they would not fit the neighbours without a gap.
    path = tmp_path / "tile.tif"
    write_tile(path, TILE, np.zeros((ROWS, ROWS), np.float32))
    with rasterio.open(path) as file:
        profile = file.profile | {"width": ROWS + 1}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.zeros((ROWS, ROWS + 1), np.float32), 1)
    with pytest.raises(UserError, match="it is not the tile"):
        read_tile_grid(path, TILE)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"II*\0broken", None])
def test_what_is_not_a_whole_raster_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "tile.tif"
    rng = np.random.default_rng(0)
    write_tile(path, TILE, rng.uniform(0, 900, (200, 200)).astype(np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UserError, match=r"tile\.tif: this is not a complete raster"):
        read_tile_grid(path, TILE)
        check_heights(path)


def test_heights_of_another_planet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tile.tif"
    write_tile(path, TILE, np.linspace(0, 21_000, 1600, dtype=np.float32).reshape(40, 40))
    with pytest.raises(UserError, match="0 to 21000 m are not of the Earth"):
        check_heights(path)


def test_voids_of_all_kinds_are_nan_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "tile.tif"
    heights = tile_heights(TILE)
    heights[3, 4:9] = [-32768, -32767, -9999, np.nan, 12345]
    heights[39, 39] = np.inf
    write_tile(path, TILE, heights, nodata=12345.0)
    with opened(path) as file:
        got = read_heights(file, slice(0, ROWS), slice(0, ROWS))
    void = np.zeros((ROWS, ROWS), bool)
    void[3, 4:9] = void[39, 39] = True
    assert (np.isnan(got) == void).all()
    np.testing.assert_array_equal(got[~void], heights[~void])
    found = check_heights(path)
    assert found.void_px == 6
    assert found.least_m == heights[~void].min()
    write_tile(path, TILE, np.full((ROWS, ROWS), np.nan, np.float32))
    assert check_heights(path) == Heights(None, None, ROWS * ROWS)
