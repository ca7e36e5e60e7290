"""Pixel grids: values, lattices, windows, and what lengths may be measured on."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid, crs_at

UTM = Grid.at(500000.0, 7600000.0, 20.0, (40, 50), "EPSG:32622")
TURNED = (14.0, 14.0, 500000.0, 14.0, -14.0, 7600000.0)
whole = st.integers(-500, 500)


def test_a_grid_says_where_its_pixels_are() -> None:
    grid = Grid.centred(100.0, 60.0, 20.0)
    assert (grid.shape, grid.crs, grid.spacing, grid.spacing_m) == ((3, 5), None, 20, None)
    np.testing.assert_allclose(grid.x(), [[-40, -20, 0, 20, 40]])
    np.testing.assert_allclose(grid.y()[:, 0], [20, 0, -20])
    assert grid.bounds == (grid.left, grid.bottom, grid.right, grid.top) == (-50, -30, 50, 30)
    assert (grid.column(-50), grid.row(-30)) == (0, 3)
    assert grid.place(1, 1) == (-30, 10)


def test_equal_grids_are_one_value_that_travels() -> None:
    again = Grid.from_json(json.loads(json.dumps(UTM.to_json())))
    assert again == UTM == pickle.loads(pickle.dumps(UTM))
    assert len({UTM, again, replace(UTM, crs=None)}) == 2
    with pytest.raises(AttributeError):
        again.height = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"height": 0}, ValueError),
        ({"transform": [1, 0, 0, 0, 0, 0]}, ValueError),
        ({"transform": [1, 0, 0, 0, float("nan"), 0]}, ValueError),
        ({"transform": [1, 0, 0]}, ValueError),
        ({"colour": 1}, TypeError),
    ],
)
def test_what_is_not_a_grid_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Grid.from_json({**UTM.to_json(), **change})


@given(whole, whole, st.integers(1, 300), st.sampled_from([0.1, 10.0, 20 / 3, 20.0]))
def test_snapped_grids_cover_their_area_on_one_lattice(
    left: int, bottom: int, size: int, spacing: float
) -> None:
    area = (left + 0.3, bottom + 0.1, left + size + 0.4, bottom + size + 0.6)
    grid = Grid.snapped(area, spacing, "EPSG:32622")
    close = 1e-6
    assert -close < area[0] - grid.left < spacing + close
    assert -close < area[1] - grid.bottom < spacing + close
    assert -close < grid.right - area[2] < spacing + close
    assert -close < grid.top - area[3] < spacing + close
    assert grid.left / spacing == pytest.approx(round(grid.left / spacing), abs=close)
    # A grid on the lattice stays what it is.
    assert Grid.snapped(grid.bounds, spacing, "EPSG:32622").shape == grid.shape
    with pytest.raises(ValueError, match="left, bottom, right, top"):
        Grid.snapped((area[2], area[1], area[0], area[3]), spacing)


@given(whole, whole, st.integers(1, 60), st.integers(1, 60), st.integers(0, 9))
def test_windows_are_the_pixels_that_two_grids_share(
    row: int, column: int, height: int, width: int, border: int
) -> None:
    other = UTM.crop(slice(row, row + height), slice(column, column + width)).pad(border)
    assert other.pad(-border).pad(border) == other
    pixels = np.zeros((2, 1200, 1200), bool)
    pixels[0, 560:600, 560:610] = True
    rows, columns = row + 560 - border, column + 560 - border
    pixels[1, rows : rows + other.height, columns : columns + other.width] = True
    common = UTM.overlap(other)
    if common is None:
        assert not pixels.all(axis=0).any()
        return
    assert np.array_equal(
        pixels.all(axis=0)[560:600, 560:610].nonzero()[0],
        np.repeat(np.arange(common[0].start, common[0].stop), common[1].stop - common[1].start),
    )
    theirs = other.overlap(UTM)
    assert theirs is not None
    assert UTM.crop(*common) == other.crop(*theirs)


def test_grids_of_other_lattices_have_no_common_window() -> None:
    for moved in (Grid.at(500010.0, 7600000.0, 20.0, (40, 50), UTM.crs), UTM.resized((4, 5), 2)):
        with pytest.raises(ValueError, match="not of one lattice"):
            UTM.overlap(moved)
    assert UTM.resized((20, 25), 2).bounds == UTM.bounds


def test_the_grid_of_known_edges_and_size() -> None:
    assert Grid.of_bounds(UTM.bounds, UTM.shape, UTM.crs) == UTM


def test_differences_of_size_reference_or_place() -> None:
    from rasterio.crs import CRS

    def fault(**change: object) -> str | None:
        return UTM.difference(replace(UTM, **change), "its mask")

    assert fault() is fault(crs=None) is fault(crs=CRS.from_epsg(32622).to_wkt()) is None
    assert fault(height=41) == "the image is 40x50 px, its mask 41x50 px"
    assert fault(crs="EPSG:32623") == "the image is in EPSG:32622, its mask in EPSG:32623"
    assert "up to 0.5 pixels off its mask" in str(fault(transform=(20, 0, 500010, 0, -20, 7600000)))
    assert "up to 0.05 pixels off" in str(fault(transform=(20.02, 0, 500000, 0, -20, 7600000)))


@given(st.floats(-0.19, 0.19), st.floats(-0.19, 0.19))
def test_rounding_in_a_transform_is_not_a_difference(east: float, north: float) -> None:
    moved = Grid.at(500000.0 + east / 2, 7600000.0 + north / 2, 20.0, (40, 50), UTM.crs)
    assert UTM.difference(moved, "its mask") is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"crs": None}, "no reference system"),
        ({"crs": "EPSG:4326"}, "EPSG:4326 is in degrees"),
        ({"transform": TURNED}, "rotated or not north up"),
        ({"transform": (20.0, 0.0, 0.0, 0.0, 20.0, 0.0)}, "not north up"),
        ({"transform": (20.0, 0.0, 0.0, 0.0, -30.0, 0.0)}, "pixels are 20 x 30, not square"),
    ],
)
def test_lengths_need_square_north_up_pixels_in_metres(
    change: dict[str, Any], problem: str
) -> None:
    assert UTM.require_metres("a.tif") == 20
    feet = replace(UTM, crs="EPSG:2225")
    assert feet.require_metres("a.tif") == pytest.approx(20 * 0.3048, rel=1e-4)
    with pytest.raises(UserError, match=f"a.tif: .*{problem}") as caught:
        replace(UTM, **change).require_metres("a.tif")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("longitude", "latitude", "crs"),
    [
        (-49.8, 69.2, "EPSG:32622"),  # Jakobshavn
        (-147.0, 61.1, "EPSG:32606"),  # Columbia
        (-62.3, -65.4, "EPSG:32720"),
        (5.0, 60.0, "EPSG:32632"),  # Bergen
        (12.5, 79.0, "EPSG:32633"),  # Kongsfjord
        (20.9, 80.0, "EPSG:32633"),
        (21.1, 80.0, "EPSG:32635"),
        (180.0, 71.0, "EPSG:32601"),
        (-180.0, 71.0, "EPSG:32601"),
        (539.9, 71.0, "EPSG:32660"),
        (0.0, 85.0, "EPSG:3413"),
        (0.0, -81.0, "EPSG:3031"),
    ],
)
def test_every_position_has_a_system_in_metres(longitude: float, latitude: float, crs: str) -> None:
    assert crs_at(longitude, latitude) == crs
    assert Grid.at(0, 0, 20, (1, 1), crs).spacing_m == 20
