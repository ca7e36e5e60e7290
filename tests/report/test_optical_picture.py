"""The optical image of a glacier in natural colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl4sar.core.grid import Grid
from ssl4sar.core.pair_layout import BANDS
from ssl4sar.report.optical_picture import NO_DATA, draw_optical, natural_colours
from ssl4sar.stack.record import StackRecord

xarray = pytest.importorskip("xarray")
GRID = Grid.snapped((500_000, 7_700_000, 501_200, 7_700_800), 20, "EPSG:32622")


@pytest.fixture
def image():
    """Red rock on the left, blue water on the right, no data in a corner."""
    values = np.full((len(BANDS), *GRID.shape), 100.0, np.float32)
    values[BANDS.index("B4"), :, :30] = 3000
    values[BANDS.index("B2"), :, 30:] = 3000
    values[BANDS.index("B3"), :5, :5] = np.nan
    attrs = {"day": "2018-08-01"}
    return xarray.DataArray(values, {"band": list(BANDS)}, ("band", "y", "x"), attrs=attrs)


def test_colours_are_those_of_the_bands_and_no_data_is_marked(image) -> None:
    picture = natural_colours(image)
    assert picture.shape == (*GRID.shape, 3)
    assert tuple(picture[20, 10]) == (255, 0, 0)
    assert tuple(picture[20, 50]) == (0, 0, 255)
    missing = (picture == NO_DATA).all(2)
    np.testing.assert_array_equal(missing, np.isnan(image.sel(band="B3").values))
    np.testing.assert_array_equal(natural_colours(image, 4), picture[::4, ::4])
    assert (natural_colours(image * np.nan) == NO_DATA).all()


def test_the_picture_is_the_same_each_time(image, tmp_path: Path) -> None:
    stack = StackRecord(glacier="Somewhere", grid=GRID.to_json(), scenes=())
    for name in ("a.png", "b.png"):
        draw_optical(tmp_path / name, image, stack)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # Half of the map is rock, but for what is not known.
    red = (pixels == (255, 0, 0)).all(2).sum()
    blue = (pixels == (0, 0, 255)).all(2).sum()
    assert red > 50_000
    assert red / blue == pytest.approx(1 - 25 / (30 * 40), abs=0.03)
