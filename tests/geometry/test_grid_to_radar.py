"""The fast way from a grid to the radar against the exact one, over the highest relief there is."""

from __future__ import annotations

import numpy as np
import pytest
from circular_orbit import circular
from pyproj import Transformer

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import normals, to_ecef
from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.geometry.lattice import Lattice
from ssl4sar.geometry.orbit import Orbit
from ssl4sar.geometry.range_doppler import to_radar

LEAST_M, GREATEST_M = -100.0, 8900.0


def over(crs: str, spacing: float, shape: tuple[int, int], lon: float, lat: float) -> Grid:
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    return Grid.at(x - shape[1] * spacing / 2, y + shape[0] * spacing / 2, spacing, shape, crs)


def lon_lat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    return transformer.transform(*np.broadcast_arrays(grid.x(), grid.y()))


@pytest.fixture(scope="module")
def orbit() -> Orbit:
    times = np.arange(-80.0, 81.0, 10.0)
    return Orbit.fit(times, *circular(times))


@pytest.mark.parametrize(
    "grid",
    [
        over("EPSG:32631", 20, (97, 130), 6.0, 1.0),
        over("EPSG:32631", 100, (130, 97), 6.0, 1.0),
        over("EPSG:3413", 40, (64, 65), 6.0, 2.0),
    ],
    ids=["20 m", "100 m", "rotated against the north"],
)
def test_the_lattice_is_right_to_millimetres(orbit: Orbit, grid: Grid) -> None:
    heights = np.random.default_rng(0).uniform(LEAST_M, GREATEST_M, grid.shape)
    heights[3, 4] = np.nan
    fast = GridToRadar.build(orbit, grid, LEAST_M, GREATEST_M)
    rows = slice(1, 60)
    lon, lat = (part[rows] for part in lon_lat(grid))
    points = to_ecef(lon, lat, heights[rows])
    exact = to_radar(orbit, points)
    found = fast.at(rows, heights[rows])
    np.testing.assert_allclose(found.azimuth_time_s, exact.azimuth_time_s, rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.slant_range_m, exact.slant_range_m, rtol=0, atol=0.01)
    satellite = orbit.position(exact.azimuth_time_s)
    line = (satellite - points) / exact.slant_range_m
    look = fast.look_at(rows, heights[rows])
    np.testing.assert_allclose(look[2], (line * normals(lon, lat)).sum(0), atol=2e-5)
    np.testing.assert_allclose((look**2).sum(0)[0], 1.0, atol=2e-5)
    down = np.arccos((line * satellite).sum(0) / np.linalg.norm(satellite, axis=0))
    np.testing.assert_allclose(fast.off_nadir_at(rows, heights[rows]), down, atol=1e-8)


def test_the_stretch_of_a_map_is_that_of_the_projection(orbit: Orbit) -> None:
    # UTM shrinks its central meridian by 0.9996.
    grid = over("EPSG:32631", 20, (3, 3), 3.0, 40.0)
    stretch = GridToRadar.build(orbit, grid, 0, 0).stretch_at(slice(0, 3))
    np.testing.assert_allclose(stretch, 1 / 0.9996, rtol=1e-7)


def test_longitudes_do_not_jump_at_the_antimeridian() -> None:
    lon, _ = Lattice(over("EPSG:32660", 100, (40, 400), 180.0, 66.0)).lon_lat
    assert np.ptp(lon) < 2
    assert (np.diff(lon, axis=1) > 0).all()
