"""Overlays: what is in them, where, and that equal input gives equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.report.figure_file import scale_bar_km
from ssl4sar.report.overlay import (
    PREDICTED_COLOUR,
    TRUE_COLOUR,
    front_picture,
    picture_shape,
    write_overlay,
)

HEIGHT_PX, WIDTH_PX = 90, 120


def columns_of(picture: np.ndarray, colour: tuple[int, int, int], row: int) -> np.ndarray:
    return np.flatnonzero((picture[row] == colour).all(axis=1))


@pytest.mark.parametrize("factor", [0.5, 1, 3.7])
def test_lines_lie_on_their_fronts_and_are_visible(view, factor: float) -> None:
    shape = (round(HEIGHT_PX * factor), round(WIDTH_PX * factor))
    picture = front_picture(view(40, 90), shape)
    row = shape[0] // 2
    for colour, column in ((TRUE_COLOUR, 40), (PREDICTED_COLOUR, 90)):
        found = columns_of(picture, colour, row)
        assert len(found) >= 3
        assert found.mean() == pytest.approx((column + 0.5) * factor, abs=1)
    # Without gaps along the line.
    inside = slice(round(12 * factor), round(78 * factor))
    assert (picture[inside] == PREDICTED_COLOUR).all(axis=2).any(axis=1).all()


def test_fronts_that_agree_are_both_seen(view) -> None:
    picture = front_picture(view(60, 60), (HEIGHT_PX * 3, WIDTH_PX * 3))
    for colour in (TRUE_COLOUR, PREDICTED_COLOUR):
        assert len(columns_of(picture, colour, 135)) >= 2


def test_predicted_front_is_seen_only_within_the_box(view) -> None:
    picture = front_picture(view(40, 90), (HEIGHT_PX * 2, WIDTH_PX * 2))
    assert len(columns_of(picture, PREDICTED_COLOUR, 2)) == 0
    assert len(columns_of(picture, TRUE_COLOUR, 2)) > 0


def test_no_front_paints_no_line(view) -> None:
    picture = front_picture(view(40, 120), (HEIGHT_PX, WIDTH_PX))
    assert not (picture == PREDICTED_COLOUR).all(axis=2).any()


def test_overlay_size_and_repeatability(view, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        write_overlay(tmp_path / name, view(40, 44), 600)
    one = (tmp_path / "one.png").read_bytes()
    assert one == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as image:
        assert image.width >= 600
        assert 450 < image.height < 600
        assert "Software" not in image.info
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_synthetic_scenes_carry_a_mark(view, tmp_path: Path) -> None:
    for synthetic in (True, False):
        write_overlay(tmp_path / f"{synthetic}.png", view(40, 44, synthetic=synthetic), 500)
    pictures = {
        synthetic: np.array(Image.open(tmp_path / f"{synthetic}.png").convert("RGB")).astype(int)
        for synthetic in (True, False)
    }
    yellow = {
        key: (np.abs(picture - (240, 228, 66)).sum(axis=2) < 6).sum()
        for key, picture in pictures.items()
    }
    assert yellow[False] == 0
    assert yellow[True] > 1000


@pytest.mark.parametrize(
    ("width_km", "bar_km"), [(30, 5), (10, 2), (9, 1), (1.2, 0.2), (260, 50), (5, 1)]
)
def test_scale_bars_are_round(width_km: float, bar_km: float) -> None:
    assert scale_bar_km(width_km) == pytest.approx(bar_km)


def test_picture_keeps_the_shape_of_the_scene() -> None:
    assert picture_shape((2107, 4476), 1000) == (471, 1000)
    assert picture_shape((400, 200), 1000) == (1000, 500)
