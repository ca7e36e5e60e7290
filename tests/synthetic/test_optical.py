"""The optical image: spectra by kind of ground, snow line, light, clouds, classes."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import GLACIER, NA, OCEAN, ROCK
from ssl4sar.synthetic.optical import (
    BANDS,
    SCL_BAND,
    SCL_BARE,
    SCL_CLOUD,
    SCL_CLOUD_SHADOW,
    SCL_SNOW,
    SCL_THIN_CLOUD,
    SCL_WATER,
    ground_cover,
    render_optical,
    snow_cover,
)
from ssl4sar.synthetic.passes import draw_passes
from ssl4sar.synthetic.sar import draw_levels, render_sar
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.sky import Sky
from ssl4sar.synthetic.world import (
    BARE_ROCK,
    SNOW_FIELD,
    TONGUE,
    WATER,
    Surface,
    World,
    glacier_world,
)

CLEAR = Sky(math.radians(45), -1.5, 0.0, 1500.0, 1.0, 0.08)
CODES = {2, 3, 5, 6, 7, 8, 9, 11}


@pytest.fixture(scope="module")
def world() -> World:
    return glacier_world(20250701, "Synthetic03", 5000.0, northern=True)


def surface_of(world: World, day: date = date(2018, 7, 20), spacing_m: float = 20.0) -> Surface:
    return world.sample(Grid.centred(world.width_m, world.height_m, spacing_m), day)


def with_melt(surface: Surface, altitude: float, warmth: float = 1.0) -> Surface:
    weather = replace(surface.environment, melt_altitude=altitude, warmth=warmth)
    return replace(surface, environment=weather)


def render(world: World, surface: Surface, sky: Sky = CLEAR, seed: int = 0) -> np.ndarray:
    return render_optical(generator(seed, "optical"), surface, world.geometry, sky)


@pytest.fixture(scope="module")
def summer(world: World) -> tuple[Surface, np.ndarray]:
    surface = with_melt(surface_of(world), 0.4)
    return surface, render(world, surface)


def band(image: np.ndarray, name: str) -> np.ndarray:
    return image[BANDS.index(name)]


def test_numbers_have_the_scale_of_the_product(summer) -> None:
    surface, image = summer
    assert image.shape == (15, *surface.grid.shape)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, np.rint(image))
    assert image.min() >= 1
    assert image[:12].max() < 20_000
    assert 200 < band(image, "WVP").min() <= band(image, "WVP").max() < 2000
    assert 20 < band(image, "AOT").min() <= band(image, "AOT").max() < 250
    assert set(np.unique(image[SCL_BAND])) <= CODES


def test_kinds_of_ground_have_their_spectra(world) -> None:
    surface = with_melt(surface_of(world), 0.4)
    snow, _ = snow_cover(surface, world.geometry)
    image = render(world, surface) / 10_000
    # Sunlit pixels only: the others show the sky.
    lit = image[SCL_BAND] * 10_000 != 2

    def median(name: str, where: np.ndarray) -> float:
        return float(np.median(band(image, name)[where & lit]))

    sea, ice = surface.kind == WATER, (surface.kind == TONGUE) & (snow < 0.1)
    white = (surface.kind == SNOW_FIELD) & (snow > 0.9)
    rock = (surface.kind == BARE_ROCK) & (snow < 0.1)
    for name in ("B2", "B4", "B8"):
        assert median(name, white) > median(name, ice) + 0.15
        assert median(name, ice) > median(name, rock) > median(name, sea)
    # Beyond 1.6 um snow and ice are dark, rock is not.
    for name in ("B11", "B12"):
        assert median(name, rock) > 0.13 > median(name, white)
        assert median(name, sea) < 0.02
    # Ice is blue, rock is red.
    assert median("B2", ice) > median("B4", ice)
    assert median("B4", rock) > median("B2", rock)


def test_snow_line_rises_with_the_melt_line(world) -> None:
    surface = surface_of(world, spacing_m=40.0)
    land = surface.zone != OCEAN
    rock = surface.kind == BARE_ROCK
    covers = []
    for altitude in (-0.5, 0.2, 0.6, 1.0):
        cover, fresh = snow_cover(with_melt(surface, altitude), world.geometry)
        assert ((cover >= 0) & (cover <= 1)).all()
        assert ((fresh >= 0) & (fresh <= 1)).all()
        assert not cover[~land].any()
        covers.append((float(cover[land].mean()), float(cover[rock].mean())))
    assert all(high > low for (high, _), (low, _) in pairwise(covers))
    # In summer rock is bare; in spring, when all is dry, gentle rock lies under snow.
    assert covers[2][1] < 0.05
    spring, _ = snow_cover(with_melt(surface, -0.5, warmth=-0.3), world.geometry)
    assert spring[rock].mean() > 0.4
    assert spring[surface.kind == TONGUE].min() > 0.9


def test_mixtures_are_whole(world) -> None:
    for day in (date(2018, 7, 20), date(2018, 3, 1)):
        ground = ground_cover(surface_of(world, day, 40.0), world.geometry, 0.5)
        assert (ground.shares >= 0).all()
        np.testing.assert_allclose(ground.shares.sum(0), 1, atol=1e-5)
        assert (ground.texture > 0).all()


def test_classes_agree_with_the_ground(summer) -> None:
    surface, image = summer
    classes = image[SCL_BAND]
    seen = classes != 2
    for where, code in (
        (surface.kind == WATER, SCL_WATER),
        (surface.kind == TONGUE, SCL_SNOW),
        (surface.zone == ROCK, SCL_BARE),
    ):
        assert (classes[where & seen] == code).mean() > 0.75


def test_clouds_hide_the_ground_and_darken_it_beside_them(world, summer) -> None:
    surface, clear = summer
    cloudy = render(world, surface, replace(CLEAR, cloud_cover=0.12))
    classes = cloudy[SCL_BAND]
    assert {SCL_CLOUD_SHADOW, SCL_THIN_CLOUD, SCL_CLOUD} <= set(np.unique(classes))
    assert not {SCL_CLOUD_SHADOW, SCL_THIN_CLOUD, SCL_CLOUD} & set(np.unique(clear[SCL_BAND]))
    opaque, shaded = classes == SCL_CLOUD, classes == SCL_CLOUD_SHADOW
    # Clouds are as bright as snow in the visible and much brighter at 1.6 um.
    assert np.median(band(cloudy, "B11")[opaque]) > 3500
    assert band(cloudy, "WVP")[opaque].mean() < 0.8 * band(clear, "WVP")[opaque].mean()
    ratio = band(cloudy, "B8")[shaded] / band(clear, "B8")[shaded]
    assert np.median(ratio) < 0.7
    untouched = (classes == clear[SCL_BAND]) & (classes == SCL_BARE)
    assert np.median(band(cloudy, "B4")[untouched] / band(clear, "B4")[untouched]) == pytest.approx(
        1, abs=0.02
    )


def recalled(features: np.ndarray, zones: np.ndarray) -> float:
    """Mean recall of the three zones by the nearest of three mean colours."""
    scaled = (features - features.mean(1, keepdims=True)) / features.std(1, keepdims=True)
    kinds = (ROCK, GLACIER, OCEAN)
    means = np.stack([scaled[:, zones == kind].mean(1) for kind in kinds])
    nearest = ((scaled[None] - means[:, :, None]) ** 2).sum(1).argmin(0)
    return float(np.mean([(nearest[zones == kind] == i).mean() for i, kind in enumerate(kinds)]))


def test_optical_bands_tell_the_zones_apart_where_the_radar_does_not(world, summer) -> None:
    """Both images show one geography, but a pixel of the radar says little about its kind."""
    surface, image = summer
    (_, viewing), _ = draw_passes(1, "Synthetic03", SENSORS["S1"])
    levels = draw_levels(np.random.default_rng(1), "C", 5.0, viewing.incidence_deg, 1.0)
    radar = render_sar(
        np.random.default_rng(2),
        surface,
        world.geometry,
        SENSORS["S1"],
        viewing,
        levels,
        world.dynamic_bay_m,
    )
    seen = (radar.zones != NA) & (image[SCL_BAND] != 2)
    zones = radar.zones[seen]
    by_radar = recalled(radar.grey[seen][None].astype(float), zones)
    by_colour = recalled(image[:12][:, seen], zones)
    assert by_colour > 0.75
    assert by_colour > by_radar + 0.25
