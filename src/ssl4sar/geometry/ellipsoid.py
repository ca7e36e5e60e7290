"""The ellipsoid WGS 84: geodetic and Earth-centred, Earth-fixed (ECEF) coordinates.

Formulas: NIMA TR8350.2, Department of Defense World Geodetic System 1984, 3rd edition, 2000
(parameters: table 3.1; coordinates: equation 4-14); B. R. Bowring, Survey Review 23 (1976) 323-327
for the way back.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: (3, ...) float64: x, y, z in metres, or a direction, in ECEF coordinates.
Cartesian = NDArray[np.float64]

SEMI_MAJOR_M: Final = 6_378_137.0
FLATTENING: Final = 1.0 / 298.257223563
_SEMI_MINOR_M: Final = SEMI_MAJOR_M * (1.0 - FLATTENING)
_E2: Final = FLATTENING * (2.0 - FLATTENING)
_SECOND_E2: Final = _E2 / (1.0 - _E2)


def to_ecef(lon_deg: ArrayLike, lat_deg: ArrayLike, height_m: ArrayLike) -> Cartesian:
    """Return (3, ...) ECEF coordinates of points, metres.

    Args:
        lon_deg: longitudes, degrees; the three arguments are broadcast.
        lat_deg: geodetic latitudes, degrees.
        height_m: heights above the ellipsoid, metres.
    """
    lon, lat = np.radians(np.asarray(lon_deg, np.float64)), np.radians(lat_deg)
    height = np.asarray(height_m, np.float64)
    sine, cosine = np.sin(lat), np.cos(lat)
    normal_m = SEMI_MAJOR_M / np.sqrt(1.0 - _E2 * sine**2)
    across_m = (normal_m + height) * cosine
    x, y = across_m * np.cos(lon), across_m * np.sin(lon)
    z = (normal_m * (1.0 - _E2) + height) * sine
    return np.stack(np.broadcast_arrays(x, y, z))


def to_geodetic(
    points_m: Cartesian,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return longitudes and latitudes in degrees and heights above the ellipsoid in metres.

    One step of Bowring's iteration: below 1e-7 m for heights up to orbits of 700 km.

    Args:
        points_m: (3, ...) ECEF coordinates, metres; not the centre of the Earth.
    """
    x, y, z = points_m
    across = np.hypot(x, y)
    lat = np.arctan2(z * SEMI_MAJOR_M, across * _SEMI_MINOR_M)
    for _ in range(2):
        lat = np.arctan2(
            z + _SECOND_E2 * _SEMI_MINOR_M * np.sin(lat) ** 3,
            across - _E2 * SEMI_MAJOR_M * np.cos(lat) ** 3,
        )
        geodetic = lat
        lat = np.arctan2((1.0 - FLATTENING) * np.sin(lat), np.cos(lat))
    sine, cosine = np.sin(geodetic), np.cos(geodetic)
    # Along the normal, so that it holds at the poles, too.
    height = across * cosine + z * sine - SEMI_MAJOR_M * np.sqrt(1.0 - _E2 * sine**2)
    return np.degrees(np.arctan2(y, x)), np.degrees(geodetic), height


def normals(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Cartesian:
    """Return (3, ...) unit vectors that point up, normal to the ellipsoid.

    Args:
        lon_deg: longitudes, degrees.
        lat_deg: geodetic latitudes, degrees.
    """
    lon, lat = np.radians(np.asarray(lon_deg, np.float64)), np.radians(lat_deg)
    parts = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) + 0.0 * lon
    return np.stack(np.broadcast_arrays(*parts))
