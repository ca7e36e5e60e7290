"""The connected pieces of a mask; pixels that touch at an edge or a corner are connected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT: Final = np.ones((3, 3), bool)
# NumPy widens the labels to 64 bits to count them; a few million at a time stay in the cache.
_COUNT_BLOCK_PX: Final = 1 << 18


def drop_small_pieces(mask: NDArray[np.bool_], min_px: float) -> NDArray[np.bool_]:
    """Keep the 8-connected pieces of at least ``min_px`` pixels.

    Args:
        mask: (H, W) bool; not changed.
        min_px: smallest number of pixels of a piece; need not be whole.

    Returns:
        (H, W) bool, a subset of ``mask``.
    """
    large = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return large
    # A front fills a small part of a scene: only the rectangle around it is labelled.
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    labels, count = ndimage.label(mask[window], _EIGHT)
    large_enough = _label_sizes(labels, count) >= min_px
    large_enough[0] = False
    large[window] = large_enough[labels]
    return large


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest 8-connected piece; of equal ones the first in reading order.

    Args:
        mask: (H, W) bool; not changed.

    Returns:
        (H, W) bool, a subset of ``mask``; empty where ``mask`` is.
    """
    labels, count = ndimage.label(mask, _EIGHT)
    if count <= 1:
        return mask.copy()
    sizes = _label_sizes(labels, count)
    sizes[0] = 0
    largest: NDArray[np.bool_] = labels == sizes.argmax()
    return largest


def _label_sizes(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    sizes = np.zeros(count + 1, np.int64)
    # A bincount costs as much as its range: many labels need large blocks.
    for block in _blocks(labels.ravel(), max(_COUNT_BLOCK_PX, 4 * count)):
        sizes += np.bincount(block, minlength=count + 1)
    return sizes


def _blocks(values: NDArray[np.int32], size: int) -> Iterator[NDArray[np.int32]]:
    for start in range(0, values.size, size):
        yield values[start : start + size]
