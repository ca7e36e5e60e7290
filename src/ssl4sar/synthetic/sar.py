"""What a SAR makes of a surface: backscatter, terrain, speckle, point spread, 8-bit image.

The backscatter of each kind of ground is a plausible level, not the result of a scattering
theory. Shadow and layover follow from the terrain and a plane wave front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.grid import Grid
from ssl4sar.core.zones import NA
from ssl4sar.synthetic.geometry import Geometry
from ssl4sar.synthetic.noise import FloatArray, resample
from ssl4sar.synthetic.sensors import Band, Sensor
from ssl4sar.synthetic.sightlines import Sightlines
from ssl4sar.synthetic.world import (
    BARE_ROCK,
    KIND_COUNT,
    MELANGE,
    SEA_ICE,
    SNOW_FIELD,
    TONGUE,
    WATER,
    Surface,
)

_DB_TO_NEPER: Final = math.log(10) / 10


@dataclass(frozen=True)
class Viewing:
    """Geometry of one pass.

    Attributes:
        incidence_deg: incidence angle at the centre of the area.
        look_azimuth_rad: direction in which the beam travels over the ground, from east,
            counter-clockwise.
    """

    incidence_deg: float
    look_azimuth_rad: float


@dataclass(frozen=True)
class Levels:
    """Mean backscatter of one pass, dB unless said otherwise.

    Attributes:
        kinds_db: sigma nought by kind of ground (``WATER`` to ``BARE_ROCK``).
        wet_db: change where the snow is wet (negative).
        stripes_db: contrast of the flow stripes, one standard deviation.
        crevasses_db: brightness of an open crevasse over smooth ice.
        blocks_db: contrast of the blocks of melange and floes, half of the whole range.
        gaps_db: darkness of the water between blocks (negative).
    """

    kinds_db: tuple[float, float, float, float, float, float]
    wet_db: float
    stripes_db: float
    crevasses_db: float
    blocks_db: float
    gaps_db: float


@dataclass(frozen=True)
class Visibility:
    """What the terrain does to the beam, on the grid of the image.

    Attributes:
        unseen: bool, in radar shadow or folded over so far that nothing can be seen.
        slope_db: float32 change of brightness by the slope towards or away from the radar.
    """

    unseen: NDArray[np.bool_]
    slope_db: FloatArray


def _piecewise(difficulty: float, easy: float, realistic: float, hard: float) -> float:
    return float(np.interp(difficulty, (0.0, 1.0, 2.0), (easy, realistic, hard)))


# Change of each kind (WATER .. BARE_ROCK) against C band, dB: longer waves see through dry snow
# and thin ice, shorter ones see more roughness.
_BAND_DB: Final[dict[Band, tuple[float, ...]]] = {
    "C": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "X": (1.0, 1.0, 0.5, 0.5, -1.5, 1.0),
    "L": (-3.0, -4.0, -1.0, -2.5, -5.0, -1.0),
}
_BAND_WETNESS: Final[dict[Band, float]] = {"C": 1.0, "X": 1.2, "L": 0.5}


def draw_levels(
    rng: np.random.Generator,
    band: Band,
    wind_m_s: float,
    incidence_deg: float,
    difficulty: float,
) -> Levels:
    """Draw the backscatter of one pass.

    With growing difficulty, melange, sea ice and rough water approach the brightness of the
    glacier, wet snow gets darker, and the textures that distinguish them get fainter. The number
    of draws does not depend on the difficulty, so scenes stay the same otherwise.

    Args:
        rng: generator of the scene.
        band: radar band.
        wind_m_s: wind speed.
        incidence_deg: incidence angle.
        difficulty: 0 easy, 1 realistic, 2 hard.
    """
    z = rng.standard_normal(8).clip(-2.0, 2.0)
    glacier = -10.5 + 1.5 * z[0]
    spread = _piecewise(difficulty, 0.8, 2.8, 1.2)
    melange = glacier + _piecewise(difficulty, -8.0, 3.4, 2.4) + spread * z[1]
    sea_ice = glacier + _piecewise(difficulty, -10.0, 2.2, 1.4) + spread * z[2]
    # Wind raises ripples: near nothing in a calm, bright at steep incidence.
    steep = 0.35 * (35.0 - incidence_deg)
    wind = 10 * math.log10(0.15 + (wind_m_s / 7.0) ** 1.6)
    calm = _piecewise(difficulty, -13.0, -4.5, -2.2)
    gain = _piecewise(difficulty, 0.2, 0.75, 0.9)
    water = glacier + calm + gain * (wind + steep) + 0.6 * z[3]
    snow = glacier + 2.0 + 1.2 * z[4]
    rock = glacier + _piecewise(difficulty, 1.5, 0.3, 0.0) + 1.2 * z[5]
    own = (water, sea_ice, melange, glacier, snow, rock)
    kinds = [level + change for level, change in zip(own, _BAND_DB[band], strict=True)]
    contrast = _piecewise(difficulty, 1.15, 1.0, 0.7)
    wet = _piecewise(difficulty, -1.0, -5.5, -8.0) * _BAND_WETNESS[band] * (1 + 0.15 * z[6])
    return Levels(
        kinds_db=(kinds[0], kinds[1], kinds[2], kinds[3], kinds[4], kinds[5]),
        wet_db=float(wet),
        stripes_db=2.1 * contrast,
        crevasses_db=4.8 * contrast,
        blocks_db=3.2 * contrast,
        gaps_db=-8.5 * contrast,
    )


def visibility(geometry: Geometry, viewing: Viewing, grid: Grid) -> Visibility:
    """Trace a plane wave front over the terrain.

    A point is in shadow if a nearer one has a larger h + r cot(theta) (h height, r ground range,
    theta incidence), and laid over where the slant range r sin(theta) - h cos(theta) does not
    grow with r. Brightness follows the area of a tilted facet, 1 / sin of the local incidence
    angle, with a cosine-squared law for the facet itself.
    Source: Ulaby, Moore and Fung 1982, Microwave Remote Sensing, volume 2.
    """
    source, theta = geometry.grid, math.radians(viewing.incidence_deg)
    lines = Sightlines(source, viewing.look_azimuth_rad)
    turned, range_m = lines.turned(geometry.terrain_m), lines.range_m
    depth = lines.shadow_depth_m(turned, 1 / math.tan(theta))
    slant = range_m * np.float32(math.sin(theta)) - turned * np.float32(math.cos(theta))
    fold = np.maximum(
        np.maximum.accumulate(slant, 1) - slant,
        slant - np.minimum.accumulate(slant[:, ::-1], 1)[:, ::-1],
    )
    slope = np.gradient(turned, source.spacing, axis=1)
    local = np.clip(theta - np.arctan(slope), 0.12, 1.5)
    slope_db = 10 * np.log10(
        (math.sin(theta) / np.sin(local)) * (np.cos(local) / math.cos(theta)) ** 2
    )
    slope_db = np.clip(slope_db, -11, 9)
    # In metres: a shallow shadow is noise; only a deep fold buries what is beneath.
    hidden = np.maximum(depth / 12 - 1, fold / (0.16 * geometry.relief_m) - 1)

    def onto_map(field: NDArray[np.floating]) -> FloatArray:
        return resample(lines.straight(field), source, grid)

    return Visibility(
        unseen=onto_map(np.clip(hidden, -1, 1)) > 0,
        slope_db=onto_map(ndimage.gaussian_filter(slope_db, 0.6)),
    )


def backscatter_db(
    surface: Surface, view: Visibility, viewing: Viewing, levels: Levels
) -> FloatArray:
    """Return the mean sigma nought of every pixel, without speckle and noise.

    Returns:
        (H, W) float32, dB.
    """
    grid, weather = surface.grid, surface.environment
    kind = surface.kind
    at_sea = kind <= MELANGE
    solid = ~at_sea
    # Amplitudes by kind, taken with one look-up each.
    base = np.array(levels.kinds_db, np.float32)
    rubble = np.zeros(KIND_COUNT, np.float32)
    rubble[[WATER, SEA_ICE, MELANGE, TONGUE, SNOW_FIELD, BARE_ROCK]] = 0.1, 0.5, 0.8, 0.6, 0.5, 1.9
    swell = np.array([0.8, 0.9, 1.2, 1.3, 1.7, 1.2], np.float32)
    blocks = np.array([0, 0.55, 1.0, 0, 0, 0], np.float32) * np.float32(levels.blocks_db)
    gaps = np.array([0, 0.45, 1.0, 0, 0, 0], np.float32) * np.float32(levels.gaps_db)
    total = base[kind]
    total += rubble[kind] * surface.rubble
    total += swell[kind] * surface.swell
    total += blocks[kind] * surface.blocks
    total += gaps[kind] * surface.gaps
    total += np.float32(levels.stripes_db) * surface.stripes
    total += np.float32(levels.crevasses_db) * surface.crevasses
    # Open cracks stay rough when the snow between them gets wet.
    total += np.float32(levels.wet_db) * surface.wetness * (1 - np.float32(0.6) * surface.crevasses)
    total += np.where(solid, view.slope_db, np.float32(0))
    total += _incidence_ramp_db(grid, viewing) * np.where(kind == WATER, 3.0, 1.0).astype(
        np.float32
    )
    total += _cliff_db(surface, viewing)
    total += _wind_streaks_db(surface, weather.wind_azimuth_rad) * (kind == WATER)
    return total


def _incidence_ramp_db(grid: Grid, viewing: Viewing) -> FloatArray:
    # Brightness falls with range: 1 dB over 10 km on ice.
    away = grid.x() * math.cos(viewing.look_azimuth_rad)
    away = away + grid.y() * math.sin(viewing.look_azimuth_rad)
    return (-1e-4 * away).astype(np.float32)


def _cliff_db(surface: Surface, viewing: Viewing) -> FloatArray:
    """Bright ice cliff towards the radar, thin shadow on the sea behind it."""
    distance = surface.front_distance_m
    rows, columns = np.gradient(distance[::4, ::4])
    # Direction in which the front faces: the gradient of the distance, rows point south.
    length = np.maximum(np.hypot(rows, columns), 1e-6)
    towards = -(
        columns * math.cos(viewing.look_azimuth_rad) - rows * math.sin(viewing.look_azimuth_rad)
    )
    facing = np.repeat(np.repeat((towards / length).astype(np.float32), 4, 0), 4, 1)
    facing = facing[: distance.shape[0], : distance.shape[1]]
    ice = surface.kind == TONGUE
    width_m = np.float32(max(35.0, 1.6 * surface.grid.spacing))
    bright = np.where(ice & (distance > -width_m), np.maximum(facing, 0) * 6, 0)
    dark = np.where((surface.kind <= MELANGE) & (distance < width_m), np.minimum(facing, 0) * 7, 0)
    return (bright + dark).astype(np.float32)


def _wind_streaks_db(surface: Surface, azimuth_rad: float) -> FloatArray:
    across = surface.grid.x() * math.sin(azimuth_rad) - surface.grid.y() * math.cos(azimuth_rad)
    wave = np.sin(across.astype(np.float32) / np.float32(95.0) + surface.swell)
    streaks: FloatArray = wave * (np.float32(0.5) + np.float32(0.3) * surface.swell)
    return streaks


def speckled(
    rng: np.random.Generator, intensity: FloatArray, looks: float, spread_px: float
) -> FloatArray:
    """Multiply by speckle and blur by the point spread.

    The speckle is gamma distributed before the blur, with as many looks less as the blur adds:
    in a homogeneous area mean squared / variance of the result is ``looks``.

    Args:
        rng: generator.
        intensity: (H, W) float32 mean intensity, linear.
        looks: equivalent number of looks of the result.
        spread_px: standard deviation of the point spread, pixels; 0 blurs nothing.

    Returns:
        (H, W) float32 intensity.
    """
    kernel = _kernel(spread_px)
    shape = looks * float((kernel**2).sum()) ** 2
    noise = rng.standard_gamma(shape, intensity.shape, dtype=np.float32)
    noise *= intensity
    noise *= np.float32(1 / shape)
    if len(kernel) > 1:
        noise = ndimage.correlate1d(noise, kernel, 0, mode="nearest")
        noise = ndimage.correlate1d(noise, kernel, 1, mode="nearest")
    return noise


def _kernel(spread_px: float) -> NDArray[np.float64]:
    if spread_px <= 0:
        return np.ones(1)
    radius = max(1, math.ceil(2.5 * spread_px))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / spread_px) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float64)


def swath_edge(
    rng: np.random.Generator, grid: Grid, viewing: Viewing, spare_m: tuple[float, ...]
) -> NDArray[np.bool_]:
    """Return where the image is outside the swath: a tilted strip or corner, often nothing.

    Args:
        rng: generator of the scene.
        grid: grid of the image.
        viewing: pass; the edge runs roughly along the track.
        spare_m: (left, right, bottom, top) that stays inside the swath.

    Returns:
        (H, W) bool.
    """
    present, flip, tilt, share = rng.random(4)
    azimuth = viewing.look_azimuth_rad + (math.pi if flip < 0.5 else 0.0) + 0.3 * (tilt - 0.5)
    x, y = math.cos(azimuth), math.sin(azimuth)

    def reach(left: float, right: float, bottom: float, top: float) -> float:
        return max(left * x, right * x) + max(bottom * y, top * y)

    keep = reach(*spare_m)
    corner = reach(grid.left, grid.right, grid.bottom, grid.top)
    if present > 0.3 or corner <= keep:
        return np.zeros(grid.shape, bool)
    edge = corner - (0.3 + 0.6 * share) * (corner - keep)
    outside: NDArray[np.bool_] = grid.x() * x + grid.y() * y > edge
    return outside


def gray_levels(
    sigma0_db: FloatArray, seen: NDArray[np.bool_], span_db: float, mean_grey: float
) -> NDArray[np.uint8]:
    """Stretch decibels linearly to 8 bit.

    Args:
        sigma0_db: (H, W) dB.
        seen: (H, W) bool, pixels that fix the stretch.
        span_db: range of the whole grey scale.
        mean_grey: grey value, 0-255, of the mean of the seen pixels.

    Returns:
        (H, W) uint8; unseen pixels are stretched alike.
    """
    sample, chosen = sigma0_db[::4, ::4], seen[::4, ::4]
    mean = float(sample[chosen].mean(dtype=np.float64)) if chosen.any() else float(sample.mean())
    scale = 255 / span_db
    grey = (sigma0_db - np.float32(mean)) * np.float32(scale) + np.float32(mean_grey)
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


@dataclass(frozen=True)
class SarImage:
    """A rendered pass.

    Attributes:
        grey: (H, W) uint8 image.
        zones: (H, W) uint8 class ids with NA where the radar sees nothing.
        sigma0_db: (H, W) float32 backscatter with speckle and noise.
    """

    grey: NDArray[np.uint8]
    zones: NDArray[np.uint8]
    sigma0_db: FloatArray


def render_sar(
    rng: np.random.Generator,
    surface: Surface,
    geometry: Geometry,
    sensor: Sensor,
    viewing: Viewing,
    levels: Levels,
    spare_m: tuple[float, ...],
) -> SarImage:
    """Render one pass over a surface.

    Args:
        rng: generator of the scene.
        surface: ground on the grid of the image.
        geometry: static world the surface was sampled from.
        sensor: radar.
        viewing: pass.
        levels: backscatter of the pass.
        spare_m: (left, right, bottom, top) that the swath certainly covers.

    Raises:
        KeyError: the sensor has no product of this pixel size.
    """
    span_db, mean_grey = rng.uniform(19, 26), rng.uniform(55, 110)
    masked = rng.random() < 0.6
    outside = swath_edge(rng, surface.grid, viewing, spare_m)
    view = visibility(geometry, viewing, surface.grid)
    mean_db = backscatter_db(surface, view, viewing, levels)
    intensity = np.exp(mean_db * np.float32(_DB_TO_NEPER))
    intensity[view.unseen] = 0
    intensity += np.float32(10 ** (sensor.noise_db / 10))
    looks = sensor.looks[round(surface.grid.spacing)]
    intensity = speckled(rng, intensity, looks, sensor.spread_px)
    sigma0_db = np.log(np.maximum(intensity, np.float32(1e-6))) * np.float32(1 / _DB_TO_NEPER)
    unseen = view.unseen | outside
    grey = gray_levels(sigma0_db, ~unseen, span_db, mean_grey)
    # Some processors blank what they know to be shadow; none has data beyond the swath.
    grey[unseen if masked else outside] = 0
    zones = surface.zone.copy()
    zones[unseen] = NA
    return SarImage(grey, zones, sigma0_db)
