"""Shifts that were put in are found; what cannot be matched says so."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from ssl4sar.stack.shift import measure_shift, measure_shift_between_sensors

ROWS, COLUMNS = 208, 256
LOOKS = 4.4


def terrain(seed: int = 0) -> np.ndarray:
    """Mean power of hills at several scales, (ROWS, COLUMNS)."""
    rng = np.random.default_rng(seed)
    scales = (2.0, 5.0, 12.0)
    db = sum(
        3.0 * field / field.std()
        for field in (gaussian_filter(rng.normal(size=(ROWS, COLUMNS)), s) for s in scales)
    )
    return 10 ** ((db - 12.0) / 10)


def with_speckle(power: np.ndarray, seed: int, looks: float = LOOKS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 10 * np.log10(power * rng.gamma(looks, 1 / looks, power.shape))


def moved(power: np.ndarray, x: float, y: float) -> np.ndarray:
    return np.maximum(shift(power, (y, x), order=3, mode="reflect"), 1e-4)


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.3, -0.7), (-0.7, 0.3), (1.5, 0.0), (5.0, -5)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(x: float, y: float) -> None:
    power = terrain()
    stable = np.ones(power.shape, bool)
    found = measure_shift(with_speckle(power, 1), with_speckle(moved(power, x, y), 2), stable)
    assert found.x_px == pytest.approx(x, abs=0.1)
    assert found.y_px == pytest.approx(y, abs=0.1)
    assert found.windows > 10
    assert (found.problem is not None) == (np.hypot(x, y) > 1)


@pytest.mark.parametrize("holes_of", [("reference", "image"), ("image",)])
@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.3, -0.7), (1.5, 0.0), (-2.2, 1.4)])
def test_holes_at_one_place_do_not_hide_a_shift(
    x: float, y: float, holes_of: tuple[str, ...]
) -> None:
    power = terrain()
    scenes = {
        "reference": with_speckle(power, 1, 4 * LOOKS),
        "image": with_speckle(moved(power, x, y), 2),
    }
    rows, columns = np.indices(power.shape) % 24
    for name in holes_of:
        scenes[name][(rows < 6) & (columns < 6)] = np.nan
    found = measure_shift(*scenes.values(), np.ones(power.shape, bool))
    assert (found.x_px, found.y_px) == (pytest.approx(x, abs=0.1), pytest.approx(y, abs=0.1))
    assert (found.problem is not None) == (np.hypot(x, y) > 1)


@pytest.mark.parametrize("spacing_m", [20, 80])
@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.3, -0.7), (1.5, 0.0)])
def test_strips_of_rock_are_matched_by_small_windows(x: float, y: float, spacing_m: int) -> None:
    power = terrain()
    # Strips of 600 m at 20 m, and as many pixels as a glacier of 9 km has at 80 m.
    size, width = ((ROWS, COLUMNS), 30) if spacing_m == 20 else ((112, 112), 24)
    stable = np.zeros(power.shape, bool)
    stable[20 : 20 + width], stable[:, 30 : 30 + width] = True, True
    stable[size[0] :], stable[:, size[1] :] = False, False
    # Ice beside it is another on every day; the rock and its edges move as one.
    scenes = [
        with_speckle(moved(np.where(stable, power, terrain(seed)), *by), seed, looks)
        for seed, by, looks in ((5, (0, 0), 4 * LOOKS), (6, (x, y), LOOKS))
    ]
    found = measure_shift(*scenes, stable)
    assert (found.x_px, found.y_px) == (pytest.approx(x, abs=0.15), pytest.approx(y, abs=0.15))
    assert (found.problem is not None) == (x > 1)


def test_too_little_stable_terrain_is_said_to_be() -> None:
    power = terrain()
    stable = np.zeros(power.shape, bool)
    stable[40:56, 40:56] = True
    found = measure_shift(with_speckle(power, 1), with_speckle(power, 2), stable)
    assert found.x_px is None
    assert found.problem is not None
    assert found.problem.startswith("too little stable terrain")


def test_only_stable_terrain_counts() -> None:
    power = terrain()
    ice = moved(power, 4.0, 0.0)
    stable = np.zeros(power.shape, bool)
    stable[:, :128] = True
    scene = np.where(stable, power, ice)
    found = measure_shift(with_speckle(power, 1), with_speckle(scene, 2), stable)
    assert found.length_px == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("what", ["no stable terrain", "no data", "another place", "flat"])
def test_what_cannot_be_matched_is_flagged(what: str) -> None:
    power = terrain()
    stable = np.full(power.shape, what != "no stable terrain")
    image = with_speckle(terrain(seed=9) if what == "another place" else power, 2)
    if what == "no data":
        image[:] = np.nan
    if what == "flat":
        image[:] = -12.0
    found = measure_shift(with_speckle(power, 1), image, stable)
    assert found.problem is not None


def test_edges_of_an_inverted_image_are_matched_between_sensors() -> None:
    power = terrain()
    optical = np.clip(0.5 - 0.02 * 10 * np.log10(power), 0.3, 1.2)
    found = measure_shift_between_sensors(
        optical, with_speckle(moved(power, -0.7, 0.3), 2), np.ones(power.shape, bool)
    )
    assert found.x_px == pytest.approx(-0.7, abs=0.25)
    assert found.y_px == pytest.approx(0.3, abs=0.25)
