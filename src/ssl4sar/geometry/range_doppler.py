"""Range and Doppler: when and how far away a radar sees a point of the ground.

Sentinel-1 images are focused to zero Doppler (S1-RS-MDA-52-7441, Sentinel-1 Product
Specification, and S1-TN-MDA-52-7445, Detailed Algorithm Definition): a point appears at the time
at which the line to it is perpendicular to the velocity, at its distance then. In ECEF coordinates
the velocity is that of the rotating frame, so the turn of the Earth is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssl4sar.geometry.ellipsoid import Cartesian
from ssl4sar.geometry.orbit import Orbit

SPEED_OF_LIGHT_M_S: Final = 299_792_458.0
#: Some tenths of a millimetre on the ground.
_TOLERANCE_S: Final = 5e-8
_MOST_STEPS: Final = 12


@dataclass(frozen=True, eq=False)
class RadarCoordinates:
    """Where points are in the geometry of the radar; arrays of one shape.

    Attributes:
        azimuth_time_s: times of zero Doppler, seconds in the time of the orbit; NaN where the
            iteration did not converge: the point is far from where the satellite flew.
        slant_range_m: distances at those times, metres.
    """

    azimuth_time_s: NDArray[np.float64]
    slant_range_m: NDArray[np.float64]


def to_radar(
    orbit: Orbit, points_m: Cartesian, guess_s: ArrayLike | None = None
) -> RadarCoordinates:
    """Return when and how far away the radar sees points (Newton's iteration).

    Args:
        orbit: of the satellite.
        points_m: (3, ...) ECEF coordinates, metres; NaN gives NaN.
        guess_s: times close to the answer, which save steps; None: the middle of the orbit.
    """
    start = orbit.centre_s if guess_s is None else guess_s
    time_s = np.array(np.broadcast_to(start, points_m.shape[1:]), np.float64)
    step = np.full_like(time_s, np.inf)
    for _ in range(_MOST_STEPS):
        line = points_m - orbit.position(time_s)
        velocity = orbit.velocity(time_s)
        doppler = (line * velocity).sum(0)
        slope = (line * orbit.acceleration(time_s)).sum(0) - (velocity**2).sum(0)
        step = doppler / slope
        # Beyond its vectors the polynomial of the orbit means nothing; no step leads far from it.
        step = np.clip(step, -orbit.scale_s, orbit.scale_s)
        time_s = time_s - step
        if not (np.abs(step) > _TOLERANCE_S).any():
            break
    lost = np.abs(step) > _TOLERANCE_S
    lost |= np.abs(time_s - orbit.centre_s) > 2 * orbit.scale_s
    time_s = np.where(lost, np.nan, time_s)
    distance = np.linalg.norm(points_m - orbit.position(time_s), axis=0)
    return RadarCoordinates(time_s, distance)
