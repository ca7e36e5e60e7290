"""Connected pieces of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from ssl4sar.core.pieces import drop_small_pieces, largest_piece

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    return [labels == label for label in range(1, count + 1)]


@given(MASKS, st.floats(0.5, 12))
def test_only_whole_pieces_of_enough_pixels_stay(mask: np.ndarray, min_px: float) -> None:
    before = mask.copy()
    expected = np.zeros_like(mask)
    for piece in pieces(mask):
        if piece.sum() >= min_px:
            expected |= piece
    np.testing.assert_array_equal(drop_small_pieces(mask, min_px), expected)
    np.testing.assert_array_equal(mask, before)


@given(MASKS)
def test_the_largest_piece_is_the_first_of_the_largest(mask: np.ndarray) -> None:
    found = pieces(mask)
    expected = max(found, key=np.sum) if found else np.zeros_like(mask)
    np.testing.assert_array_equal(largest_piece(mask), expected)


@pytest.mark.parametrize("min_px", [0, 1])
def test_the_background_is_no_piece(min_px: int) -> None:
    mask = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(drop_small_pieces(mask, min_px), mask)
