"""Azimuthal equidistant projection of places on a sphere.

Source: Snyder 1987, Map projections - a working manual (USGS Professional Paper 1395), equations
22-4, 22-5 and 25-3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_KM: Final = 6371.0


@dataclass(frozen=True)
class Projection:
    """Azimuthal equidistant projection on a sphere.

    Attributes:
        lon: longitude of the centre, degrees; at the pole the meridian that points down.
        lat: latitude of the centre, degrees.
    """

    lon: float
    lat: float

    def xy_km(
        self, lons: NDArray[np.float64], lats: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return places on the map, km to the right of and above the centre.

        Args:
            lons: longitudes, degrees, any shape.
            lats: latitudes, degrees, the same shape.
        """
        phi, phi0 = np.radians(lats), math.radians(self.lat)
        turn = np.radians(lons - self.lon)
        right = np.cos(phi) * np.sin(turn)
        up = math.cos(phi0) * np.sin(phi) - math.sin(phi0) * np.cos(phi) * np.cos(turn)
        along = math.sin(phi0) * np.sin(phi) + math.cos(phi0) * np.cos(phi) * np.cos(turn)
        # The distance by the arc tangent stays exact near the centre and opposite to it.
        sine = np.hypot(right, up)
        distance = np.arctan2(sine, along) * EARTH_RADIUS_KM
        scale = np.divide(distance, sine, out=np.full_like(sine, EARTH_RADIUS_KM), where=sine > 0)
        return right * scale, up * scale
