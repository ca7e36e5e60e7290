"""One product to one image, for a person without the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid, crs_at
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.sar.coding import write_backscatter, write_geometry
from ssl4sar.sar.engine import geocode_with_engine
from ssl4sar.sar.geocode import GeocodeOptions
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation

#: Points per edge of an area; the edges of a map bow against meridians and parallels.
_POINTS: Final = 65
#: A whole scene at 10 m; larger grids are a mistake in the bounds.
_MOST_PX: Final = 1_000_000_000


@dataclass(frozen=True)
class ProcessRequest:
    """What to make.

    Attributes:
        product: folder ``NAME.SAFE``, or a zip that holds one.
        polarisation: None: the first of the product, copolar.
        grid: pixels of the image.
        elevation: model of the area.
        options: how.
        out: GeoTIFF of the backscatter.
        terrain_out: GeoTIFF of local incidence angle, layover and shadow, or None.
    """

    product: Path
    polarisation: str | None
    grid: Grid
    elevation: Elevation
    options: GeocodeOptions
    out: Path
    terrain_out: Path | None = None


def process(request: ProcessRequest) -> list[str]:
    """Make an image and return lines that say what it is.

    Raises:
        UserError: as :func:`ssl4sar.sar.engine.geocode_with_engine`, or a file cannot be written.
    """
    if request.terrain_out is not None and request.terrain_out.resolve() == request.out.resolve():
        raise UserError("--terrain-out", "this is the file of --out", "give another name")
    product = open_product(request.product)
    polarisation = request.polarisation or product.polarisations[0]
    options = request.options
    image = geocode_with_engine(product, polarisation, request.grid, request.elevation, options)
    backscatter = image.backscatter.values
    name = options.quantity
    write_backscatter(request.out, backscatter, request.grid, name=name, metadata=image.attrs)
    marks = image.layover_shadow.values
    if request.terrain_out is not None:
        angle = image.local_incidence_angle.values
        write_geometry(request.terrain_out, angle, marks, request.grid, metadata=image.attrs)
    height, width = request.grid.shape
    return [
        f"{request.out}: {name} of {product.name} in {polarisation}, {width} x {height} pixels of "
        f"{request.grid.spacing:g} m in {request.grid.crs}",
        f"valid {image.valid.values.mean():.1%}, layover or shadow {(marks > 0).mean():.1%}, "
        f"thermal noise: {image.attrs['noise']}, orbit: {image.attrs['orbit_source']}",
    ]


def grid_of_file(path: Path) -> Grid:
    """Return the pixels of a GeoTIFF.

    Raises:
        UserError: it is not a GeoTIFF with square north-up pixels in metres.
    """
    fix = "give a GeoTIFF with square north-up pixels in metres"
    if not path.is_file():
        raise UserError(path, "the file does not exist", fix)
    try:
        with open_raster(path, "GTiff") as file:
            grid = Grid.of_raster(file)
    except UnreadableRasterError as error:
        raise UserError(path, f"this is not a GeoTIFF ({error})", fix) from error
    if grid is None:
        raise UserError(path, "it has no coordinates", fix)
    grid.require_metres(path)
    return grid


def grid_of_bounds(
    bounds: tuple[float, float, float, float], spacing_m: float, crs: str | None
) -> Grid:
    """Return the grid over an area in degrees; its edges are multiples of the pixel size.

    Args:
        bounds: west, south, east, north; east below west: across the antimeridian.
        spacing_m: size of a pixel.
        crs: reference system in metres; None: that of the centre.

    Raises:
        UserError: the bounds are not an area, or the reference system is unknown or in degrees.
    """
    from pyproj import Transformer
    from pyproj.exceptions import CRSError

    west, south, east, north = bounds
    east += 360.0 if east < west else 0.0
    if not (-90 <= south < north <= 90 and west < east < west + 180) or not spacing_m > 0:
        raise UserError("--bounds", "this is not an area", "give WEST SOUTH EAST NORTH in degrees")
    crs = crs or crs_at((west + east) / 2, (south + north) / 2)
    lon, lat = np.meshgrid(np.linspace(west, east, _POINTS), np.linspace(south, north, _POINTS))
    try:
        x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    except CRSError as error:
        raise UserError("--crs", f"{crs} is unknown", "give e.g. EPSG:32633") from error
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError("--crs", f"{crs} does not reach the area", "leave it out")
    area = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    if (area[2] - area[0]) * (area[3] - area[1]) > _MOST_PX * spacing_m**2:
        raise UserError("--bounds", "the area is larger than a scene", "give a smaller one")
    grid = Grid.snapped(area, spacing_m, crs)
    grid.require_metres("--crs")
    return grid
