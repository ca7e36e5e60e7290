from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_elevation import glacier, put_tile, tile_heights
from PIL import Image

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.model import build_elevation
from ssl4sar.acquire.elevation.tiles import Tile, tiles_of_area
from ssl4sar.config.services import ElevationConfig
from ssl4sar.report.degrees import longitude_label
from ssl4sar.report.elevation import draw_elevation
from ssl4sar.report.elevation_view import read_elevation

CONFIG = ElevationConfig(margin_km=2.0, max_void_px=0)
BLUE = (0, 51, 160)
VOID = (204, 121, 167)
SEA = (183, 211, 230)


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
    assert has(plain, VOID) > 50
    assert has(plain, SEA) == 0
    marked = draw(tmp_path / "b.png", build(tmp_path, area, sea="N78_E011"), area)
    assert has(marked, SEA) > 5000


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
    assert has(picture, SEA) > 10_000


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
