"""A circular orbit over the poles and the meridians 0 and 180: truth by construction."""

from __future__ import annotations

import numpy as np

RADIUS_M = 7_070_000.0
RATE_S = 2 * np.pi / 5920.0


def circular(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (3, N) positions, metres, and velocities; at time 0 it is over 0 E, 0 N."""
    angle = RATE_S * times_s
    still = np.zeros_like(angle)
    place = RADIUS_M * np.stack([np.cos(angle), still, np.sin(angle)])
    return place, RADIUS_M * RATE_S * np.stack([-np.sin(angle), still, np.cos(angle)])
