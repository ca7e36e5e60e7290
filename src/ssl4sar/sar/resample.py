"""Resampling on linear power: multilooking in the image, sampling between its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A sample of which less is known has no value.
_LEAST_WEIGHT = 0.5


def multilook(values: NDArray[np.float32], looks: tuple[int, int]) -> NDArray[np.float32]:
    """Return means of blocks of pixels; blocks with any NaN are NaN, a rest at the ends is dropped.

    Args:
        values: (rows, columns) linear power; the mean of decibels would be another one.
        looks: rows and columns of a block.

    Returns:
        (rows // looks, columns // looks) float32.
    """
    if looks == (1, 1):
        return values
    down, across = looks
    rows, columns = values.shape[0] // down, values.shape[1] // across
    blocks = values[: rows * down, : columns * across].reshape(rows, down, columns, across)
    # Sums of slices: five times as fast as a mean over two axes of a view.
    total = np.zeros((rows, columns), np.float32)
    for i in range(down):
        for j in range(across):
            total += blocks[:, i, :, j]
    total /= down * across
    return total


def sample(
    values: NDArray[np.float32], row: NDArray[np.float64], column: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return values between pixels, bilinear.

    Among the four neighbours, those that are NaN do not count; where they have more than half of
    the weight, the sample is NaN. Nothing is invented beyond the outer pixels.

    Args:
        values: (rows, columns) float32.
        row: positions of any shape, 0 = centre of the first row; NaN gives NaN.
        column: positions in columns, likewise.

    Returns:
        float32 in the shape of the positions.
    """
    rows, columns = values.shape
    inside = (row >= 0) & (row <= rows - 1) & (column >= 0) & (column <= columns - 1)
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    top = np.minimum(row.astype(np.intp), max(rows - 2, 0))
    left = np.minimum(column.astype(np.intp), max(columns - 2, 0))
    down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
    first = top * columns + left
    below, beside = columns if rows > 1 else 0, 1 if columns > 1 else 0
    flat = values.ravel()
    corners = flat[first], flat[first + beside], flat[first + below], flat[first + below + beside]
    above = corners[0] + (corners[1] - corners[0]) * right
    under = corners[2] + (corners[3] - corners[2]) * right
    found: NDArray[np.float32] = above + (under - above) * down
    holes = inside & np.isnan(found)
    if holes.any():
        found[holes] = _known_part([corner[holes] for corner in corners], down[holes], right[holes])
    found[~inside] = np.nan
    return found


def _known_part(
    corners: list[NDArray[np.float32]], down: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    weights = (1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right
    total: NDArray[np.float32] = np.zeros(down.shape, np.float32)
    known = np.zeros_like(total)
    for corner, weight in zip(corners, weights, strict=True):
        there = ~np.isnan(corner)
        total[there] += corner[there] * weight[there]
        known[there] += weight[there]
    with np.errstate(invalid="ignore", divide="ignore"):
        total /= known
    total[known < _LEAST_WEIGHT] = np.nan
    return total
