"""Images, zones and fronts on another pixel size, exactly area-true.

Pixel sizes are whole metres, so a target pixel overlaps each source pixel by a whole number of
square metres: all sums are integers, without rounding and with ties that are real ties. The
overlap factorises into rows and columns, so two sparse products do the work.

The target grid starts at the upper left corner and has exactly the new pixel size. Its size is
rounded: the last row or column covers at least half a new pixel of the source, and up to half a
new pixel of the source is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from ssl4sar.core.zones import CLASS_COUNT, NA, ocean_beside_glacier

#: Within this distance of the labelled front a glacier-ocean limit belongs to it, new pixels.
FRONT_REACH_PX: Final = 2
_EIGHT: Final = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Regrid:
    """The overlap of a source grid with a target grid.

    Attributes:
        rows: (H', H) sparse overlap of target with source rows, whole metres.
        columns: (W', W) likewise for columns.
        centre_rows: (H',) source row that holds the centre of each target row.
        centre_columns: (W',) likewise for columns.
    """

    rows: Any
    columns: Any
    centre_rows: NDArray[np.intp]
    centre_columns: NDArray[np.intp]

    @classmethod
    def between(cls, shape: tuple[int, int], source_m: int, target_m: int) -> Self:
        """Build the overlap.

        Args:
            shape: height and width of the source, pixels.
            source_m: pixel size of the source, whole metres.
            target_m: pixel size of the target, whole metres.
        """
        rows, centre_rows = _overlap(shape[0], source_m, target_m)
        columns, centre_columns = _overlap(shape[1], source_m, target_m)
        return cls(rows, columns, centre_rows, centre_columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the target, pixels."""
        return self.rows.shape[0], self.columns.shape[0]

    def area(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Sum source values over each target pixel, weighted by overlap.

        Args:
            values: (H, W) bool or unsigned 8-bit.

        Returns:
            (H', W') int64, value times square metres.
        """
        by_rows = self.rows @ values.astype(np.int32)
        total: NDArray[np.int64] = (self.columns @ by_rows.T.astype(np.int64)).T
        return total

    def covered(self) -> NDArray[np.int64]:
        """Return the (H', W') area of each target pixel that the source covers, square metres."""
        return np.multiply.outer(
            np.asarray(self.rows.sum(axis=1)).ravel().astype(np.int64),
            np.asarray(self.columns.sum(axis=1)).ravel().astype(np.int64),
        )

    def at_centres(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (H', W') source values below the centres of the target pixels."""
        return values[np.ix_(self.centre_rows, self.centre_columns)]


def regrid_image(
    grid: Regrid, image: NDArray[np.uint8], zones: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Average grey values over the area of each target pixel.

    A pixel holds no data where its grey is 0 AND its zone is NA: outside the swath. Grey 0 alone
    is a dark pixel, and NA alone is shadow or layover with a measured grey; both count. Pixels
    without data do not darken the edge of the swath: the mean is taken over the rest, and a
    target pixel is 0 where more than half of it has no data.

    Args:
        grid: overlap of the grids.
        image: (H, W) uint8 grey.
        zones: (H, W) uint8 class ids 0-3.

    Returns:
        (H', W') uint8, means rounded half up.
    """
    covered = grid.covered()
    total = grid.area(image)
    empty = (image == 0) & (zones == NA)
    valid = covered - grid.area(empty) if empty.any() else covered
    # floor((2 a + b) / (2 b)) is a / b rounded half up, in integers.
    mean = (2 * total + valid) // np.maximum(2 * valid, 1)
    mean[2 * valid < covered] = 0
    return mean.astype(np.uint8)


def regrid_zones(grid: Regrid, zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give each target pixel the class with the largest share of its area.

    Among equal shares the class at the centre of the pixel wins, so that no class is preferred;
    if that is not among them, the smallest class id.

    Args:
        grid: overlap of the grids.
        zones: (H, W) uint8 class ids 0-3.

    Returns:
        (H', W') uint8 class ids; no class that the pixel does not touch.
    """
    shares = np.stack([grid.area(zones == label) for label in range(CLASS_COUNT)])
    chosen = shares.argmax(axis=0)
    centre = grid.at_centres(zones)
    share_of_centre = np.take_along_axis(shares, centre[None].astype(np.intp), axis=0)[0]
    chosen = np.where(share_of_centre == shares.max(axis=0), centre, chosen)
    return chosen.astype(np.uint8)


def regrid_front(
    grid: Regrid, front: NDArray[np.uint8], new_zones: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Redraw the labelled front one pixel wide on the new glacier-ocean limit.

    The front is every ocean pixel with glacier above, below, left or right, within
    ``FRONT_REACH_PX`` of the labelled front. Where the limit itself is too small for the new
    pixels, the labelled front is drawn and thinned instead: a front never vanishes.

    Args:
        grid: overlap of the grids.
        front: (H, W) uint8, labelled where > 0.
        new_zones: (H', W') uint8 class ids of :func:`regrid_zones`.

    Returns:
        (H', W') uint8, 0 or 255; empty only where ``front`` is empty.
    """
    touched = grid.area(front > 0) > 0
    redrawn = _near(touched, FRONT_REACH_PX) & ocean_beside_glacier(new_zones)
    if touched.any() and not redrawn.any():
        redrawn = thin(touched)
    elif not touched.any() and front.any():
        # The front is in the dropped edge of the image: draw it on the last row or column.
        redrawn = _nearest_pixels(grid, front)
    return np.where(redrawn, np.uint8(255), np.uint8(0))


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin lines to a width of one pixel without cutting or shortening them.

    Pixels whose removal neither splits a line nor removes its end go away, one after the other
    in reading order, until none is left to remove. Meant for few pixels.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool; each 8-connected piece of ``mask`` stays one 8-connected piece.
    """
    padded = np.pad(mask, 1)
    changed = True
    while changed:
        changed = False
        for row, column in np.argwhere(padded):
            if _is_removable(padded, int(row), int(column)):
                padded[row, column] = False
                changed = True
    return padded[1:-1, 1:-1]


def _overlap(size: int, source_m: int, target_m: int) -> tuple[Any, NDArray[np.intp]]:
    """Return the (size', size) sparse overlap in metres and the source pixels at the centres."""
    extent_m = size * source_m
    new_size = max(1, (2 * extent_m + target_m) // (2 * target_m))
    limits = np.union1d(
        np.arange(0, extent_m + 1, source_m),
        np.minimum(np.arange(0, new_size * target_m + 1, target_m), extent_m),
    )
    limits = limits[limits <= new_size * target_m]
    starts, lengths = limits[:-1], np.diff(limits)
    overlap = sparse.csr_array(
        (lengths.astype(np.int32), (starts // target_m, starts // source_m)),
        shape=(new_size, size),
    )
    centres = (2 * np.arange(new_size) + 1) * target_m // (2 * source_m)
    return overlap, np.minimum(centres, size - 1)


def _near(mask: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    steps = np.arange(-reach_px, reach_px + 1)
    disk = np.hypot(steps[:, None], steps) <= reach_px
    near: NDArray[np.bool_] = ndimage.binary_dilation(mask, disk)
    return near


def _nearest_pixels(grid: Regrid, front: NDArray[np.uint8]) -> NDArray[np.bool_]:
    rows, columns = front.nonzero()
    mask = np.zeros(grid.shape, bool)
    mask[
        np.minimum(np.searchsorted(grid.centre_rows, rows), grid.shape[0] - 1),
        np.minimum(np.searchsorted(grid.centre_columns, columns), grid.shape[1] - 1),
    ] = True
    return thin(mask)


def _is_removable(padded: NDArray[np.bool_], row: int, column: int) -> bool:
    around = padded[row - 1 : row + 2, column - 1 : column + 2].copy()
    around[1, 1] = False
    if np.count_nonzero(around) < 2:
        return False  # an end or a single pixel
    if around[[0, 1, 1, 2], [1, 0, 2, 1]].all():
        return False  # inside: removing it would leave a hole
    return int(ndimage.label(around, _EIGHT)[1]) == 1
