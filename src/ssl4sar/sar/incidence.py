"""Local incidence angle, layover and shadow of terrain that a radar looks at.

Definitions: G. Schreier (ed.), SAR Geocoding: Data and Systems, Wichmann, 1993, chapter 4; layover
and shadow along lines of range as in W. G. Kropatsch and D. Strobl, IEEE Transactions on Geoscience
and Remote Sensing 28 (1990) 98-107.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.sar.blocks import in_blocks

LAYOVER: Final = 1
SHADOW: Final = 2
#: Terrain so far outside of a grid can still hide a pixel or fold over it.
REACH_M: Final = 3000.0
#: The direction of range turns by less than a degree within a tile of 40 km; over the reach of a
#: mountain that is some tens of metres.
_TILE_PX: Final = 2048
_ROWS: Final = 256
#: Rounding of the stored ranges and angles, metres and radians: a tenth of a pixel or less.
_TOLERANCES: Final = (0.5, 5e-7)


def local_incidence_deg(
    to_radar: GridToRadar, heights_m: NDArray[np.float32], rows: slice
) -> NDArray[np.float32]:
    """Return angles between the normal of the terrain and the line to the satellite.

    Args:
        to_radar: of the grid, H x W.
        heights_m: (H, W) above the ellipsoid.
        rows: rows that are wanted, not the first or the last one of the grid.

    Returns:
        (rows, W) degrees, 0 to 180: from 90 on the terrain is turned away. NaN where a neighbour
        has no height, and in the outer columns.
    """
    facing, steepness = _facing(to_radar, heights_m, rows)
    cosine = np.clip(facing / steepness, -1, 1)
    angle: NDArray[np.float32] = np.degrees(np.arccos(cosine)).astype(np.float32)
    return angle


def projected_area_m2(
    to_radar: GridToRadar, heights_m: NDArray[np.float32], rows: slice
) -> NDArray[np.float64]:
    """Return areas of the terrain of pixels on the plane that the radar looks at at right angles.

    Args:
        to_radar: of the grid, H x W.
        heights_m: (H, W) above the ellipsoid.
        rows: rows that are wanted, not the first or the last one of the grid.

    Returns:
        (rows, W) square metres, negative where the terrain is turned away.
    """
    facing, _ = _facing(to_radar, heights_m, rows)
    across, _, _, _, down, _ = to_radar.lattice.grid.transform
    sides = to_radar.stretch_at(rows)
    area: NDArray[np.float64] = facing * abs(across * down) * sides[0] * sides[1]
    return area


def _facing(
    to_radar: GridToRadar, heights_m: NDArray[np.float32], rows: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return normals of the terrain, of height 1, times the line of sight, and their lengths."""
    around = heights_m[rows.start - 1 : rows.stop + 1].astype(np.float64)
    stretch = to_radar.stretch_at(rows)
    width, height = abs(to_radar.lattice.grid.transform[0]), abs(to_radar.lattice.grid.transform[4])
    east = np.full(stretch.shape[1:], np.nan)
    east[:, 1:-1] = (around[1:-1, 2:] - around[1:-1, :-2]) / (2 * width)
    east /= stretch[0]
    north = (around[:-2] - around[2:]) / (2 * height * stretch[1])
    x, y, up = to_radar.look_at(rows, around[1:-1])
    return up - east * x - north * y, np.sqrt(1 + east**2 + north**2)


def layover_and_shadow(
    to_radar: GridToRadar, heights_m: NDArray[np.float32], workers: int = 1
) -> NDArray[np.uint8]:
    """Return where terrain folds over other terrain in the image, and where none is seen.

    Along each line of range, from near to far: a point is in layover if another one of the line has
    its slant range while the order of the two is reversed (the slopes themselves, and what they
    fall upon before and behind them); it is in shadow if a nearer point is seen at a larger angle
    from nadir (slopes turned away, and what they hide). Terrain outside of the grid does not count,
    nor does any without a height.

    Args:
        to_radar: of the grid, H x W.
        heights_m: (H, W) above the ellipsoid.
        workers: blocks made at the same time.

    Returns:
        (H, W) the sum of :data:`LAYOVER` and :data:`SHADOW`.
    """
    shape = heights_m.shape
    # From the nearest place at the middle height on: small numbers, so that 32 bits resolve
    # centimetres.
    first_m, first_rad = np.nanmin(to_radar.range_m[0]), np.nanmin(to_radar.off_nadir_rad[0])
    range_m, off_nadir = np.empty(shape, np.float32), np.empty(shape, np.float32)
    found = np.zeros(shape, np.uint8)

    def see(block: slice) -> None:
        range_m[block] = to_radar.range_at(block, heights_m[block]) - first_m
        off_nadir[block] = to_radar.off_nadir_at(block, heights_m[block]) - first_rad

    in_blocks(see, shape[0], _ROWS, workers)
    reach = math.ceil(REACH_M / to_radar.lattice.grid.spacing)
    for top in range(0, shape[0], _TILE_PX):
        for left in range(0, shape[1], _TILE_PX):
            tile = slice(top, top + _TILE_PX), slice(left, left + _TILE_PX)
            around = tuple(slice(max(0, part.start - reach), part.stop + reach) for part in tile)
            direction = _range_direction(to_radar, top + _TILE_PX // 2, left + _TILE_PX // 2)
            marks = _along_range(range_m[around], off_nadir[around], direction)
            if marks is not None:
                inner = tuple(
                    slice(part.start - all_.start, part.start - all_.start + _TILE_PX)
                    for part, all_ in zip(tile, around, strict=True)
                )
                found[tile] = marks[inner]
    return found


def _range_direction(to_radar: GridToRadar, row: int, column: int) -> tuple[float, float]:
    """Return the step in rows and columns of one pixel away from the radar."""
    from ssl4sar.geometry.lattice import STEP

    node = tuple(
        min(place // STEP + 1, size - 2)
        for place, size in zip((row, column), to_radar.lattice.shape, strict=True)
    )
    x, y, _ = to_radar.look[0][:, node[0], node[1]]
    length = math.hypot(x, y)
    return float(y / length), float(-x / length)


def _along_range(
    range_m: NDArray[np.float32], off_nadir: NDArray[np.float32], direction: tuple[float, float]
) -> NDArray[np.uint8] | None:
    """Return marks of a tile by walking along lines of range; None if there are none."""
    if _rises(range_m, direction) and _rises(off_nadir, direction):
        return None
    down, across = direction
    # Rows of the turned tile are lines of range; its centre is the tile's.
    turn = np.array([[across, down], [-down, across]])
    shape = range_m.shape
    side = math.ceil(math.hypot(*shape)) + 2
    middle = (np.array(shape) - 1) / 2
    offset = middle - turn @ np.full(2, (side - 1) / 2)

    def turned(values: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = ndimage.affine_transform(
            values, turn, offset, (side, side), order=1, cval=np.nan
        )
        return result

    distance, angle = turned(range_m), turned(off_nadir)
    far = np.fmax.accumulate(distance, axis=1)
    near = np.fmin.accumulate(distance[:, ::-1], axis=1)[:, ::-1]
    layover = (distance < far - _TOLERANCES[0]) | (distance > near + _TOLERANCES[0])
    shadow = angle < np.fmax.accumulate(angle, axis=1) - _TOLERANCES[1]
    marks = np.uint8(LAYOVER) * layover + np.uint8(SHADOW) * shadow
    back = turn.T
    result: NDArray[np.uint8] = ndimage.affine_transform(
        marks, back, -(back @ offset), shape, order=0
    )
    return result


def _rises(values: NDArray[np.float32], direction: tuple[float, float]) -> bool:
    """Return whether values grow everywhere in a direction, so that no two of a line are equal."""
    down, across = direction
    rows, columns = values.shape
    if min(rows, columns) < 2:
        return True
    growth = np.float32(down) * np.diff(values, axis=0)[:, :-1]
    growth += np.float32(across) * np.diff(values, axis=1)[:-1]
    return not bool((growth < 0).any())
