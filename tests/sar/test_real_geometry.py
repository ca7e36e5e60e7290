"""Real metadata, also of a scene across the antimeridian: positions against those of ESA's grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from ssl4sar.core.grid import Grid, crs_at
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.product import open_product
from ssl4sar.sar.window import needed_window


def real(test_data: Path, ending: str) -> Annotation:
    (path,) = (test_data / "sentinel1" / "grdh").glob(f"*_{ending}")
    return open_product(path).annotation("VV")


@pytest.mark.parametrize("ending", ["5371.SAFE", "ECC8.SAFE", "8255.zip", "1C0B.zip"])
def test_pixels_over_a_point_of_the_grid_get_its_position(test_data: Path, ending: str) -> None:
    annotation = real(test_data, ending)
    points = annotation.tie_points
    errors = []
    for at in [(3, 5), (5, 10), (7, 18)]:
        lon, lat, height = (each[at] for each in (points.lon_deg, points.lat_deg, points.height_m))
        crs = crs_at(float(lon), float(lat))
        x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
        # The point is the centre of pixel (20, 30).
        grid = Grid.at(x - 30.5 * 20, y + 20.5 * 20, 20, (50, 70), crs)
        heights = np.full((1, 70), height)
        fast = GridToRadar.build(annotation.orbit, grid, height - 500, height + 1500)
        line, pixel = annotation.image_position(fast.at(slice(20, 21), heights))
        interval_s = annotation.azimuth_time_interval_s
        lines_off = line[0, 30] - points.azimuth_time_s[at] / interval_s
        errors.append((lines_off, pixel[0, 30] - points.pixel[at]))
    assert np.abs(errors).max() < 0.02


def test_a_grid_across_the_antimeridian_is_seen_without_a_jump(test_data: Path) -> None:
    annotation = real(test_data, "1C0B.zip")
    points = annotation.tie_points
    middle = np.unravel_index(np.argmin(np.abs(points.lon_deg % 360 - 180)), points.lon_deg.shape)
    lon, lat = points.lon_deg[middle] % 360, points.lat_deg[middle]
    x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(lon, lat)
    grid = Grid.at(x - 20_000, y + 20_000, 100, (400, 400), "EPSG:32660")
    lons = Transformer.from_crs(32660, 4326, always_xy=True).transform(
        *np.broadcast_arrays(grid.x(), grid.y())
    )[0]
    assert lons.min() < -179.5
    assert lons.max() > 179.5
    window = needed_window(annotation, grid, (0.0, 100.0), "scene")
    assert max(window.shape) < 6000
    radar = GridToRadar.build(annotation.orbit, grid, 0.0, 100.0).at(
        slice(0, 400), np.zeros(grid.shape)
    )
    line, pixel = annotation.image_position(radar)
    for position in (line, pixel):
        steps = np.abs(np.diff(position, axis=1))
        assert steps.max() < 11
        assert np.ptp(steps) < 0.5


def test_fifty_metres_of_height_are_as_many_in_range(test_data: Path) -> None:
    """Around Rome, which 5371 saw at an incidence of 44 degrees: why datums are refused."""
    annotation = real(test_data, "5371.SAFE")
    lon, lat = np.meshgrid(np.linspace(12.45, 12.55, 9), np.linspace(41.95, 42.05, 9))
    low, high = (
        annotation.image_position(to_radar(annotation.orbit, to_ecef(lon, lat, height)))[1]
        for height in (60.0, 110.0)
    )
    moved_m = (low - high) * annotation.range_pixel_spacing_m
    assert moved_m.mean() == pytest.approx(51.6, abs=1)
