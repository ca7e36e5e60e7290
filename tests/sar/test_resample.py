"""Averages and samples of linear power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.sar.resample import multilook, sample

RNG = np.random.default_rng(0)
IMAGE = RNG.gamma(2, 1, (13, 17)).astype(np.float32)


@pytest.mark.parametrize("looks", [(1, 1), (2, 2), (3, 1), (1, 4)])
def test_looks_are_means_of_power(looks: tuple[int, int]) -> None:
    rows, columns = IMAGE.shape[0] // looks[0], IMAGE.shape[1] // looks[1]
    found = multilook(IMAGE, looks)
    assert found.shape == (rows, columns)
    for row, column in np.ndindex(rows, columns):
        block = IMAGE[row * looks[0] :, column * looks[1] :][: looks[0], : looks[1]]
        assert found[row, column] == pytest.approx(block.mean(), rel=1e-6)


def test_a_block_with_an_unmeasured_pixel_has_no_value() -> None:
    image = IMAGE.copy()
    image[4, 7] = np.nan
    found = multilook(image, (2, 2))
    assert np.argwhere(np.isnan(found)).tolist() == [[2, 3]]


@given(row=st.floats(0, 12), column=st.floats(0, 16))
def test_a_plane_is_sampled_exactly(row: float, column: float) -> None:
    rows, columns = np.mgrid[:13, :17].astype(np.float32)
    found = sample(2 + 3 * rows - columns, np.array([row]), np.array([column]))
    assert found[0] == pytest.approx(2 + 3 * row - column, abs=1e-4)


def test_beside_the_image_and_at_unknown_places_there_is_no_value() -> None:
    row = np.array([[-0.01, 12.01, 5, 5, np.nan, 0]])
    column = np.array([[5, 5, -0.01, 16.01, 5, 16]])
    found = sample(IMAGE, row, column)
    assert np.isnan(found[0, :5]).all()
    assert found[0, 5] == IMAGE[0, 16]


def test_neighbours_without_a_value_do_not_count() -> None:
    image = np.array([[1, 2], [3, np.nan]], np.float32)
    found = sample(image, np.array([0.5, 0.0, 0.9]), np.array([0.5, 1.0, 0.9]))
    assert found[0] == pytest.approx(2.0)
    assert found[1] == 2.0
    assert np.isnan(found[2])


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_images_of_one_row_or_column_are_sampled(shape: tuple[int, int]) -> None:
    image = np.arange(1, 1 + shape[0] * shape[1], dtype=np.float32).reshape(shape)
    row, column = np.array([(shape[0] - 1) / 2]), np.array([(shape[1] - 1) / 2])
    assert sample(image, row, column)[0] == pytest.approx(image.mean())
