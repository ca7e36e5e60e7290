"""Static world: valleys, walls, terrain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssl4sar.synthetic.geometry import Valley, build_geometry


def test_straight_valley_has_its_width_and_direction():
    valley = Valley((100.0, 50.0), math.radians(30), 1000.0, ())
    forward = np.array([math.cos(math.radians(30)), math.sin(math.radians(30))])
    x, y = (np.array([[value]]) for value in np.array([100.0, 50.0]) + 700 * forward)
    along, across, half_width = valley.along_across(x, y)
    assert along[0, 0] == pytest.approx(700)
    assert across[0, 0] == pytest.approx(0, abs=1e-9)
    assert half_width[0, 0] == pytest.approx(1000, rel=0.11)
    assert valley.distance_m(x, y)[0, 0] == pytest.approx(-half_width[0, 0])


@pytest.mark.parametrize("seed", range(2))
def test_ground_is_low_in_the_valley_and_high_beside_it(seed):
    geometry = build_geometry(seed, "SI", 6000.0, 5000.0)
    inside, far = geometry.distance_m < 0, geometry.distance_m > 800
    assert 0.15 < inside.mean() < 0.7
    assert np.median(geometry.terrain_m[far]) > np.median(geometry.terrain_m[inside]) + 200
    assert geometry.terrain_m.min() > 0
    # Snow fields never reach into a valley.
    assert (geometry.distance_m[geometry.snow > 0] > 0).all()
