"""SYNTHETIC passes of a radar satellite over a place, and what its image of the ground is.

The satellite flies a circle whose inclination and height are those of Sentinel-1, over a turning
Earth, and looks to the right. Ground is projected forward into the image cell by cell, so that
slopes towards the radar shrink and get brighter, and ground that is equally far away adds up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import fsolve

from ssl4sar.geometry.ellipsoid import Cartesian, normals, to_ecef
from ssl4sar.geometry.ground_range import GroundRange
from ssl4sar.geometry.orbit import Orbit
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.synthetic.noise import FloatArray

#: Of Sentinel-1 (its mean height over the ellipsoid is 693 km).
_RADIUS_M: Final = 7_071_000.0
_INCLINATION_RAD: Final = math.radians(98.18)
_GRAVITY_M3_S2: Final = 3.986004418e14
_EARTH_RATE_S: Final = 7.292115e-5
_VECTOR_SPACING_S: Final = 10.0
#: First and last state vector before and after the middle of the image, seconds.
_VECTORS_S: Final = (-70.0, 90.0)
#: Terms of the conversion from slant to ground range, as in products.
_TERMS: Final = 9
_RECORDS: Final = 3
#: Their coordinates fit into the caches of a processor.
_CELLS_AT_ONCE: Final = 20_000


@dataclass(frozen=True, eq=False)
class RadarPass:
    """The geometry of one image; times are seconds since its first line.

    Attributes:
        vector_times_s: (N,) of the state vectors.
        positions_m: (3, N) ECEF.
        velocities_m_s: (3, N) in the rotating frame.
        lines: rows of the image.
        pixels: columns of the image, near range first.
        spacing_m: of lines and pixels on the ground.
        azimuth_time_interval_s: between lines.
        near_range_m: slant range of the first pixel.
        ground_range: conversion from slant range.
        slant_range: (R, K) coefficients of the way back, lowest power first: slant range in metres
            by ground range.
        node_time_s: time of the latest ascending node.
        ascending: whether the satellite flies north.
    """

    vector_times_s: NDArray[np.float64]
    positions_m: Cartesian
    velocities_m_s: Cartesian
    lines: int
    pixels: int
    spacing_m: float
    azimuth_time_interval_s: float
    near_range_m: float
    ground_range: GroundRange
    slant_range: NDArray[np.float64]
    node_time_s: float
    ascending: bool

    @cached_property
    def orbit(self) -> Orbit:
        """The orbit through the state vectors."""
        return Orbit.fit(self.vector_times_s, self.positions_m, self.velocities_m_s)

    def image_position(
        self, points_m: Cartesian
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return line and pixel of points, 0 = centre of the first.

        Args:
            points_m: (3, ...) ECEF, metres.
        """
        radar = to_radar(self.orbit, points_m, self.lines / 2 * self.azimuth_time_interval_s)
        ground_m = self.ground_range.at(radar.azimuth_time_s, radar.slant_range_m)
        return radar.azimuth_time_s / self.azimuth_time_interval_s, ground_m / self.spacing_m

    def ground_point(
        self, line: ArrayLike, pixel: ArrayLike, height_m: ArrayLike, near: tuple[float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitude and latitude of what is at a place of the image, degrees.

        Args:
            line: rows of the image.
            pixel: columns.
            height_m: heights of the points above the ellipsoid.
            near: longitude and latitude of a point nearby, degrees.
        """
        line, pixel, height = np.broadcast_arrays(
            np.asarray(line, float), np.asarray(pixel, float), np.asarray(height_m, float)
        )
        lon, lat = np.full(line.shape, near[0]), np.full(line.shape, near[1])
        step = 1e-4
        for _ in range(8):
            at = np.stack(self.image_position(to_ecef(lon, lat, height)))
            east = np.stack(self.image_position(to_ecef(lon + step, lat, height))) - at
            north = np.stack(self.image_position(to_ecef(lon, lat + step, height))) - at
            missing = np.stack([line, pixel]) - at
            turn = east[0] * north[1] - east[1] * north[0]
            lon = lon + step * (missing[0] * north[1] - missing[1] * north[0]) / turn
            lat = lat + step * (missing[1] * east[0] - missing[0] * east[1]) / turn
        return lon, lat


def plan_pass(
    lon_deg: float,
    lat_deg: float,
    incidence_deg: float,
    *,
    ascending: bool,
    size_m: tuple[float, float],
    spacing_m: float = 10.0,
) -> RadarPass:
    """Return the pass whose image is centred on a place.

    Args:
        lon_deg: longitude of the centre.
        lat_deg: latitude of the centre, within 75 degrees of the equator.
        incidence_deg: angle between line of sight and vertical there.
        ascending: whether the satellite flies north.
        size_m: length along the track and width across it.
        spacing_m: of lines and pixels on the ground.

    Raises:
        ValueError: no such pass was found.
    """
    target, up = to_ecef(lon_deg, lat_deg, 0.0), normals(lon_deg, lat_deg)
    node_rad, argument_rad = _aim(target, up, (lon_deg, lat_deg), incidence_deg, ascending)
    speed_m_s = float(np.linalg.norm(_state(node_rad, argument_rad, 0.0)[1]))
    lines, pixels = (round(side / spacing_m) for side in size_m)
    # The beam moves over the ground more slowly than the satellite by the ratio of the radii.
    interval_s = spacing_m / (speed_m_s * float(np.linalg.norm(target)) / _RADIUS_M)
    middle_s = lines / 2 * interval_s
    times = np.arange(*_VECTORS_S, _VECTOR_SPACING_S)
    states = [_state(node_rad, argument_rad, time) for time in times]
    distance_m = float(np.linalg.norm(target - _state(node_rad, argument_rad, 0.0)[0]))
    forward, back, near_m = _conversions(target, distance_m, pixels * spacing_m)
    rate = math.sqrt(_GRAVITY_M3_S2 / _RADIUS_M**3)
    return RadarPass(
        vector_times_s=times + middle_s,
        positions_m=np.stack([state[0] for state in states], 1),
        velocities_m_s=np.stack([state[1] for state in states], 1),
        lines=lines,
        pixels=pixels,
        spacing_m=spacing_m,
        azimuth_time_interval_s=interval_s,
        near_range_m=near_m,
        ground_range=GroundRange(np.linspace(-1, 2, _RECORDS) * 2 * middle_s, *forward),
        slant_range=back,
        node_time_s=middle_s - (argument_rad % (2 * math.pi)) / rate,
        ascending=ascending,
    )


def _state(node_rad: float, argument_rad: float, time_s: float) -> tuple[Cartesian, Cartesian]:
    """Return position and velocity in the rotating frame on a circle around the Earth."""
    rate = math.sqrt(_GRAVITY_M3_S2 / _RADIUS_M**3)
    angle, node = argument_rad + rate * time_s, node_rad - _EARTH_RATE_S * time_s
    along = np.array([math.cos(node), math.sin(node), 0.0])
    tilt, lift = math.cos(_INCLINATION_RAD), math.sin(_INCLINATION_RAD)
    across = np.array([-math.sin(node) * tilt, math.cos(node) * tilt, lift])
    place = _RADIUS_M * (math.cos(angle) * along + math.sin(angle) * across)
    velocity = _RADIUS_M * rate * (math.cos(angle) * across - math.sin(angle) * along)
    return place, velocity - np.cross([0.0, 0.0, _EARTH_RATE_S], place)


def _aim(
    target: Cartesian,
    up: Cartesian,
    at_deg: tuple[float, float],
    incidence_deg: float,
    ascending: bool,
) -> tuple[float, float]:
    """Return node and argument of latitude at which a target is at zero Doppler to the right."""

    def misses(angles: NDArray[np.float64]) -> list[float]:
        place, velocity = _state(float(angles[0]), float(angles[1]), 0.0)
        sight = target - place
        cosine = -(sight @ up) / np.linalg.norm(sight)
        return [
            float(sight @ velocity) / 7e9,
            float(cosine) - math.cos(math.radians(incidence_deg)),
        ]

    lon, lat = (math.radians(angle) for angle in at_deg)
    argument = math.asin(max(-0.99, min(0.99, math.sin(lat) / math.sin(_INCLINATION_RAD))))
    argument = argument if ascending else math.pi - argument
    # Some 6 degrees of arc from the track to the right.
    aside = math.radians(5.0) / max(math.cos(lat), 0.2) * (-1 if ascending else 1)
    along = math.atan2(math.cos(_INCLINATION_RAD) * math.sin(argument), math.cos(argument))
    for shift in (1.0, 1.5, 0.6, 2.5):
        start = [lon + shift * aside - along, argument]
        angles, _, solved, _ = fsolve(misses, start, full_output=True, xtol=1e-13)
        place, velocity = _state(float(angles[0]), float(angles[1]), 0.0)
        right = float((target - place) @ np.cross(velocity, place)) > 0
        if solved == 1 and right and (velocity[2] > 0) == ascending:
            return float(angles[0]), float(angles[1])
    raise ValueError(f"no pass over {at_deg} at {incidence_deg} degrees was found")


def _conversions(
    target: Cartesian, distance_m: float, width_m: float
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64], float]:
    """Return origins and coefficients to ground range, those of the way back, and near range."""
    radius = float(np.linalg.norm(target))

    def slant_m(arc_m: ArrayLike) -> NDArray[np.float64]:
        angle = np.asarray(arc_m) / radius
        return np.sqrt(_RADIUS_M**2 + radius**2 - 2 * _RADIUS_M * radius * np.cos(angle))

    cosine = (_RADIUS_M**2 + radius**2 - distance_m**2) / (2 * _RADIUS_M * radius)
    first_m = radius * math.acos(cosine) - width_m / 2
    ground = np.linspace(-0.2, 1.2, 200) * width_m
    slant = slant_m(first_m + ground)
    near = float(slant_m(first_m))
    # Origins differ between records, as in products; the conversion is the same.
    origins = np.asarray(near - 3.0 * np.arange(_RECORDS), np.float64)
    forward = np.stack([_fitted(slant - origin, ground) for origin in origins])
    return (origins, forward), np.tile(_fitted(ground, slant), (_RECORDS, 1)), near


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coefficients of y by x, lowest power first, fitted on a scaled axis."""
    scale = float(np.abs(x).max())
    coefficients = np.polynomial.polynomial.polyfit(x / scale, y, _TERMS - 1)
    return np.asarray(coefficients / scale ** np.arange(_TERMS))


def project(
    radar: RadarPass, points_m: Cartesian, power: FloatArray, cell_m2: float
) -> NDArray[np.float32]:
    """Return the mean power that the ground sends to every pixel of the image.

    Every cell is shared between the four pixels around its place.

    Args:
        radar: the pass.
        points_m: (3, N) centres of the cells, ECEF, metres.
        power: (N,) sigma nought of the cells, linear, by their area on the map.
        cell_m2: area of a cell on the map, square metres.

    Returns:
        (lines, pixels) float32, linear; 0 where there is no ground.
    """
    weight = power * (cell_m2 / radar.spacing_m**2)
    image = np.zeros(radar.lines * radar.pixels)
    for start in range(0, weight.size, _CELLS_AT_ONCE):
        cells = slice(start, start + _CELLS_AT_ONCE)
        line, pixel = radar.image_position(points_m[:, cells])
        row, column = np.floor(line), np.floor(pixel)
        for down in (0, 1):
            for right in (0, 1):
                rows, columns = row + down, column + right
                share = (1 - np.abs(line - rows)) * (1 - np.abs(pixel - columns)) * weight[cells]
                # What the radar never saw is NaN, and outside every comparison.
                inside = (rows >= 0) & (rows < radar.lines)
                inside &= (columns >= 0) & (columns < radar.pixels)
                index = (rows[inside] * radar.pixels + columns[inside]).astype(np.intp)
                np.add.at(image, index, share[inside])
    return image.reshape(radar.lines, radar.pixels).astype(np.float32)
