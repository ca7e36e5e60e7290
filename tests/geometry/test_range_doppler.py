"""Circular orbit over the ellipsoid: truth by construction. ESA's own grids are in tests/sar."""

from __future__ import annotations

import numpy as np
import pytest
from circular_orbit import circular
from hypothesis import given, settings
from hypothesis import strategies as st

from ssl4sar.geometry.ellipsoid import normals, to_ecef, to_geodetic
from ssl4sar.geometry.ground_range import GroundRange
from ssl4sar.geometry.orbit import DEGREE, Orbit
from ssl4sar.geometry.range_doppler import to_radar


@pytest.fixture(scope="module", params=[10.0, 1.0], ids="{:g} s between vectors".format)
def orbit(request: pytest.FixtureRequest) -> Orbit:
    times = np.arange(-80.0, 81.0, request.param) * (1.0 if request.param > 1 else 0.2)
    return Orbit.fit(times, *circular(times))


@given(
    lon=st.floats(-180, 180), lat=st.floats(-90, 90), height=st.floats(-400, 9000) | st.just(7e5)
)
def test_geodetic_coordinates_return(lon: float, lat: float, height: float) -> None:
    back = to_geodetic(to_ecef(lon, lat, height))
    np.testing.assert_allclose(to_ecef(*back), to_ecef(lon, lat, height), atol=1e-6)
    assert back[1] == pytest.approx(lat, abs=1e-11)
    assert back[2] == pytest.approx(height, abs=1e-6)


@given(lon=st.floats(-180, 180), lat=st.floats(-89, 89))
def test_a_height_is_along_the_normal(lon: float, lat: float) -> None:
    rise = to_ecef(lon, lat, 1000.0) - to_ecef(lon, lat, 0.0)
    np.testing.assert_allclose(rise, 1000.0 * normals(lon, lat), atol=1e-6)


def test_positions_and_velocities_are_those_of_the_vectors(orbit: Orbit) -> None:
    times = np.linspace(-10, 10, 21)
    place, velocity = circular(times)
    np.testing.assert_allclose(orbit.position(times), place, atol=0.01)
    np.testing.assert_allclose(orbit.velocity(times), velocity, atol=1e-4)
    assert orbit.misfit_m < 0.01


def test_too_few_vectors_are_refused() -> None:
    times = np.arange(float(DEGREE))
    with pytest.raises(ValueError, match="5 state vectors"):
        Orbit.fit(times, *circular(times))


@settings(max_examples=50)
@given(
    time=st.floats(-8, 8),
    range_m=st.floats(8e5, 9.5e5),
    side=st.sampled_from([-1, 1]),
    guess=st.floats(-8, 8),
)
def test_a_point_built_at_zero_doppler_is_found(
    time: float, range_m: float, side: int, guess: float
) -> None:
    times = np.arange(-80.0, 81.0, 10.0)
    orbit = Orbit.fit(times, *circular(times))
    along = orbit.velocity(time) / np.linalg.norm(orbit.velocity(time))
    down = -orbit.position(time) / np.linalg.norm(orbit.position(time))
    across = side * np.cross(along, down)
    down = np.cross(across, along) * side
    look = np.cos(0.6) * down + np.sin(0.6) * across
    look -= along * (look @ along)
    look /= np.linalg.norm(look)
    found = to_radar(orbit, orbit.position(time) + range_m * look, guess)
    assert found.azimuth_time_s == pytest.approx(time, abs=1e-8)
    assert found.slant_range_m == pytest.approx(range_m, abs=1e-6)


def test_points_that_the_satellite_never_passed_are_not_found(orbit: Orbit) -> None:
    behind = to_ecef([0.0, 180.0, 0.0], [0.0, 0.0, np.nan], 0.0)
    found = to_radar(orbit, behind)
    assert np.isfinite(found.azimuth_time_s[0])
    assert np.isnan(found.azimuth_time_s[2])
    assert np.isnan(to_radar(orbit, to_ecef(0.0, -80.0, 0.0)).azimuth_time_s)


def test_the_nearest_record_decides_about_ground_range() -> None:
    records = GroundRange(
        np.array([0.0, 10.0]), np.array([100.0, 200.0]), np.array([[0.0, 2.0], [5.0, 3.0]])
    )
    found = records.at([-50.0, 4.0, 6.0, 99.0, np.nan], [300.0, 300.0, 300.0, 300.0, 300.0])
    np.testing.assert_array_equal(found, [400.0, 400.0, 305.0, 305.0, np.nan])
