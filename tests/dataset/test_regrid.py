from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.zones import GLACIER, NA, OCEAN, ROCK
from ssl4sar.dataset.regrid import Regrid, regrid_front, regrid_image, regrid_zones, thin

SHAPES = st.tuples(st.integers(1, 14), st.integers(1, 14))
PIXEL_SIZES = st.integers(1, 12)
EIGHT = np.ones((3, 3))


def zones_of(shape: tuple[int, int]) -> st.SearchStrategy[NDArray[np.uint8]]:
    return hnp.arrays(np.uint8, shape, elements=st.integers(0, 3))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int, int]:
    shape = draw(SHAPES)
    image = draw(hnp.arrays(np.uint8, shape))
    return image, draw(zones_of(shape)), draw(PIXEL_SIZES), draw(PIXEL_SIZES)


def overlap_m(index: int, size_m: int, other: int, other_m: int) -> int:
    return max(
        0, min((index + 1) * size_m, (other + 1) * other_m) - max(index * size_m, other * other_m)
    )


def slow_area(values: NDArray[np.uint8], shape: tuple[int, int], source_m: int, target_m: int):
    """Sum pixel by pixel, by the definition."""
    total = np.zeros(shape, int)
    for (row, column), _ in np.ndenumerate(total):
        for (r, c), value in np.ndenumerate(values):
            height = overlap_m(row, target_m, r, source_m)
            total[row, column] += int(value) * height * overlap_m(column, target_m, c, source_m)
    return total


@given(scenes())
def test_sums_follow_the_definition(scene: tuple) -> None:
    image, _zones, source_m, target_m = scene
    grid = Regrid.between(image.shape, source_m, target_m)
    if grid.shape[0] * grid.shape[1] * image.size > 20_000:
        return
    np.testing.assert_array_equal(
        grid.area(image), slow_area(image, grid.shape, source_m, target_m)
    )
    np.testing.assert_array_equal(
        grid.covered(), slow_area(np.ones_like(image), grid.shape, source_m, target_m)
    )


@given(SHAPES, PIXEL_SIZES, PIXEL_SIZES)
def test_the_grid_has_the_rounded_size(
    shape: tuple[int, int], source_m: int, target_m: int
) -> None:
    grid = Regrid.between(shape, source_m, target_m)
    for new, old in zip(grid.shape, shape, strict=True):
        assert new == max(1, floor(Fraction(old * source_m, target_m) + Fraction(1, 2)))
    # Every pixel at the border still covers at least half of itself, where there is room.
    if min(shape) * source_m * 2 >= target_m:
        assert (4 * grid.covered() >= target_m**2).all()


@given(st.data(), st.integers(1, 4), st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_whole_factors_average_blocks_exactly(
    data: st.DataObject, factor: int, blocks: tuple[int, int]
) -> None:
    shape = (blocks[0] * factor, blocks[1] * factor)
    image = data.draw(hnp.arrays(np.uint8, shape))
    grid = Regrid.between(shape, 5, 5 * factor)
    # The mass is conserved before rounding, in integers.
    assert grid.area(image).sum() == 25 * int(image.sum(dtype=int))
    mean = image.reshape(blocks[0], factor, blocks[1], factor).mean((1, 3))
    new = regrid_image(grid, image, np.full(shape, OCEAN, np.uint8))
    np.testing.assert_array_equal(new, np.floor(mean + 0.5))


@given(scenes())
def test_no_class_is_invented(scene: tuple) -> None:
    image, zones, source_m, target_m = scene
    grid = Regrid.between(image.shape, source_m, target_m)
    new = regrid_zones(grid, zones)
    for label in np.unique(new):
        touched = grid.area(zones == label)
        assert (touched[new == label] > 0).all()
        # At least as large a share as every other class.
        for other in range(4):
            assert (touched >= grid.area(zones == other))[new == label].all()


@given(scenes(), st.integers(1, 4))
def test_equal_and_smaller_pixels_by_a_whole_factor_repeat(scene: tuple, factor: int) -> None:
    image, zones, _, _ = scene
    grid = Regrid.between(image.shape, 6 * factor, 6)
    np.testing.assert_array_equal(
        regrid_zones(grid, zones), np.kron(zones, np.ones((factor, factor), np.uint8))
    )
    np.testing.assert_array_equal(
        regrid_image(grid, image, zones), np.kron(image, np.ones((factor, factor), np.uint8))
    )


def test_zones_by_majority_and_ties_by_the_centre() -> None:
    zones = np.array([[2, 2, 3, 3], [3, 2, 2, 3], [0, 1, 1, 1], [1, 0, 1, 2]], np.uint8)
    grid = Regrid.between((4, 4), 10, 20)
    # Upper right: glacier 1, ocean 3. Lower left: a tie of NA and rock; the pixel right below
    # the centre is NA.
    np.testing.assert_array_equal(regrid_zones(grid, zones), [[2, 3], [0, 1]])


def test_pixels_without_data_do_not_darken_the_edge_of_the_swath() -> None:
    image = np.array([[0, 100, 100, 100], [0, 100, 100, 100], [0, 0, 0, 0], [0, 0, 0, 90]], "u1")
    outside = np.where(image == 0, NA, GLACIER).astype(np.uint8)
    grid = Regrid.between((4, 4), 10, 20)
    np.testing.assert_array_equal(regrid_image(grid, image, outside), [[100, 100], [0, 0]])
    # The same greys on ground: dark pixels count.
    ground = np.full((4, 4), ROCK, np.uint8)
    np.testing.assert_array_equal(regrid_image(grid, image, ground), [[50, 100], [0, 23]])
    # Shadow and layover are NA too, but their greys are measured.
    shadow = np.full((2, 2), NA, np.uint8)
    grid = Regrid.between((2, 2), 10, 20)
    np.testing.assert_array_equal(regrid_image(grid, np.full((2, 2), 7, "u1"), shadow), [[7]])


def glacier_beside_ocean(size: int, slope: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rows, columns = np.indices((size, size))
    zones = np.where(columns < size / 2 + slope * (rows - size / 2), GLACIER, OCEAN)
    glacier = zones == GLACIER
    beside = ndimage.binary_dilation(glacier) & ~glacier
    return zones.astype(np.uint8), beside.astype(np.uint8) * 255


@pytest.mark.parametrize("slope", [0.0, 0.3, -0.8])
@pytest.mark.parametrize("target_m", [5, 10, 17, 33, 80])
def test_the_front_is_a_thin_line_where_it_was(slope: float, target_m: int) -> None:
    zones, front = glacier_beside_ocean(160, slope)
    grid = Regrid.between(zones.shape, 10, target_m)
    new_zones = regrid_zones(grid, zones)
    new = regrid_front(grid, front, new_zones)
    assert set(np.unique(new)) == {0, 255}
    line = new == 255
    assert (new_zones[line] == OCEAN).all()
    assert ndimage.label(line, EIGHT)[1] == 1
    np.testing.assert_array_equal(
        line, ndimage.binary_dilation(new_zones == GLACIER) & (new_zones == OCEAN)
    )
    # In place: within two new pixels of the labelled front, in metres.
    far_m = ndimage.distance_transform_edt(front == 0) * 10
    rows, columns = (np.argwhere(line).T * 2 + 1) * target_m // 20
    assert far_m[np.minimum(rows, 159), np.minimum(columns, 159)].max() <= 2.5 * max(target_m, 10)


def test_only_the_labelled_part_of_the_limit_is_front() -> None:
    zones, front = glacier_beside_ocean(200, 0.0)
    front[100:] = 0
    grid = Regrid.between(zones.shape, 10, 20)
    rows = regrid_front(grid, front, regrid_zones(grid, zones)).any(axis=1).nonzero()[0]
    assert (rows.min(), rows.max()) == (0, 51)


def test_a_front_never_vanishes() -> None:
    zones = np.full((60, 60), GLACIER, np.uint8)
    zones[29:31] = OCEAN  # too narrow an inlet for the new pixels
    front = np.zeros((60, 60), np.uint8)
    front[30, 10:50] = 255
    grid = Regrid.between((60, 60), 10, 80)
    new_zones = regrid_zones(grid, zones)
    assert (new_zones == GLACIER).all()
    new = regrid_front(grid, front, new_zones) > 0
    assert new.sum(axis=1).tolist() == [0, 0, 0, 6, 0, 0, 0, 0]


def test_a_front_in_the_dropped_edge_is_kept() -> None:
    front = np.zeros((23, 40), np.uint8)
    front[22, 5:30] = 255
    zones = np.full((23, 40), ROCK, np.uint8)
    grid = Regrid.between((23, 40), 10, 100)
    assert grid.shape == (2, 4)
    new = regrid_front(grid, front, regrid_zones(grid, zones)) > 0
    assert new.any()
    assert not new[0].any()


@given(st.data(), PIXEL_SIZES, PIXEL_SIZES)
def test_fronts_exist_exactly_where_there_was_one(
    data: st.DataObject, source_m: int, target_m: int
) -> None:
    shape = data.draw(SHAPES)
    zones = data.draw(zones_of(shape))
    front = data.draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 255])))
    grid = Regrid.between(shape, source_m, target_m)
    new = regrid_front(grid, front, regrid_zones(grid, zones))
    assert new.shape == grid.shape
    assert new.any() == front.any()


@given(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_thinning_keeps_pieces_and_removes_blocks(mask: NDArray[np.bool_]) -> None:
    thinned = thin(mask)
    assert not (thinned & ~mask).any()
    labels, count = ndimage.label(mask, EIGHT)
    assert ndimage.label(thinned, EIGHT)[1] == count
    assert set(labels[thinned]) == set(range(1, count + 1))
    np.testing.assert_array_equal(thin(thinned), thinned)
    thick = np.zeros((9, 20), bool)
    thick[3:6, 2:18] = True
    assert (thin(thick).sum(axis=0) <= 1).all()
    assert thin(thick).sum() >= 10
