"""Where a Sentinel-2 tile is: its name says so.

Tiles are squares of 109.8 km in the zones of UTM that begin at the corners of the 100 km squares of
the Military Grid Reference System, whose names they carry (33XVG: zone 33, latitude band X, column
V, row G). Source of the letters: NGA.STND.0037, Universal Grids and Grid Reference Systems; of the
size and the corners: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD), annex on
tiling.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import numpy as np
from shapely.geometry import MultiPolygon, Polygon

from ssl4sar.acquire.areas import cut_at_antimeridian

_NAME: Final = re.compile(r"(\d\d)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])", re.ASCII)
_BANDS: Final = "CDEFGHJKLMNPQRSTUVWX"
_COLUMNS: Final = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"
_SQUARE_M: Final = 100_000
_SIDE_M: Final = 109_800
#: Corners are on the grid of 60 m that all resolutions share.
_GRID_M: Final = 60
#: Row letters repeat after twenty squares.
_CYCLE_M: Final = len(_ROWS) * _SQUARE_M
_M_PER_DEG: Final = 110_900.0
_FALSE_NORTHING_M: Final = 10_000_000
#: Sides are straight in UTM, not in degrees.
_POINTS_PER_SIDE: Final = 12


@lru_cache(maxsize=4096)
def tile_polygon(name: str) -> MultiPolygon:
    """Return the outline of a tile in degrees, cut at the antimeridian.

    Args:
        name: e.g. 33XVG, without the T that stands before it in names of products.

    Raises:
        ValueError: there is no such tile.
    """
    # Loaded when a tile is looked at, not with the workflow.
    from rasterio.warp import transform

    epsg, left_m, top_m = _corner(name)
    steps = np.arange(_POINTS_PER_SIDE) / _POINTS_PER_SIDE * _SIDE_M
    zeros, ends = np.zeros_like(steps), np.full_like(steps, _SIDE_M)
    x = left_m + np.concatenate([steps, ends, _SIDE_M - steps, zeros])
    y = top_m - np.concatenate([zeros, steps, ends, _SIDE_M - steps])
    lon, lat, *_ = transform(f"EPSG:{epsg}", "EPSG:4326", x.tolist(), y.tolist())
    ring = Polygon(list(zip(lon, lat, strict=True)))
    return MultiPolygon(cut_at_antimeridian(ring))


def _corner(name: str) -> tuple[int, int, int]:
    """Return the UTM zone of a tile (EPSG) and its upper left corner, metres."""
    match = _NAME.fullmatch(name)
    zone = int(match[1]) if match else 0
    columns = _COLUMNS[(zone - 1) % 3]
    if match is None or not 1 <= zone <= 60 or match[3] not in columns:
        raise ValueError(f"there is no tile {name!r}")
    band = _BANDS.index(match[2])
    is_south = match[2] < "N"
    left_m = (columns.index(match[3]) + 1) * _SQUARE_M
    # Rows of even zones begin at F, so that equal names are far from each other.
    row = (_ROWS.index(match[4]) - (5 if zone % 2 == 0 else 0)) % len(_ROWS)
    south_deg = 8.0 * band - 80.0
    north_deg = south_deg + (12.0 if match[2] == "X" else 8.0)
    middle_m = (south_deg + north_deg) / 2 * _M_PER_DEG + (_FALSE_NORTHING_M if is_south else 0)
    turns = round((middle_m - (row + 0.5) * _SQUARE_M) / _CYCLE_M)
    bottom_m = row * _SQUARE_M + turns * _CYCLE_M
    # Off the central meridian circles of latitude bend polewards by some tens of kilometres.
    reach_m = (north_deg - south_deg) / 2 * _M_PER_DEG + 1.5 * _SQUARE_M
    if abs(bottom_m + _SQUARE_M / 2 - middle_m) > reach_m:
        raise ValueError(f"there is no tile {name!r}: row {match[4]} is not in band {match[2]}")
    top_m = bottom_m + _SQUARE_M
    epsg = (32700 if is_south else 32600) + zone
    return epsg, left_m // _GRID_M * _GRID_M, -(-top_m // _GRID_M) * _GRID_M
