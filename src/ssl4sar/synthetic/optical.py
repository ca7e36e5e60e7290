"""What a Sentinel-2-like sensor sees of a surface: reflectances of 12 bands, vapour, classes.

A pixel is a mixture of a dozen kinds of ground, each with a spectrum; the mixture follows from
the same fields that the radar sees (kinds, blocks, crevasses, stripes, snow), so that both images
show one geography. Spectra are round values of the usual shape (clean snow bright up to 1 um and
dark beyond, ice darker and bluer, water dark, rock rising with wavelength; Warren 1982,
doi:10.1029/RG020i001p00067; Cuffey and Paterson 2010, The Physics of Glaciers, chapter 5) and no
measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.synthetic.geometry import Geometry
from ssl4sar.synthetic.noise import FloatArray, resample
from ssl4sar.synthetic.sky import Clouds, Sky, direct_light, draw_clouds
from ssl4sar.synthetic.world import BARE_ROCK, MELANGE, SEA_ICE, SNOW_FIELD, TONGUE, WATER, Surface

#: Bands of an image in the order of the Sentinel-2 L2A collection of Google Earth Engine.
BANDS: Final = (
    *("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"),
    *("AOT", "WVP", "SCL"),
)
#: Position of the scene classes among them.
SCL_BAND: Final = BANDS.index("SCL")
#: Reflectance 1 in the numbers of an L2A product.
REFLECTANCE_SCALE: Final = 10_000.0
#: AOT and WVP (centimetres) are stored in thousandths.
_AIR_SCALE: Final = 1000.0
_COUNT: Final = 12
#: Native ground sampling distance by band, metres.
GSD_M: Final = (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 20, 20, 60, 60, 20)
#: Share of the light that comes from the sky, by band.
_SKY_LIGHT: Final = (0.34, 0.28, 0.22, 0.16, 0.14, 0.12, 0.11, 0.1, 0.1, 0.09, 0.05, 0.04)

# Codes of the scene classification map of the L2A product.
SCL_SHADED: Final = 2
SCL_CLOUD_SHADOW: Final = 3
SCL_BARE: Final = 5
SCL_WATER: Final = 6
SCL_UNCLASSIFIED: Final = 7
SCL_THIN_CLOUD: Final = 8
SCL_CLOUD: Final = 9
SCL_SNOW: Final = 11

_SPECTRA: Final[dict[str, tuple[float, ...]]] = {
    "sea": (0.058, 0.046, 0.03, 0.015, 0.012, 0.009, 0.008, 0.007, 0.006, 0.005, 0.003, 0.002),
    "plume": (0.12, 0.14, 0.155, 0.125, 0.105, 0.065, 0.058, 0.05, 0.042, 0.022, 0.006, 0.004),
    "slush": (0.33, 0.34, 0.33, 0.28, 0.25, 0.21, 0.18, 0.15, 0.13, 0.08, 0.012, 0.008),
    "floe": (0.66, 0.68, 0.67, 0.62, 0.58, 0.53, 0.48, 0.43, 0.39, 0.28, 0.035, 0.025),
    "berg": (0.8, 0.81, 0.79, 0.73, 0.69, 0.64, 0.59, 0.53, 0.49, 0.37, 0.04, 0.03),
    "ice": (0.56, 0.58, 0.57, 0.5, 0.46, 0.41, 0.37, 0.32, 0.29, 0.2, 0.025, 0.018),
    "dirty": (0.23, 0.25, 0.265, 0.26, 0.25, 0.24, 0.23, 0.215, 0.205, 0.17, 0.09, 0.07),
    "old snow": (0.84, 0.85, 0.84, 0.81, 0.78, 0.75, 0.71, 0.67, 0.64, 0.52, 0.055, 0.04),
    "fresh snow": (0.97, 0.98, 0.975, 0.965, 0.955, 0.945, 0.93, 0.91, 0.89, 0.8, 0.13, 0.1),
    "grey rock": (0.085, 0.095, 0.11, 0.125, 0.132, 0.138, 0.145, 0.15, 0.155, 0.16, 0.2, 0.175),
    "warm rock": (0.07, 0.085, 0.12, 0.17, 0.185, 0.195, 0.205, 0.215, 0.225, 0.235, 0.3, 0.26),
    "cloud": (0.8, 0.8, 0.79, 0.78, 0.78, 0.78, 0.78, 0.78, 0.77, 0.47, 0.48, 0.38),
}
_GROUND: Final = tuple(name for name in _SPECTRA if name != "cloud")


@dataclass(frozen=True)
class Ground:
    """What a pixel is made of.

    Attributes:
        shares: (kinds of ``_GROUND``, H, W) float32, sum 1.
        texture: (H, W) float32 factor of the brightness, around 1.
    """

    shares: FloatArray
    texture: FloatArray


def _logistic(value: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))), np.float32)


def _smoothstep(value: FloatArray, low: float, high: float) -> FloatArray:
    share = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def snow_cover(surface: Surface, geometry: Geometry) -> tuple[FloatArray, FloatArray]:
    """Return how far seasonal snow covers the ground, and how fresh it is.

    The snow line follows the melt line of the day: on ice a little below it, because wet snow
    lasts for weeks; on rock higher, because dark ground warms, and higher yet where it is steep.

    Returns:
        (H, W) float32 cover, 0 to 1, of the land, 0 at sea; (H, W) float32, 0 old and wet to 1
        fresh.
    """
    relief = np.float32(geometry.relief_m)
    melt = np.float32(surface.environment.melt_altitude)
    height = surface.elevation_m / relief
    steep = np.hypot(*np.gradient(geometry.terrain_m, geometry.grid.spacing))
    steep = resample(steep.astype(np.float32), geometry.grid, surface.grid)
    rock = surface.kind == BARE_ROCK
    rise = np.float32(0.45 * max(0.0, surface.environment.warmth))
    line = np.where(
        rock,
        melt + np.float32(0.12) + rise + np.float32(0.5) * np.maximum(steep - np.float32(0.35), 0),
        melt - np.float32(0.06),
    )
    ragged = np.where(rock, np.float32(0.07), np.float32(0.02)) * surface.swell
    ragged += np.where(rock, np.float32(0.05), np.float32(0)) * surface.rubble
    cover = _logistic((height - line + ragged) * np.float32(28))
    # What the radar calls a snow field is firn all year; it never melts to dark ice everywhere.
    cover = np.where(surface.kind == SNOW_FIELD, np.maximum(cover, np.float32(0.25)), cover)
    fresh = _logistic((height - melt - np.float32(0.16) + ragged) * np.float32(14))
    return np.where(surface.kind <= MELANGE, np.float32(0), cover), fresh


def ground_cover(surface: Surface, geometry: Geometry, warmness: float) -> Ground:
    """Return the mixture of every pixel.

    Args:
        surface: ground.
        geometry: static world the surface was sampled from.
        warmness: 0 for grey, 1 for brown rock.
    """
    kind, swell, rubble = surface.kind, surface.swell, surface.rubble
    shares = {name: np.zeros(surface.grid.shape, np.float32) for name in _GROUND}
    texture = np.ones(surface.grid.shape, np.float32)

    # Meltwater stains the fjord in front of the ice.
    warm = max(0.0, surface.environment.warmth)
    reach = np.float32(0.9 * geometry.valleys[0].half_width_m)
    near = np.exp(-np.maximum(surface.front_distance_m, 0) / reach)
    stain = np.clip(np.float32(warm) * near * (1 + np.float32(0.35) * swell), 0, 1)
    at_sea = kind <= MELANGE
    gaps = np.where(kind == SEA_ICE, np.float32(0.75), np.float32(1)) * surface.gaps
    open_water = np.where(kind == WATER, np.float32(1), np.clip(gaps, 0, 1))
    shares["plume"] = np.where(at_sea, open_water * stain, 0)
    shares["sea"] = np.where(at_sea, open_water - open_water * stain, 0)
    frozen = np.where(at_sea & (kind != WATER), 1 - open_water, 0)
    # Few blocks are clean and bright, the rest is brash and thin ice.
    clean = _smoothstep(surface.blocks + np.float32(0.2) * rubble, -0.7, 0.9)
    shares["slush"] = frozen * (1 - clean)
    shares["berg"] = np.where(kind == MELANGE, frozen * clean, 0)
    shares["floe"] = np.where(kind == MELANGE, 0, frozen * clean)

    snow, fresh = snow_cover(surface, geometry)
    shares["fresh snow"] = snow * fresh
    shares["old snow"] = snow * (1 - fresh)
    bare = np.where(at_sea, np.float32(0), 1 - snow)
    ice = (kind == TONGUE) | (kind == SNOW_FIELD)
    inside = resample(geometry.distance_m, geometry.grid, surface.grid)
    # Debris: falling from the walls on the margins, carried in bands along the flow.
    margin = np.exp(np.minimum(inside, 0) / np.float32(70)) * (1 + np.float32(0.3) * rubble)
    bands = _smoothstep(-surface.stripes, 1.15, 2.1)
    debris = np.where(kind == TONGUE, np.clip(np.float32(0.8) * margin + bands, 0, 0.95), 0)
    shares["dirty"] = np.where(ice, bare * debris, 0)
    shares["ice"] = np.where(ice, bare * (1 - debris), 0)
    brown = np.clip(np.float32(warmness) + np.float32(0.3) * swell, 0, 1)
    shares["warm rock"] = np.where(ice, 0, bare * brown)
    shares["grey rock"] = np.where(ice, 0, bare * (1 - brown))

    texture += np.where(ice, np.float32(0.09) * surface.stripes * (1 - snow), 0)
    texture += np.where(ice, np.float32(0.03) * swell, 0)
    texture += np.float32(0.025) * rubble * np.where(at_sea, np.float32(0.4), np.float32(1))
    texture += np.where(kind == BARE_ROCK, np.float32(0.09) * rubble * (1 - snow), 0)
    # A crack is a shadow; snow bridges hide some.
    texture *= 1 - surface.crevasses * (np.float32(0.5) - np.float32(0.2) * snow)
    stack = np.stack([np.asarray(shares[name], np.float32) for name in _GROUND])
    return Ground(stack, np.maximum(texture, np.float32(0.15)))


def _columns(names: tuple[str, ...]) -> FloatArray:
    return np.array([_SPECTRA[name] for name in names], np.float32).T


def _reflectance(ground: Ground, light: FloatArray, clouds: Clouds, tint: FloatArray) -> FloatArray:
    """Return (12, H, W) float32 reflectance as the sensor takes it for, terrain not removed."""
    spectra = _columns(_GROUND) * tint[:, None]
    bands = np.tensordot(spectra, ground.shares, 1)
    bands *= ground.texture
    sky_light = np.array(_SKY_LIGHT, np.float32)[:, None, None]
    direct = light * (1 - np.float32(0.85) * clouds.shadow)
    bands *= sky_light + (1 - sky_light) * direct
    white = _columns(("cloud",))[:, :, None] * (1 + np.float32(0.09) * clouds.lumps)
    bands += clouds.opacity * (white - bands)
    return np.asarray(bands, np.float32)


def scene_classes(reflectance: FloatArray, clouds: Clouds, light: FloatArray) -> NDArray[np.uint8]:
    """Return the scene classification of an image, from its reflectances and the true clouds.

    Snow and water by the normalised difference of green and 1.6 um and by the near infrared, the
    kind of thresholds that the processor of Sentinel-2 uses (Main-Knorn et al. 2017,
    doi:10.1117/12.2278218).

    Args:
        reflectance: (12, H, W) float32.
        clouds: clouds of the image.
        light: (H, W) direct sunlight, 0 in the shadow of mountains.
    """
    green, infrared, short = reflectance[2], reflectance[7], reflectance[10]
    snow_index = (green - short) / np.maximum(green + short, np.float32(1e-4))
    classes = np.full(green.shape, SCL_UNCLASSIFIED, np.uint8)
    classes[(snow_index < 0.1) & (short > 0.05)] = SCL_BARE
    classes[(snow_index > 0.35) & (infrared > 0.11)] = SCL_SNOW
    classes[(snow_index > 0.1) & (infrared <= 0.08)] = SCL_WATER
    classes[(light < 0.25) & (classes != SCL_SNOW)] = SCL_SHADED
    classes[clouds.shadow > 0.4] = SCL_CLOUD_SHADOW
    classes[clouds.opacity > 0.3] = SCL_THIN_CLOUD
    classes[clouds.opacity > 0.75] = SCL_CLOUD
    return classes


def _blurred(band: FloatArray, gsd_m: int, spacing_m: float) -> FloatArray:
    sigma_px = 0.4 * gsd_m / spacing_m
    if sigma_px < 0.3:
        return band
    blurred: FloatArray = ndimage.gaussian_filter(band, sigma_px, mode="nearest", truncate=2.5)
    return blurred


def render_optical(
    rng: np.random.Generator, surface: Surface, geometry: Geometry, sky: Sky
) -> FloatArray:
    """Render one optical image.

    Returns:
        (15, H, W) float32 in the order of ``BANDS``: whole numbers of at least 1, reflectance
        times 10,000, AOT and WVP (cm) times 1,000, and the SCL code.
    """
    shape = surface.grid.shape
    warmness = float(rng.uniform(0.1, 0.8))
    # Sensor and correction leave a per cent that differs from band to band.
    tint = (1 + 0.012 * rng.standard_normal(_COUNT)).astype(np.float32)
    clouds = draw_clouds(rng, geometry, surface.grid, sky)
    light = direct_light(surface, geometry, sky)
    ground = ground_cover(surface, geometry, warmness)
    bands = _reflectance(ground, light, clouds, tint)
    # Air above low ground holds more vapour; haze brightens the blue.
    height_m = surface.elevation_m + clouds.opacity * (sky.cloud_height_m - surface.elevation_m)
    vapour = np.float32(sky.vapour_cm) * np.exp(-height_m / np.float32(2000))
    vapour *= 1 + np.float32(0.03) * surface.swell
    haze = np.float32(sky.aerosol) * (1 + np.float32(0.02) * surface.swell)
    bands[0] += np.float32(0.06) * haze
    bands[1] += np.float32(0.04) * haze
    bands[9] *= np.exp(np.float32(-0.12) * vapour)
    classes = scene_classes(bands, clouds, light)
    image = np.empty((len(BANDS), *shape), np.float32)
    for i, band in enumerate(bands):
        sharp = _blurred(band, GSD_M[i], surface.grid.spacing)
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise *= np.float32(0.0012) + np.float32(0.004) * sharp
        image[i] = (sharp + noise) * np.float32(REFLECTANCE_SCALE)
    for i, air in ((12, haze), (13, vapour)):
        image[i] = _blurred(air, GSD_M[i], surface.grid.spacing) * np.float32(_AIR_SCALE)
    image[SCL_BAND] = classes
    return np.maximum(np.rint(image), 1)
