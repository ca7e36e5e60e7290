"""From where a radar sees a place: the two orbits that come back again and again."""

from __future__ import annotations

import math

import numpy as np

from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.sar import Viewing
from ssl4sar.synthetic.sensors import Sensor


def draw_passes(seed: int, place: str, sensor: Sensor) -> list[tuple[str, Viewing]]:
    """Draw the two orbits from which a sensor sees a place.

    Returns:
        Track number, three digits, and geometry of each.
    """
    rng = generator(seed, "orbits", place, sensor.name)
    orbits = rng.choice(np.arange(1, min(sensor.last_orbit, 999) + 1), 2, replace=False)
    return [
        (
            f"{orbit:03d}",
            Viewing(float(rng.uniform(*sensor.incidence_deg)), float(rng.uniform(0, 2 * math.pi))),
        )
        for orbit in orbits
    ]
