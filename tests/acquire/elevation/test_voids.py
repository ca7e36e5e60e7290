from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ssl4sar.acquire.elevation.voids import FILLED, MEASURED, SEA, VOID, VoidCount, fill_voids


def with_void(
    void: NDArray[np.bool_], plane: tuple[float, float] = (2.0, -3.0)
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]]:
    rows, columns = np.indices(void.shape)
    truth = np.asarray(500 + plane[0] * rows + plane[1] * columns, np.float32)
    heights = np.where(void, np.float32(np.nan), truth).astype(np.float32)
    return heights, np.where(void, VOID, MEASURED).astype(np.uint8), truth


def test_a_void_in_a_slope_continues_it() -> None:
    void = np.zeros((20, 30), bool)
    void[5:12, 8:19] = True
    heights, flags, truth = with_void(void)
    assert fill_voids(heights, flags, 10) == VoidCount(1, 77, 0, 0)
    np.testing.assert_allclose(heights, truth, atol=0.01)
    assert (flags == np.where(void, FILLED, MEASURED)).all()


def test_a_void_is_filled_whole_or_not_at_all() -> None:
    void = np.zeros((40, 40), bool)
    void[2:5, 2:5] = True  # its centre is 2 pixels from a height
    void[10:31, 10:31] = True  # 11 pixels
    heights, flags, truth = with_void(void)
    assert fill_voids(heights, flags, 10) == VoidCount(1, 9, 1, 441)
    np.testing.assert_allclose(heights[2:5, 2:5], truth[2:5, 2:5], atol=0.01)
    assert np.isnan(heights[10:31, 10:31]).all()
    assert (flags[10:31, 10:31] == VOID).all()
    assert fill_voids(heights, flags, 11) == VoidCount(1, 441, 0, 0)
    np.testing.assert_allclose(heights, truth, atol=0.05)


def test_voids_that_touch_by_a_corner_are_one() -> None:
    void = np.zeros((6, 6), bool)
    void[2, 2] = void[3, 3] = True
    heights, flags, truth = with_void(void)
    assert fill_voids(heights, flags, 1) == VoidCount(1, 2, 0, 0)
    np.testing.assert_allclose(heights, truth, atol=0.01)


def test_the_edge_of_the_model_is_no_rim() -> None:
    void = np.zeros((30, 6), bool)
    void[10:] = True  # reaches three edges; its far end is 20 pixels from a height
    heights, flags, truth = with_void(void, (0.0, 0.0))
    assert fill_voids(heights, flags, 19).left == 1
    assert fill_voids(heights, flags, 20).filled == 1
    np.testing.assert_allclose(heights, truth, atol=0.01)


def test_sea_is_a_rim_and_stays_sea() -> None:
    heights = np.zeros((3, 5), np.float32)
    flags = np.full((3, 5), SEA, np.uint8)
    heights[1, 2], flags[1, 2] = np.nan, VOID
    fill_voids(heights, flags, 3)
    assert heights[1, 2] == 0
    assert flags[1, 2] == FILLED
    assert (np.delete(flags.ravel(), 7) == SEA).all()


def test_a_model_of_voids_alone_stays_void() -> None:
    heights, flags, _ = with_void(np.ones((6, 7), bool))
    assert fill_voids(heights, flags, 1000) == VoidCount(0, 0, 1, 42)
    assert np.isnan(heights).all()


@given(arrays(bool, (9, 11)), st.integers(0, 6))
def test_heights_stay_within_the_measured_ones(void: NDArray[np.bool_], limit: int) -> None:
    if void.all():
        return
    rng = np.random.default_rng(3)
    before = rng.uniform(-50, 900, void.shape).astype(np.float32)
    heights = np.where(void, np.float32(np.nan), before)
    flags = np.where(void, VOID, MEASURED).astype(np.uint8)
    count = fill_voids(heights, flags, limit)
    assert (heights[~void] == before[~void]).all()
    assert (np.isnan(heights) == (flags == VOID)).all()
    assert count.filled_px == (flags == FILLED).sum()
    assert count.left_px == (flags == VOID).sum()
    filled = heights[flags == FILLED]
    assert (filled >= before[~void].min() - 1e-2).all()
    assert (filled <= before[~void].max() + 1e-2).all()
