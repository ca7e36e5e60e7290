"""What is between the sun, the ground and an optical sensor: light, shadow, clouds, vapour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.grid import Grid
from ssl4sar.synthetic.geometry import Geometry
from ssl4sar.synthetic.noise import FloatArray, fractal_noise, resample
from ssl4sar.synthetic.sightlines import Sightlines
from ssl4sar.synthetic.world import Surface

_OBLIQUITY_DEG: Final = 23.44
#: Lowest sun that is rendered: below it no reflectance can be trusted.
MIN_SUN_ELEVATION_DEG: Final = 20.0
#: Clouds are drawn on pixels of this size; they have no finer detail.
_CLOUD_SPACING_M: Final = 50.0
#: Share of the shading that the atmospheric correction leaves, and the brightest slope.
_SHADING: Final = 0.65
_BRIGHTEST: Final = 1.4


@dataclass(frozen=True)
class Sky:
    """Sun and air of one image.

    Attributes:
        sun_elevation_rad: height of the sun above the horizon.
        sun_azimuth_rad: direction TO the sun, from east, counter-clockwise.
        cloud_cover: share of the area below clouds, 0 to 1.
        cloud_height_m: height of the clouds above the sea.
        vapour_cm: water vapour of the whole column over the sea, centimetres of water.
        aerosol: optical thickness of the aerosol at 550 nm.
    """

    sun_elevation_rad: float
    sun_azimuth_rad: float
    cloud_cover: float
    cloud_height_m: float
    vapour_cm: float
    aerosol: float


def sun_position(latitude_deg: float, day: date, hour: float) -> tuple[float, float]:
    """Return elevation and azimuth of the sun, radians.

    Spherical astronomy with the declination as a sine of the day of the year, good to a degree.
    Source: Iqbal 1983, An Introduction to Solar Radiation, chapter 1.

    Args:
        latitude_deg: geographical latitude, positive in the north.
        day: day.
        hour: local solar time, hours.

    Returns:
        Elevation above the horizon, and azimuth from east, counter-clockwise.
    """
    season = 2 * math.pi * (day.timetuple().tm_yday - 81) / 365.25
    declination = math.radians(_OBLIQUITY_DEG) * math.sin(season)
    latitude, angle = math.radians(latitude_deg), math.radians(15 * (hour - 12))
    east = -math.cos(declination) * math.sin(angle)
    north = math.cos(latitude) * math.sin(declination)
    north -= math.sin(latitude) * math.cos(declination) * math.cos(angle)
    up = math.sin(latitude) * math.sin(declination)
    up += math.cos(latitude) * math.cos(declination) * math.cos(angle)
    return math.asin(up), math.atan2(north, east)


def draw_sky(rng: np.random.Generator, northern: bool, day: date) -> Sky:
    """Draw the sky of one image; the sun is at least ``MIN_SUN_ELEVATION_DEG`` high."""
    latitude = float(rng.uniform(62, 79)) * (1 if northern else -1)
    # Sentinel-2 passes in the late morning; at high latitudes up to noon.
    elevation, azimuth = sun_position(latitude, day, float(rng.uniform(10.5, 12.5)))
    cloudy, share = rng.random(2)
    return Sky(
        sun_elevation_rad=max(elevation, math.radians(MIN_SUN_ELEVATION_DEG)),
        sun_azimuth_rad=azimuth,
        cloud_cover=0.0 if cloudy < 0.35 else float(0.01 + 0.13 * share**2),
        cloud_height_m=float(rng.uniform(900, 2600)),
        vapour_cm=float(rng.uniform(0.5, 1.6)),
        aerosol=float(rng.uniform(0.04, 0.15)),
    )


def direct_light(surface: Surface, geometry: Geometry, sky: Sky) -> FloatArray:
    """Return the direct sunlight on the ground against that on level ground.

    The cosine of the angle between sun and slope over that of level ground (Lambert's law), and 0
    in the shadow that the terrain casts. The sea is level.

    Returns:
        (H, W) float32, 0 to ``_BRIGHTEST``.
    """
    source, grid = geometry.grid, surface.grid
    south, east = np.gradient(ndimage.gaussian_filter(geometry.terrain_m, 0.7), source.spacing)
    up, level = math.sin(sky.sun_elevation_rad), math.cos(sky.sun_elevation_rad)
    to_east = level * math.cos(sky.sun_azimuth_rad)
    to_north = level * math.sin(sky.sun_azimuth_rad)
    lit = (up - to_east * east + to_north * south) / np.sqrt(1 + east**2 + south**2) / up
    lines = Sightlines(source, sky.sun_azimuth_rad + math.pi)
    depth = lines.shadow_depth_m(lines.turned(geometry.terrain_m), up / level)
    # The sun is a disc: the edge of a shadow is soft.
    seen = lines.straight(1 - np.clip((depth - 4) / 16, 0, 1))
    slope_light = np.clip(1 + _SHADING * (lit - 1), 0, _BRIGHTEST).astype(np.float32)
    slope_light = resample(slope_light, source, grid)
    at_sea = surface.elevation_m <= 0
    return np.where(at_sea, np.float32(1), slope_light) * resample(seen, source, grid)


@dataclass(frozen=True)
class Clouds:
    """Clouds of one image, (H, W) float32 each.

    Attributes:
        opacity: 0 clear to 1 opaque.
        shadow: 0 to 1, opacity of the cloud between the sun and the ground.
        lumps: unevenness of the clouds, about unit variance.
    """

    opacity: FloatArray
    shadow: FloatArray
    lumps: FloatArray


def draw_clouds(rng: np.random.Generator, geometry: Geometry, grid: Grid, sky: Sky) -> Clouds:
    """Draw clouds and the shadows that they throw away from the sun.

    The field of clouds repeats, so that clouds beyond the area throw shadows into it.
    """
    whole = geometry.grid
    coarse = Grid.centred(
        whole.width * whole.spacing, whole.height * whole.spacing, _CLOUD_SPACING_M
    )
    field = fractal_noise(rng, coarse.shape, 2500 / _CLOUD_SPACING_M, 2.2)
    lumps = fractal_noise(rng, coarse.shape, 600 / _CLOUD_SPACING_M, 1.8)
    if sky.cloud_cover <= 0:
        clear = np.zeros(grid.shape, np.float32)
        return Clouds(clear, clear, clear)
    edge = np.quantile(field, 1 - sky.cloud_cover)
    opacity = np.clip((field + 0.15 * lumps - edge) / 0.45, 0, 1).astype(np.float32)
    offset_px = sky.cloud_height_m / math.tan(sky.sun_elevation_rad) / _CLOUD_SPACING_M
    shift = (
        round(offset_px * math.sin(sky.sun_azimuth_rad)),
        round(-offset_px * math.cos(sky.sun_azimuth_rad)),
    )
    shadow: NDArray[np.float32] = np.roll(opacity, shift, (0, 1))
    return Clouds(*(resample(layer, coarse, grid) for layer in (opacity, shadow, lumps)))
