"""Sensors of the benchmark."""

from __future__ import annotations

from ssl4sar.core.scene_name import SENSORS as NAMES
from ssl4sar.synthetic.sensors import SENSORS


def test_all_sensors_of_the_benchmark_are_known():
    assert set(SENSORS) == set(NAMES)
    assert {s for sensor in SENSORS.values() for s in sensor.looks} == {6, 7, 12, 17, 20}
