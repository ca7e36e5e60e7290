from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_elevation import glacier, put_tile, tile_heights
from matplotlib.colors import Normalize, to_rgb
from PIL import Image

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.model import build_elevation
from ssl4sar.acquire.elevation.tiles import Tile, tiles_of_area
from ssl4sar.acquire.elevation.voids import FILLED, MEASURED, SEA, VOID
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.report.degrees import longitude_label
from ssl4sar.report.elevation import (
    FLAGS,
    ElevationView,
    draw_elevation,
    elevation_picture,
    read_elevation,
)

CONFIG = ElevationConfig(margin_km=2.0, max_void_px=0)
BLUE = (0, 51, 160)
VOID_COLOUR = (204, 121, 167)
SEA_COLOUR = (183, 211, 230)
SCALE = Normalize(0, 1000)


def build(folder: Path, area: Glacier, sea: str = "") -> Path:
    for tile in tiles_of_area(area.area, CONFIG.margin_km):
        heights = tile_heights(tile)
        if tile == Tile(78, 10):
            heights[20, 25] = np.nan
        put_tile(folder, tile, None if tile.name == sea else heights)
    build_elevation(area, folder, folder / "made.tif", CONFIG)
    return folder / "made.tif"


def draw(path: Path, elevation: Path, area: Glacier) -> np.ndarray:
    draw_elevation(path, elevation, area, longest_px=400)
    return np.array(Image.open(path).convert("RGB"))


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_what_is_there_is_drawn_and_what_is_not_is_not(tmp_path: Path) -> None:
    area = glacier((10.3, 78.3, 11.6, 78.7))
    plain = draw(tmp_path / "a.png", build(tmp_path, area), area)
    assert has(plain, VOID_COLOUR) > 50
    assert has(plain, SEA_COLOUR) == 0
    marked = draw(tmp_path / "b.png", build(tmp_path, area, sea="N78_E011"), area)
    assert has(marked, SEA_COLOUR) > 5000


@pytest.mark.parametrize(
    ("boxes", "width_deg"),
    [
        ([(10.3, 78.3, 11.6, 78.7)], 1.3),
        ([(179.4, 70.3, 180.0, 70.6), (-180.0, 70.3, -179.2, 70.6)], 1.4),
    ],
)
def test_the_area_is_one_frame_in_the_middle(
    tmp_path: Path, boxes: list[tuple[float, float, float, float]], width_deg: float
) -> None:
    area = glacier(*boxes)
    elevation = build(tmp_path, area)
    picture = draw(tmp_path / "a.png", elevation, area)
    view = read_elevation(elevation, 400)
    rows, columns = np.nonzero((picture == BLUE).all(axis=2)[:-60])  # without the legend
    found = np.zeros(picture.shape[:2], bool)
    found[rows, columns] = True
    middle_row = (rows.min() + rows.max()) // 2
    edges = np.flatnonzero(found[middle_row])
    # Two upright lines and nothing between them: no seam at 180 degrees.
    assert np.diff(edges).max() > 100
    assert (np.diff(edges) > 5).sum() == 1
    share = width_deg / (view.east - view.west)
    assert np.ptp(edges) == pytest.approx(share * view.flags.shape[1], abs=4)


def test_a_pole_ward_sliver_and_a_sea_have_a_picture(tmp_path: Path) -> None:
    sliver = glacier((10.30, 78.1, 10.35, 78.9))
    picture = draw(tmp_path / "a.png", build(tmp_path, sliver), sliver)
    assert picture.shape[1] >= 560
    sea = glacier((10.3, 78.3, 10.6, 78.7))
    picture = draw(tmp_path / "b.png", build(tmp_path, sea, sea="N78_E010"), sea)
    assert has(picture, SEA_COLOUR) > 10_000


@pytest.mark.parametrize(
    ("lon", "text"),
    [
        (12.5, "12.5° E"),
        (-50.0, "50° W"),
        (180.0, "180°"),
        (180.5, "179.5° W"),
        (-180.5, "179.5° E"),
        (0.0, "0°"),
        (360.0, "0°"),
    ],
)
def test_longitudes_are_labelled_within_half_a_turn(lon: float, text: str) -> None:
    assert longitude_label(lon) == text


def made(heights: np.ndarray, flags: np.ndarray) -> ElevationView:
    return ElevationView(
        heights.astype(np.float32), flags.astype(np.uint8), 12.0, 78.0, 12.5, 78.1, {}
    )


def test_flags_have_their_colours_and_cast_no_shade() -> None:
    flags = np.full((8, 8), MEASURED)
    flags[0, :] = SEA
    flags[4, 4] = VOID
    flags[6, 1] = FILLED
    view = made(np.where(flags == VOID, np.nan, 100.0), flags)
    picture = elevation_picture(view, SCALE)
    for flag in (SEA, VOID, FILLED):
        np.testing.assert_allclose(
            picture[flags == flag], [to_rgb(FLAGS[flag][0])] * (flags == flag).sum()
        )
    assert np.ptp(picture[flags == MEASURED], axis=0).max() == 0


def test_the_sun_is_in_the_north_west() -> None:
    rows, columns = np.indices((20, 20))
    heights = 10.0 * (rows + columns)  # falls towards the north-west
    flags = np.full((20, 20), MEASURED)
    lit, shaded = (
        elevation_picture(made(500 + sign * heights, flags), Normalize(0, 1e6)) for sign in (1, -1)
    )
    assert (lit.mean(axis=(0, 1)) > shaded.mean(axis=(0, 1))).all()


def test_a_single_void_pixel_is_seen_in_a_small_picture(tmp_path: Path) -> None:
    area = glacier((10.2, 78.2, 11.8, 78.8))
    for tile in tiles_of_area(area.area, 0):
        heights = tile_heights(tile, 400, rows=400)
        if tile == Tile(78, 10):
            heights[200, 301] = np.nan
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


@pytest.mark.parametrize("flag", [SEA, VOID])
def test_a_model_without_land_is_painted(flag: int) -> None:
    heights = np.full((4, 6), 30.0 if flag == SEA else np.nan)
    view = made(heights, np.full((4, 6), flag))
    picture = elevation_picture(view, SCALE)
    np.testing.assert_allclose(picture.reshape(-1, 3), [to_rgb(FLAGS[flag][0])] * 24)


def test_what_is_no_elevation_model_is_refused(tmp_path: Path) -> None:
    put_tile(tmp_path, Tile(78, 10), tile_heights(Tile(78, 10)))
    with pytest.raises(UserError, match="not an elevation model with flags"):
        read_elevation(tmp_path / "N78_E010.tif", 100)
    with pytest.raises(UserError, match="not a complete raster"):
        read_elevation(tmp_path / "none.tif", 100)
