"""The orbit of one scene: from the state vectors of its annotation or of a precise orbit file."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.geometry.ellipsoid import Cartesian
from ssl4sar.geometry.orbit import REACH_S, Orbit

#: Real vectors fit to some millimetres; beyond this they are not those of one smooth orbit.
_MOST_MISFIT_M: Final = 1.0


def scene_orbit(
    times_s: NDArray[np.float64],
    positions_m: Cartesian,
    velocities_m_s: Cartesian,
    duration_s: float,
) -> Orbit:
    """Return the orbit that fits the state vectors around a scene.

    Args:
        times_s: (N,) seconds since the first line.
        positions_m: (3, N) metres, ECEF.
        velocities_m_s: (3, N) metres per second, in the rotating frame.
        duration_s: time of the last line.

    Raises:
        ValueError: the vectors are out of order, do not cover the scene, are too few, or are not
            on one orbit.
    """
    if (np.diff(times_s) <= 0).any():
        raise ValueError("the state vectors are out of order")
    near = (times_s >= -REACH_S) & (times_s <= duration_s + REACH_S)
    times = times_s[near]
    if times.size == 0 or times[0] > 0 or times[-1] < duration_s:
        raise ValueError("the state vectors do not cover the scene")
    orbit = Orbit.fit(times, positions_m[:, near], velocities_m_s[:, near])
    if not orbit.misfit_m <= _MOST_MISFIT_M:
        raise ValueError(f"the state vectors are up to {orbit.misfit_m:.3g} m off one orbit")
    return orbit
