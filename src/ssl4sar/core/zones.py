"""The four CaFFe zones: class ids, grey values, names and colours.

Source: CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022): 0 NA (shadow, layover,
outside the swath), 64 rock, 127 glacier, 254 ocean and ice melange.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError

NA: Final = 0
ROCK: Final = 1
GLACIER: Final = 2
OCEAN: Final = 3
CLASS_COUNT: Final = 4
CLASS_NAMES: Final = ("na", "rock", "glacier", "ocean")
CLASS_GREYS: Final = (0, 64, 127, 254)
#: Colours of the zones in figures (RGB, 0-255); chosen to stay apart for colour-blind readers.
CLASS_COLOURS: Final = ((40, 40, 40), (166, 118, 29), (158, 202, 225), (8, 69, 148))

_UNKNOWN: Final = 255
_CLASS_OF_GREY: Final = np.full(256, _UNKNOWN, np.uint8)
_CLASS_OF_GREY[list(CLASS_GREYS)] = range(CLASS_COUNT)
_CLASS_OF_GREY[63] = ROCK  # a few official masks hold 63 for rock
_GREY_OF_CLASS: Final = np.array(CLASS_GREYS, np.uint8)


def classes_from_greys(greys: NDArray[np.uint8], source: str | Path) -> NDArray[np.uint8]:
    """Turn a zone mask of grey values into class ids.

    Args:
        greys: (H, W) uint8 with values of ``CLASS_GREYS`` (63 is read as rock).
        source: file named in the error.

    Returns:
        (H, W) uint8 with values 0-3.

    Raises:
        UserError: a grey value that is not a zone.
    """
    classes = _CLASS_OF_GREY[greys]
    unknown = classes == _UNKNOWN
    if unknown.any():
        row, column = (int(i) for i in np.argwhere(unknown)[0])
        raise UserError(
            source,
            f"grey value {int(greys[row, column])} at row {row}, column {column} is not a zone "
            f"({int(unknown.sum())} such pixels)",
            "zones are 0 (NA), 64 (rock), 127 (glacier), 254 (ocean)",
        )
    return classes


def greys_from_classes(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn (H, W) class ids 0-3 into the grey values 0, 64, 127, 254."""
    return _GREY_OF_CLASS[classes]


def ocean_beside_glacier(zones: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark ocean pixels with glacier above, below, left or right.

    Outside the image there is no glacier, so the border of the image marks nothing.

    Args:
        zones: (H, W) uint8 class ids, values 0-3.

    Returns:
        (H, W) bool.
    """
    glacier: NDArray[np.bool_] = zones == GLACIER
    beside = np.zeros_like(glacier)
    beside[1:] |= glacier[:-1]
    beside[:-1] |= glacier[1:]
    beside[:, 1:] |= glacier[:, :-1]
    beside[:, :-1] |= glacier[:, 1:]
    beside &= zones == OCEAN
    return beside
