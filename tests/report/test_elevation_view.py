from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_elevation import glacier, put_tile, tile_heights

from ssl4sar.acquire.elevation.model import build_elevation
from ssl4sar.acquire.elevation.tiles import Tile, tiles_of_area
from ssl4sar.acquire.elevation.voids import FILLED, MEASURED, SEA, VOID
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.report.elevation_view import (
    FLAG_COLOURS,
    ElevationView,
    elevation_picture,
    height_scale,
    hillshade,
    read_elevation,
)


def made(heights: np.ndarray, flags: np.ndarray) -> ElevationView:
    return ElevationView(
        heights.astype(np.float32), flags.astype(np.uint8), 12.0, 78.0, 12.5, 78.1, {}
    )


def rgb(colour: str) -> list[float]:
    return [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]


@pytest.mark.parametrize("voids", [1, 9])
def test_a_single_void_pixel_is_seen_in_a_small_picture(tmp_path: Path, voids: int) -> None:
    area = glacier((10.2, 78.2, 11.8, 78.8))
    for tile in tiles_of_area(area.area, 0):
        heights = tile_heights(tile, 400, rows=400)
        if tile == Tile(78, 10):
            heights[200 : 200 + voids, 301] = np.nan
        put_tile(tmp_path, tile, heights)
    config = ElevationConfig(margin_km=0, max_void_px=0)
    build_elevation(area, tmp_path, tmp_path / "a.tif", config)
    view = read_elevation(tmp_path / "a.tif", 80)
    row, column = np.argwhere(view.flags == VOID)[0]
    lon = view.west + (column + 0.5) / view.flags.shape[1] * (view.east - view.west)
    lat = view.north - (row + 0.5) / view.flags.shape[0] * (view.north - view.south)
    assert lon == pytest.approx(10 + 301 / 400, abs=0.03)
    assert lat == pytest.approx(79 - 200 / 400, abs=0.02)


@pytest.mark.parametrize("longest_px", [30, 700])
def test_pixels_of_the_picture_are_square_on_the_ground(tmp_path: Path, longest_px: int) -> None:
    area = glacier((10.2, 78.2, 11.8, 78.8))
    for tile in tiles_of_area(area.area, 0):
        put_tile(tmp_path, tile, tile_heights(tile))
    build_elevation(area, tmp_path, tmp_path / "a.tif", ElevationConfig(margin_km=0))
    view = read_elevation(tmp_path / "a.tif", longest_px)
    height_px, width_px = view.heights_m.shape
    assert max(height_px, width_px) == longest_px
    height_km = (view.north - view.south) * 111.195
    assert view.width_km / width_px == pytest.approx(height_km / height_px, rel=0.04)


def test_the_sun_is_in_the_north_west() -> None:
    rows, columns = np.indices((20, 20))
    to_north_west = hillshade((rows + columns) * 10.0, 30.0)  # falls towards the north-west
    to_south_east = hillshade(-(rows + columns) * 10.0, 30.0)
    assert (to_north_west > 1.0).all()
    assert (to_south_east < 0.6).all()
    np.testing.assert_allclose(hillshade(np.full((5, 5), 80.0), 30.0), 1.0)


def test_flags_have_their_colours_and_land_has_none_of_them() -> None:
    flags = np.full((8, 8), MEASURED)
    flags[0, :] = SEA
    flags[4, 4] = VOID
    flags[6, 1] = FILLED
    heights = np.where(flags == VOID, np.nan, 100.0)
    view = made(heights, flags)
    picture = elevation_picture(view, height_scale(view))
    np.testing.assert_allclose(picture[0], [rgb(FLAG_COLOURS[SEA])] * 8)
    np.testing.assert_allclose(picture[4, 4], rgb(FLAG_COLOURS[VOID]))
    np.testing.assert_allclose(picture[6, 1], rgb(FLAG_COLOURS[FILLED]))
    assert np.ptp(picture[flags == MEASURED], axis=0).max() == 0
    assert not np.isnan(picture).any()


def test_a_void_casts_no_shade() -> None:
    flags = np.full((9, 9), MEASURED)
    flags[3:6, 3:6] = VOID
    view = made(np.where(flags == VOID, np.nan, 900.0), flags)
    picture = elevation_picture(view, height_scale(view))
    assert np.ptp(picture[flags == MEASURED], axis=0).max() == 0


@pytest.mark.parametrize("flag", [SEA, VOID])
def test_a_model_without_land_is_painted(flag: int) -> None:
    heights = np.full((4, 6), 30.0 if flag == SEA else np.nan)
    view = made(heights, np.full((4, 6), flag))
    picture = elevation_picture(view, height_scale(view))
    np.testing.assert_allclose(picture.reshape(-1, 3), [rgb(FLAG_COLOURS[flag])] * 24)


def test_what_is_no_elevation_model_is_refused(tmp_path: Path) -> None:
    put_tile(tmp_path, Tile(78, 10), tile_heights(Tile(78, 10)))
    with pytest.raises(UserError, match="not an elevation model with flags"):
        read_elevation(tmp_path / "N78_E010.tif", 100)
    with pytest.raises(UserError, match="not a complete raster"):
        read_elevation(tmp_path / "none.tif", 100)
