"""Terrain flattening: backscatter per area that the radar really sees in a pixel of the image.

Source: D. Small, Flattening Gamma: Radiometric Terrain Correction for SAR Imagery, IEEE
Transactions on Geoscience and Remote Sensing 49 (2011) 3081-3093. The terrain of every pixel of the
map is projected on the plane at right angles to the line of sight, and added up where it appears in
the image; foreshortened slopes put much of it into one pixel. gamma0 = beta0 x (area of the pixel
in the slant plane) / (area of the terrain in it).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.image import RadarImage
from ssl4sar.sar.incidence import SHADOW, projected_area_m2

#: Pixels of the multilooked image per bin and side: terrain of one bin comes from several pixels of
#: the map also where slopes turned away spread it.
_BIN: Final = 2
#: Pixels of the map around a missing height whose bins lack some of their terrain.
_UNSURE_PX: Final = 4
#: Of flat terrain; less is noise divided by nearly nothing.
_LEAST_AREA: Final = 0.05
_ROWS: Final = 128


def bins_of_terrain(
    annotation: Annotation,
    image: RadarImage,
    to_radar: GridToRadar,
    heights_m: NDArray[np.float32],
    marks: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Return the area of terrain in bins of the image, per area of a bin on the ground.

    Args:
        annotation: of the image.
        image: whose pixels, two by two, are the bins.
        to_radar: of the grid, H x W.
        heights_m: (H, W) above the ellipsoid; pixels without one do not count.
        marks: (H, W) layover and shadow; terrain in shadow is not seen.

    Returns:
        (rows, columns) of bins, float32.
    """
    rows, columns = (-(-side // _BIN) for side in image.power.shape)
    # One bin more at every side: what is added there is outside of the image.
    total = np.zeros((rows + 2) * (columns + 2))
    # In one thread and order: sums of floats must not depend on which block comes first.
    for start in range(1, len(heights_m) - 1, _ROWS):
        block = slice(start, min(start + _ROWS, len(heights_m) - 1))
        area = projected_area_m2(to_radar, heights_m, block)
        row, column = _in_bins(annotation, image, to_radar, heights_m, block)
        seen = (area > 0) & ((marks[block] & SHADOW) == 0)
        seen &= (row > -1) & (row < rows) & (column > -1) & (column < columns)
        area, row, column = area[seen], row[seen] + 1, column[seen] + 1
        top, left = row.astype(np.intp), column.astype(np.intp)
        down, right = row - top, column - left
        for below, high in ((0, 1 - down), (1, down)):
            for beside, wide in ((0, 1 - right), (1, right)):
                place = (top + below) * (columns + 2) + left + beside
                total += np.bincount(place, area * high * wide, total.size)
    lines, pixels = (looks * _BIN for looks in image.looks)
    ground_m2 = (
        lines * pixels * annotation.azimuth_pixel_spacing_m * annotation.range_pixel_spacing_m
    )
    total /= ground_m2
    return np.asarray(total.reshape(rows + 2, -1)[1:-1, 1:-1], np.float32)


def flattening_factor(
    area: NDArray[np.float32], look_up: NDArray[np.float64], sure: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return gamma0 / beta0 of pixels.

    Args:
        area: terrain per ground area at the pixels, as :func:`bins_of_terrain` counts it.
        look_up: cosine of the incidence angle on the ellipsoid.
        sure: whether all terrain about the pixel is known.

    Returns:
        float32; NaN where the area is below 5 % of that of flat terrain, or not known.
    """
    known = sure & (area >= _LEAST_AREA * look_up)
    sine = np.sqrt(1 - look_up**2)
    factor = np.full(area.shape, np.nan, np.float32)
    np.divide(sine, area, out=factor, where=known, casting="same_kind")
    return factor


def surely_covered(heights_m: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (H, W) whether all heights around pixels are known."""
    missing = np.isnan(heights_m)
    if not missing.any():
        return ~missing
    near: NDArray[np.bool_] = ndimage.maximum_filter(missing, 2 * _UNSURE_PX + 1)
    return ~near


def bin_position(
    row: NDArray[np.float64], column: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions in bins of positions in the multilooked image; 0 is a centre."""
    return (row - (_BIN - 1) / 2) / _BIN, (column - (_BIN - 1) / 2) / _BIN


def _in_bins(
    annotation: Annotation,
    image: RadarImage,
    to_radar: GridToRadar,
    heights_m: NDArray[np.float32],
    block: slice,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line, pixel = annotation.image_position(to_radar.at(block, heights_m[block]))
    return bin_position(*image.position(line, pixel))
