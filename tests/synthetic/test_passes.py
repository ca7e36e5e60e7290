"""Orbits of a sensor over a place."""

from __future__ import annotations

import math

import pytest

from ssl4sar.synthetic.passes import draw_passes
from ssl4sar.synthetic.sensors import SENSORS


@pytest.mark.parametrize("sensor", SENSORS.values(), ids=lambda sensor: sensor.name)
def test_two_different_orbits_within_the_limits_of_the_sensor(sensor) -> None:
    passes = draw_passes(3, "JAC", sensor)
    assert passes == draw_passes(3, "JAC", sensor)
    assert len({orbit for orbit, _ in passes}) == 2
    for orbit, viewing in passes:
        assert len(orbit) == 3
        assert 1 <= int(orbit) <= sensor.last_orbit
        assert sensor.incidence_deg[0] <= viewing.incidence_deg <= sensor.incidence_deg[1]
        assert 0 <= viewing.look_azimuth_rad < 2 * math.pi
