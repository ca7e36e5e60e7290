"""The grid of a glacier: one for all its images, so that they are co-registered by equality."""

from __future__ import annotations

from typing import Final

from shapely import get_coordinates, segmentize

from ssl4sar.acquire.areas import Glacier
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid, crs_at

#: A side of an area that is straight in degrees bows by kilometres in metres at high latitudes.
_STEP_DEG: Final = 0.02
#: 20,000 by 20,000 pixels are more than any glacier needs.
_MOST_PX: Final = 400_000_000


def glacier_grid(glacier: Glacier, spacing_m: float = 20.0) -> Grid:
    """Return the smallest north-up grid over a glacier's area on the lattice of its zone.

    Corners are multiples of the pixel size, so that grids of neighbours in one zone match. The zone
    is that of the list of glaciers; beyond 84 N and 80 S it is polar stereographic.

    Args:
        glacier: with its area.
        spacing_m: pixel size, metres.

    Raises:
        UserError: the area is too large for such pixels.
    """
    from rasterio.warp import transform

    point = glacier.area.representative_point()
    polar = crs_at(point.x, point.y)
    crs = polar if not polar.startswith(("EPSG:326", "EPSG:327")) else f"EPSG:{glacier.epsg}"
    corners = get_coordinates(segmentize(glacier.area, _STEP_DEG))
    xs, ys = transform("EPSG:4326", crs, corners[:, 0], corners[:, 1])
    grid = Grid.snapped((min(xs), min(ys), max(xs), max(ys)), spacing_m, crs)
    if grid.height * grid.width > _MOST_PX:
        raise UserError(
            f"glacier {glacier.name}",
            f"its grid has {grid.height} x {grid.width} pixels of {spacing_m:g} m",
            "make its area smaller, or the pixels larger",
        )
    return grid
