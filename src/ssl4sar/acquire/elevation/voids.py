"""Voids of an elevation model: small ones are filled from their rims, large ones are reported.

Within a void the surface is the membrane spanned by its rim: every height is the mean of its four
neighbours (Laplace's equation). It invents no summit and no pit, and continues a slope exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Flags of the second band of an elevation model.
MEASURED: Final = 0
SEA: Final = 1
FILLED: Final = 2
VOID: Final = 3
_STEPS: Final = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass(frozen=True)
class VoidCount:
    """What became of the voids.

    Attributes:
        filled: number of voids that were filled.
        filled_px: their pixels.
        left: number of voids that stay.
        left_px: their pixels.
    """

    filled: int
    filled_px: int
    left: int
    left_px: int


def fill_voids(
    heights_m: NDArray[np.float32], flags: NDArray[np.uint8], max_void_px: int
) -> VoidCount:
    """Fill voids in place; a void is filled as a whole or not at all.

    Args:
        heights_m: (rows, columns), metres; NaN where void.
        flags: (rows, columns); ``VOID`` exactly where heights are NaN. Filled pixels get
            ``FILLED``.
        max_void_px: a void is filled if none of its pixels is farther than this from a height,
            counted between the centres of pixels.

    Returns:
        Numbers of voids and pixels.
    """
    from scipy import ndimage

    void = flags == VOID
    if not void.any():
        return VoidCount(0, 0, 0, 0)
    # Voids that touch by a corner are one, so that all around a void is a height or the edge.
    labels, count = ndimage.label(void, np.ones((3, 3), bool))
    filled = filled_px = left_px = 0
    for index, place in enumerate(ndimage.find_objects(labels), start=1):
        window = tuple(
            slice(max(side.start - 1, 0), min(side.stop + 1, length))
            for side, length in zip(place, void.shape, strict=True)
        )
        inside = labels[window] == index
        size = int(inside.sum())
        if size == inside.size or _farthest_px(inside) > max_void_px:
            left_px += size
            continue
        view = heights_m[window]
        view[inside] = _membrane(view, inside)
        flags[window][inside] = FILLED
        filled += 1
        filled_px += size
    return VoidCount(filled, filled_px, count - filled, left_px)


def _farthest_px(inside: NDArray[np.bool_]) -> float:
    """Return how far the innermost pixel of a void is from a height; beyond the edge is none."""
    from scipy import ndimage

    # What surrounds a void within its window has heights, or belongs to a void that is apart
    # from it and so is never the nearest.
    return float(ndimage.distance_transform_edt(inside).max())


def _membrane(heights_m: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Solve for the heights of a void; the edge of the array exerts no pull."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import spsolve

    rows, columns = np.nonzero(inside)
    count = len(rows)
    number = np.full(inside.shape, -1)
    number[rows, columns] = np.arange(count)
    diagonal, constant = np.zeros(count), np.zeros(count)
    couplings: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for down, right in _STEPS:
        row, column = rows + down, columns + right
        there = (row >= 0) & (row < inside.shape[0]) & (column >= 0) & (column < inside.shape[1])
        own = np.flatnonzero(there)
        other = number[row[own], column[own]]
        diagonal[own] += 1
        rim = other < 0
        constant[own[rim]] += heights_m[row[own[rim]], column[own[rim]]]
        couplings.append((own[~rim], other[~rim]))
    first = np.concatenate([np.arange(count), *(pair[0] for pair in couplings)])
    second = np.concatenate([np.arange(count), *(pair[1] for pair in couplings)])
    values = np.concatenate([diagonal, np.full(len(first) - count, -1.0)])
    matrix = csc_array((values, (first, second)), shape=(count, count))
    solved: NDArray[np.float32] = np.asarray(spsolve(matrix, constant), np.float32).reshape(count)
    return solved
