"""A SYNTHETIC product holds what was put into it, for our reader and for those of others."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.acquire.safe.manifest import read_manifest
from ssl4sar.acquire.safe.verification import file_problem
from ssl4sar.geometry.ellipsoid import normals, to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.calibration import read_calibration
from ssl4sar.sar.check import check_product
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.synthetic.radar_pass import RadarPass, plan_pass, project
from ssl4sar.synthetic.sentinel1_product import write_sar_product

NEAR = (-49.0, 69.0)
FIRST_LINE = datetime(2019, 8, 1, 10, 9, 8, 765432, tzinfo=UTC)
SIGMA0 = 0.08


@pytest.fixture(scope="module")
def radar() -> RadarPass:
    return plan_pass(*NEAR, 37.0, ascending=False, size_m=(6000.0, 8000.0))


@pytest.fixture(scope="module")
def product(radar: RadarPass, tmp_path_factory: pytest.TempPathFactory) -> GrdProduct:
    power = np.full((radar.lines, radar.pixels), SIGMA0, np.float32)
    path = write_sar_product(
        tmp_path_factory.mktemp("s1"),
        radar,
        power,
        np.random.default_rng(3),
        first_line=FIRST_LINE,
        polarisation="HH",
        relative_orbit=90,
        near=NEAR,
    )
    return open_product(path)


@pytest.mark.parametrize("lat", [0.0, 69.0, -66.0])
@pytest.mark.parametrize("ascending", [True, False])
def test_a_pass_is_over_its_place_at_its_incidence(lat: float, ascending: bool) -> None:
    radar = plan_pass(-49.0, lat, 33.0, ascending=ascending, size_m=(4000.0, 6000.0))
    target = to_ecef(-49.0, lat, 0.0)
    line, pixel = radar.image_position(target)
    assert (line, pixel) == (pytest.approx(200, abs=1e-3), pytest.approx(300, abs=1e-3))
    seen = to_radar(radar.orbit, target)
    velocity = radar.orbit.velocity(seen.azimuth_time_s)
    sight = radar.orbit.position(seen.azimuth_time_s) - target
    incidence = np.degrees(np.arccos(sight @ normals(-49.0, lat) / np.linalg.norm(sight)))
    assert incidence == pytest.approx(33.0, abs=0.01)
    assert (velocity[2] > 0) == ascending
    # A point to the right of the track is farther away.
    east = radar.image_position(to_ecef(-48.99, lat, 0.0))[1]
    assert (east > pixel) == ascending


def test_places_of_the_image_and_the_ground_agree(radar: RadarPass) -> None:
    line, pixel, height = [0.0, 100.5, 599.0], [799.0, 10.25, 0.0], [0.0, 900.0, -30.0]
    lon, lat = radar.ground_point(line, pixel, height, NEAR)
    back = radar.image_position(to_ecef(lon, lat, height))
    np.testing.assert_allclose(back, (line, pixel), atol=1e-5)


def test_ground_conserves_its_power_and_slopes_to_the_radar_are_bright(radar: RadarPass) -> None:
    steps = np.arange(-200, 200) * 10.0
    lon = NEAR[0] + steps / 111_195 / np.cos(np.radians(NEAR[1]))
    lons, lats = (each.ravel() for each in np.meshgrid(lon, NEAR[1] + steps / 111_195))
    ones = np.ones(lons.size, np.float32)
    flat = project(radar, to_ecef(lons, lats, 0.0), ones, 100.0)
    assert flat[200:400, 300:500].mean() == pytest.approx(1.0, abs=0.03)
    assert flat[200:400, 300:500].std() < 0.03
    assert flat.sum() == pytest.approx(ones.size, rel=1e-6)
    # The pass descends and looks west: ground that rises westwards faces the radar.
    facing = project(
        radar, to_ecef(lons, lats, 3000 - 0.2 * steps[None].repeat(400, 0).ravel()), ones, 100.0
    )
    assert facing[facing > 0].mean() > 1.2


def test_files_are_those_of_the_manifest(product: GrdProduct) -> None:
    listed = read_manifest(product.path / "manifest.safe")
    assert len(listed) == 4
    assert [file_problem(product.path / file.path, file) for file in listed] == [None] * 4
    assert (product.platform, product.mode, product.polarisations) == ("S1X", "IW", ("HH",))
    assert (product.orbit_pass, product.relative_orbit) == ("descending", 90)
    assert "SYNTHETIC" in (product.path / "manifest.safe").read_text()


def test_our_solver_agrees_with_its_geolocation_grid(product: GrdProduct) -> None:
    (found,) = check_product(product.path).polarisations.values()
    assert found.errors.azimuth_error_max_m < 0.01
    assert found.errors.slant_range_error_max_m < 0.01
    assert found.errors.pixel_error_max_px < 0.01
    assert found.nesz_centre_db == pytest.approx(-27.0, abs=0.1)


def test_calibrated_power_is_what_was_put_in(product: GrdProduct) -> None:
    import rasterio

    with rasterio.open(product.measurement("HH")) as raster:
        numbers = raster.read(1).astype(np.float64)
    annotation = product.annotation("HH")
    calibration = read_calibration(
        product.read_calibration_xml("HH"),
        "calibration",
        annotation.first_line_time,
        annotation.azimuth_time_interval_s,
    )
    gain = calibration.gain("sigma0", slice(0, 600), slice(0, 800))
    noise = 10 ** (-2.7) * 1.25  # between the middle of the swath and its edges
    assert np.mean(numbers**2 / gain**2) == pytest.approx(SIGMA0 + noise, rel=0.02)


@pytest.mark.slow
def test_others_read_it_alike(product: GrdProduct, radar: RadarPass, tmp_path: Path) -> None:
    import xarray_sentinel

    # Their reader knows the four real satellites only.
    copy = shutil.copytree(product.path, tmp_path / product.path.name)
    for file in list(copy.rglob("*s1x-*")):
        file.rename(file.with_name(file.name.replace("s1x-", "s1a-")))
    manifest = copy / "manifest.safe"
    manifest.write_text(manifest.read_text().replace("s1x-", "s1a-"))
    opened = xarray_sentinel.open_sentinel1_dataset(str(copy), group="IW/HH")
    assert opened["measurement"].shape == (radar.lines, radar.pixels)
    orbit = xarray_sentinel.open_sentinel1_dataset(str(copy), group="IW/HH/orbit")
    np.testing.assert_allclose(orbit["position"].values, radar.positions_m, atol=0.01)
    calibration = xarray_sentinel.open_sentinel1_dataset(str(copy), group="IW/HH/calibration")
    sigma0 = xarray_sentinel.calibrate_intensity(opened["measurement"], calibration["sigmaNought"])
    assert float(sigma0.mean()) == pytest.approx(SIGMA0 + 10 ** (-2.7) * 1.25, rel=0.02)
    sarsen = pytest.importorskip("sarsen")
    vectors = sarsen.Sentinel1SarProduct(str(copy), measurement_group="IW/HH").state_vectors()
    np.testing.assert_allclose(vectors.values, radar.positions_m, atol=0.01)
