"""The azimuthal equidistant projection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.report.projection import EARTH_RADIUS_KM, Projection

lons = st.floats(-180, 180)
lats = st.floats(-90, 90)


def place(projection: Projection, lon: float, lat: float) -> tuple[float, float]:
    x, y = projection.xy_km(np.array([lon]), np.array([lat]))
    return float(x[0]), float(y[0])


def arc_km(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the distance along the sphere by the angle between two unit vectors."""

    def unit(lon: float, lat: float) -> np.ndarray:
        a, b = np.radians(lon), np.radians(lat)
        return np.array([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])

    one, two = unit(lon1, lat1), unit(lon2, lat2)
    angle = np.arctan2(np.linalg.norm(np.cross(one, two)), one @ two)
    return float(angle) * EARTH_RADIUS_KM


@given(lons, lats, lons, lats)
def test_distances_from_the_centre_are_true(
    lon0: float, lat0: float, lon: float, lat: float
) -> None:
    x, y = place(Projection(lon0, lat0), lon, lat)
    assert np.hypot(x, y) == pytest.approx(arc_km(lon0, lat0, lon, lat), abs=1e-3)


@given(lons, lats, lons, st.floats(-89, 89), st.sampled_from([-360.0, 360.0]))
def test_longitudes_of_another_turn_are_the_same_place(
    lon0: float, lat0: float, lon: float, lat: float, turn: float
) -> None:
    projection = Projection(lon0, lat0)
    if arc_km(lon0, lat0, lon, lat) > 19_900:
        return  # opposite to the centre the direction is not determined
    assert place(projection, lon + turn, lat) == pytest.approx(
        place(projection, lon, lat), abs=1e-2
    )


def test_the_pole_is_in_the_middle_and_greenwich_points_down() -> None:
    projection = Projection(0.0, 90.0)
    assert place(projection, 33.0, 90.0) == pytest.approx((0, 0), abs=1e-6)
    degree_km = EARTH_RADIUS_KM * np.pi / 180
    assert place(projection, 0.0, 80.0) == pytest.approx((0, -10 * degree_km))
    assert place(projection, 90.0, 80.0) == pytest.approx((10 * degree_km, 0), abs=1e-6)
    assert place(projection, -90.0, 70.0) == pytest.approx((-20 * degree_km, 0), abs=1e-6)


def test_north_is_up_and_east_is_right_away_from_the_pole() -> None:
    projection = Projection(-60.0, -65.0)
    assert place(projection, -60.0, -65.0) == (0, 0)
    x, y = place(projection, -60.0, -64.0)
    assert abs(x) < 1e-6
    assert y > 0
    assert place(projection, -59.0, -65.0)[0] > 0
