"""Whether the two labels of a scene belong together: a front is thin and at the zones' limit.

Measured on 481 real scenes at 80 m and 20 synthetic golden cases at 6-20 m: a front has at most
2.1 blocks of 2 x 2 px per 100 px, all its pixels are within 1.5 px of an ocean pixel beside
glacier, none is in NA, and at least 46 % are ocean. With rock and glacier, or rock and ocean,
swapped, at most 44 % are near; of 1,430 fronts put beside zones of another day of the same glacier
60 % are refused and 37 % odd. A front that somebody else has drawn (38 m off on average between
annotators, Gourmelon et al. 2025, arXiv:2501.05281), or one that is partly in shadow, stays far
from being refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ssl4sar.core.zones import NA, OCEAN, ocean_beside_glacier

#: Share of 2 x 2 blocks by which a front is not thin: a line of 2 px has 0.5, of 3 px 0.67, of 4 px
#: 0.75, and an inverted label 1.
_THICK: Final = 0.7
_ODDLY_THICK: Final = 0.1
#: How far from the limit of its zones a front may be drawn: metres on fine grids, pixels on coarse.
_REACH_M: Final = 100
_REACH_PX: Final = 3
#: Share of the front within reach below which it belongs to other zones, or is odd.
_SHARE_AT_LIMIT: Final = 0.5
_USUAL_SHARE_AT_LIMIT: Final = 0.9
#: Share of the front that must not be in NA for a comparison: the rest may vanish in shadow.
_LEAST_KNOWN: Final = 0.1
#: Share of the front that is ocean below which it is drawn on the side of the glacier.
_USUAL_SHARE_OCEAN: Final = 0.25


@dataclass(frozen=True)
class LabelFault:
    """What is wrong with a front beside its zones."""

    problem: str
    fix: str
    impossible: bool


def label_fault(
    zones: NDArray[np.uint8], front: NDArray[np.bool_], resolution_m: float
) -> LabelFault | None:
    """Compare the front of a scene with its zones.

    Args:
        zones: (H, W) uint8 class ids 0-3.
        front: (H, W) bool, labelled front.
        resolution_m: pixel size, metres.

    Returns:
        The worst fault; None for labels that belong together, and for an empty front.
    """
    count = int(np.count_nonzero(front))
    if count == 0:
        return None
    thickness = _blocks(front) / count
    if thickness > _THICK:
        return LabelFault(
            f"the front is not a line: {count / front.size:.1%} of the image, mostly as an area",
            "give the front as a line of one pixel, 255 on 0 (are 0 and 255 swapped?)",
            impossible=True,
        )
    reach_px = max(_REACH_PX, math.ceil(_REACH_M / resolution_m))
    window = _around(front, reach_px)
    zones, front = zones[window], front[window]
    known = front & (zones != NA)
    if np.count_nonzero(known) < _LEAST_KNOWN * count:
        return LabelFault(
            "the front is where the zones have no data (NA)",
            "check that both labels are of this scene and that no zones are swapped",
            impossible=True,
        )
    at_limit = _share_near(known, ocean_beside_glacier(zones), reach_px)
    if at_limit < _USUAL_SHARE_AT_LIMIT:
        return LabelFault(
            f"{at_limit:.0%} of the front are within {reach_px} px of ocean beside glacier in the "
            "zones, nearly all should be",
            "check that both labels are of this scene and that no zones are swapped",
            impossible=at_limit < _SHARE_AT_LIMIT,
        )
    if thickness > _ODDLY_THICK:
        return LabelFault(
            "the front is wider than one pixel",
            "thin it: every pixel counts in the mean distance",
            impossible=False,
        )
    if np.mean(zones[known] == OCEAN) < _USUAL_SHARE_OCEAN:
        return LabelFault(
            "the front is on the side of the glacier, usually it is on that of the ocean",
            "check that ocean and glacier are not swapped in the zones",
            impossible=False,
        )
    return None


def _around(front: NDArray[np.bool_], reach_px: int) -> tuple[slice, slice]:
    """Return the rows and columns of the front and what is within reach: most of it is far away."""
    rows, columns = (np.flatnonzero(front.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(0, rows[0] - reach_px), rows[-1] + reach_px + 1),
        slice(max(0, columns[0] - reach_px), columns[-1] + reach_px + 1),
    )


def _share_near(front: NDArray[np.bool_], limit: NDArray[np.bool_], reach_px: int) -> float:
    """Return the share of front pixels with a pixel of the limit within reach, 0-1."""
    if not limit.any():
        return 0.0
    tree = KDTree(np.argwhere(limit))
    distances, _ = tree.query(np.argwhere(front), distance_upper_bound=reach_px + 0.5)
    return float(np.isfinite(distances).mean())


def _blocks(front: NDArray[np.bool_]) -> int:
    """Count the 2 x 2 blocks that are front altogether."""
    pairs = front[1:] & front[:-1]
    return int(np.count_nonzero(pairs[:, 1:] & pairs[:, :-1]))
