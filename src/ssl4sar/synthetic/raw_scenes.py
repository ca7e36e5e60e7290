"""SYNTHETIC raw products of a glacier of the scene model: what a satellite would deliver of it.

The world of the scene model is a plane around (0, 0); here it is put on the map, around the centre
of a grid with a reference system. Heights are above the ellipsoid, the sea is at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.geometry.ellipsoid import Cartesian, to_ecef
from ssl4sar.synthetic.environment import environment_on
from ssl4sar.synthetic.noise import FloatArray, resample
from ssl4sar.synthetic.optical import render_optical
from ssl4sar.synthetic.radar_pass import RadarPass, plan_pass, project
from ssl4sar.synthetic.sar import Viewing, Visibility, backscatter_db, draw_levels
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.sentinel1_product import NOTE, heading_deg, write_sar_product
from ssl4sar.synthetic.sentinel2_product import write_optical_product
from ssl4sar.synthetic.sightlines import Sightlines
from ssl4sar.synthetic.sky import Sky
from ssl4sar.synthetic.world import World

#: Side of the cells that are projected into the image.
CELL_M: Final = 10.0
ELEVATION_SPACING_M: Final = 30.0
#: So much more of the ground than the grid shows is in a product, and in an elevation model.
_MARGIN_M: Final = 1200.0
_SENSOR: Final = SENSORS["S1"]


@dataclass(frozen=True, eq=False)
class RawPlace:
    """A glacier of the scene model on the map.

    Attributes:
        world: the glacier.
        grid: of its images; the world is around its centre.
        seed: of speckle and weather.
    """

    world: World
    grid: Grid
    seed: int

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the centre of the world on the map."""
        return (self.grid.left + self.grid.right) / 2, (self.grid.top + self.grid.bottom) / 2

    def on_map(self, plane: Grid) -> Grid:
        """Return where a grid of the world is on the map."""
        x, y = self.centre
        return Grid.at(plane.left + x, plane.top + y, plane.spacing, plane.shape, self.grid.crs)

    def plane(self, spacing_m: float, margin_m: float) -> Grid:
        """Return a grid of the world over the area and a margin."""
        height, width = (side * self.grid.spacing + 2 * margin_m for side in self.grid.shape)
        return Grid.centred(width, height, spacing_m)

    def geographic(self, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (H, W) longitudes and latitudes of the pixels of a grid on the map, degrees."""
        from pyproj import Transformer

        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        x, y = np.broadcast_arrays(grid.x(), grid.y())
        lon, lat = to_degrees.transform(x, y)
        return lon, lat


def write_elevation(place: RawPlace, day: date, path: str | Path) -> None:
    """Write the elevation model of a place on one day: heights above the ellipsoid, metres."""
    plane = place.plane(ELEVATION_SPACING_M, 2 * _MARGIN_M)
    heights = place.world.sample(plane, day).elevation_m
    tags = {"HEIGHTS": "ellipsoidal", "DATUM": "ellipsoid WGS 84", "NOTE": NOTE}
    write_geotiff(path, heights[None], place.on_map(plane), descriptions=["height (m)"], tags=tags)


def plan_place_pass(grid: Grid, incidence_deg: float, *, ascending: bool) -> RadarPass:
    """Return the pass over the centre of a place whose image holds its whole grid."""
    # Turned against the track, the corners of the area are farther out than its sides.
    side = math.hypot(*grid.shape) * grid.spacing + _MARGIN_M
    return plan_pass(*_centre_deg(grid), incidence_deg, ascending=ascending, size_m=(side, side))


def _centre_deg(grid: Grid) -> tuple[float, float]:
    from rasterio.warp import transform

    x, y = (grid.left + grid.right) / 2, (grid.top + grid.bottom) / 2
    (lon,), (lat,) = transform(grid.crs, "EPSG:4326", [x], [y])
    return lon, lat


def sar_power(
    place: RawPlace, radar: RadarPass, day: date, incidence_deg: float, difficulty: float = 1.0
) -> FloatArray:
    """Return (lines, pixels) sigma nought of a pass without speckle, linear."""
    world, plane = place.world, place.plane(CELL_M, _MARGIN_M)
    surface = world.sample(plane, day)
    viewing = Viewing(incidence_deg, -math.radians(heading_deg(radar)))
    rng = generator(place.seed, "raw levels", world.place, day.isoformat())
    weather = environment_on(place.seed, world.place, northern=world.northern, day=day)
    levels = draw_levels(rng, _SENSOR.band, weather.wind_m_s, incidence_deg, difficulty)
    # Brightness by the area of a slope comes from the projection.
    flat = Visibility(np.zeros(plane.shape, bool), np.zeros(plane.shape, np.float32))
    power = 10 ** (backscatter_db(surface, flat, viewing, levels) / 10)
    power[_shadow(world, viewing, plane)] = 0
    points = _points(place, plane, surface.elevation_m)
    return project(radar, points, power.ravel().astype(np.float32), CELL_M**2)


def _points(place: RawPlace, plane: Grid, heights_m: FloatArray) -> Cartesian:
    lon, lat = place.geographic(place.on_map(plane))
    return to_ecef(lon.ravel(), lat.ravel(), heights_m.ravel())


def _shadow(world: World, viewing: Viewing, plane: Grid) -> NDArray[np.bool_]:
    source = world.geometry.grid
    lines = Sightlines(source, viewing.look_azimuth_rad)
    depth = lines.shadow_depth_m(
        lines.turned(world.geometry.terrain_m), 1 / math.tan(math.radians(viewing.incidence_deg))
    )
    shadow: NDArray[np.bool_] = resample(lines.straight(depth), source, plane) > 0
    return shadow


def write_raw_sar(
    place: RawPlace,
    radar: RadarPass,
    taken: datetime,
    folder: Path,
    *,
    incidence_deg: float,
    relative_orbit: int,
    difficulty: float = 1.0,
    polarisation: str = "HH",
) -> Path:
    """Write a GRD product of a place.

    Args:
        place: the glacier.
        radar: the pass; all scenes of a track have the same.
        taken: time of the first line, UTC.
        folder: where ``NAME.SAFE`` is made.
        incidence_deg: of the pass.
        relative_orbit: track, 1 to 175.
        difficulty: overlap in brightness of the kinds of ground: 0 easy, 1 realistic, 2 hard.
        polarisation: HH or VV.
    """
    return write_sar_product(
        folder,
        radar,
        sar_power(place, radar, taken.date(), incidence_deg, difficulty),
        generator(place.seed, "raw speckle", place.world.place, taken.isoformat()),
        first_line=taken,
        polarisation=polarisation,
        relative_orbit=relative_orbit,
        near=_centre_deg(place.grid),
    )


def write_raw_optical(
    place: RawPlace, taken: datetime, sky: Sky, folder: Path, *, tile: str
) -> Path:
    """Write a Level-2A product of a place."""
    height, width = (3 * math.ceil(side / 3) for side in place.plane(20.0, _MARGIN_M).shape)
    plane = Grid.centred(width * 20.0, height * 20.0, 20.0)
    rng = generator(place.seed, "raw optical", place.world.place, taken.isoformat())
    image = render_optical(rng, place.world.sample(plane, taken.date()), place.world.geometry, sky)
    return write_optical_product(folder, image, place.on_map(plane), taken, tile)
