"""From zones to the calving front, as the benchmark extracts it.

Source: CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022) and the evaluation of its
authors' later network (Gourmelon et al. 2025, doi:10.1109/TGRS.2025.3580945): land that water
cuts off becomes ocean, ocean apart from the largest ocean becomes glacier, the front is the ocean
side of the glacier-ocean limit, short pieces are dropped, and the rest is cut to the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.pieces import drop_small_pieces, largest_piece
from ssl4sar.core.zones import GLACIER, OCEAN, ocean_beside_glacier

#: A piece of front is kept where its pixel COUNT times the pixel size reaches this length.
MINIMUM_LENGTH_M: Final = 750


@dataclass(frozen=True)
class ExtractedFront:
    """What the extraction leaves of a zone mask.

    Attributes:
        zones: (H, W) uint8 class ids after filling and choosing the ocean.
        front_raw: (H, W) bool, front after the length rule, before the box.
        front: (H, W) bool, front within the box.
    """

    zones: NDArray[np.uint8]
    front_raw: NDArray[np.bool_]
    front: NDArray[np.bool_]

    @property
    def exists(self) -> bool:
        """Whether any front is left within the box."""
        return bool(self.front.any())


def extract_front(
    zones: NDArray[np.uint8],
    resolution_m: float,
    box_window: tuple[slice, slice] | None = None,
) -> ExtractedFront:
    """Extract the calving front from a zone mask.

    A mask without ocean, or of ocean alone, has no front.

    Args:
        zones: (H, W) uint8 class ids of ``ssl4sar.core.zones``, values 0-3; not changed.
        resolution_m: nominal pixel size, metres (an integer in CaFFe names).
        box_window: row and column slices to keep (see ``BoundingBox.window``); None keeps all.

    Returns:
        The changed zones and the front before and after the box.
    """
    filled = fill_and_choose_ocean(zones)
    front_raw = drop_short_pieces(ocean_beside_glacier(filled), resolution_m)
    if box_window is None:
        return ExtractedFront(filled, front_raw, front_raw)
    front = np.zeros_like(front_raw)
    front[box_window] = front_raw[box_window]
    return ExtractedFront(filled, front_raw, front)


def fill_and_choose_ocean(zones: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Leave one piece of land and one ocean.

    Every 8-connected piece of non-ocean except the largest becomes ocean, then every 8-connected
    piece of ocean except the largest becomes glacier. Of equal pieces the first in reading order
    is kept.

    Args:
        zones: (H, W) uint8 class ids, values 0-3; not changed.

    Returns:
        (H, W) uint8 class ids; equal to ``zones`` where one of the two is missing.
    """
    land = zones != OCEAN
    if land.all() or not land.any():
        return zones.copy()
    kept_land = largest_piece(land)
    filled = np.where(kept_land, zones, np.uint8(OCEAN))
    ocean = ~kept_land
    filled[ocean & ~largest_piece(ocean)] = GLACIER
    return filled


def drop_short_pieces(front: NDArray[np.bool_], resolution_m: float) -> NDArray[np.bool_]:
    """Keep the 8-connected pieces of at least 750 m, measured as pixel count times pixel size.

    Args:
        front: (H, W) bool.
        resolution_m: nominal pixel size, metres.

    Returns:
        (H, W) bool, a subset of ``front``.
    """
    return drop_small_pieces(front, MINIMUM_LENGTH_M / resolution_m)
