"""Sensors of the benchmark."""

from __future__ import annotations

from datetime import date

import pytest

from ssl4sar.core.scene_name import SENSORS as NAMES
from ssl4sar.synthetic.sensors import SENSORS


def test_all_sensors_of_the_benchmark_are_known():
    assert set(SENSORS) == set(NAMES)
    assert {s for sensor in SENSORS.values() for s in sensor.looks} == {6, 7, 12, 17, 20}


@pytest.mark.parametrize("sensor", SENSORS.values(), ids=lambda sensor: sensor.name)
def test_numbers_are_plausible(sensor):
    assert date(1991, 7, 17) < sensor.first < sensor.last <= date(2020, 12, 31)
    assert 15 < sensor.incidence_deg[0] < sensor.incidence_deg[1] < 60
    assert all(1 <= looks <= 6 for looks in sensor.looks.values())
    assert -30 < sensor.noise_db < -15
    assert 1 <= sensor.last_orbit <= 999
