"""The measured part of an image: what is masked, and that dark sea never is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssl4sar.sar.border import valid_pixels

SHAPE = (120, 300)
NOISE_POWER = 450.0


def sea(sigma: float = 0.0, seed: int = 0) -> np.ndarray:
    """Digital numbers of thermal noise with 4.4 looks and a signal of ``sigma`` times it."""
    speckle = np.random.default_rng(seed).gamma(4.4, 1 / 4.4, SHAPE)
    return np.sqrt(speckle * NOISE_POWER * (1 + sigma)).astype(np.uint16)


def noise() -> np.ndarray:
    return np.full(SHAPE, NOISE_POWER, np.float32)


@pytest.mark.parametrize("version", ["2.36", "2.70", "2.90", "3.40", "4.03"])
def test_zeros_from_the_side_are_border_with_four_pixels_more(version: str) -> None:
    dn = sea(3)
    edge = 20 + np.arange(SHAPE[0]) // 10  # slanted
    columns = np.arange(SHAPE[1])
    dn[columns < edge[:, None]] = 0
    dn[-7:] = 0
    valid = valid_pixels(dn, version, noise_power=noise())
    masked = np.argmax(valid[5:-20], axis=1) - edge[5:-20]
    assert masked.min() >= 4
    assert masked.max() <= 7
    assert not valid[-11:].any()
    assert valid[: -(7 + 4), 60:].all()


@pytest.mark.parametrize("version", ["2.36", "2.70", "3.40"])
@pytest.mark.parametrize("seed", range(3))
def test_dark_sea_and_shadow_amid_the_image_stay(version: str, seed: int) -> None:
    dn = sea(seed=seed)  # nothing but thermal noise
    dn[40:80, 100:200] = 0  # a radar shadow
    dn[0, [3, 50]] = dn[90:95, 0] = 0  # some dark pixels at the sides of the window
    assert valid_pixels(dn, version, noise_power=noise()).all()


@pytest.mark.parametrize(("version", "known"), [("2.36", False), ("2.70", True)])
@pytest.mark.parametrize("brightness", [0.5, 300.0], ids=["dark sea", "bright land"])
@pytest.mark.parametrize("side", ["near", "far"])
def test_faint_columns_of_old_processors_are_border(
    version: str, known: bool, brightness: float, side: str
) -> None:
    dn = sea(brightness)
    faint = (10, 15) if known else (0, 8)  # both below half of the noise
    dn[:, :50] = np.random.default_rng(5).integers(*faint, (SHAPE[0], 50))
    eta = noise()
    eta[:, :25] = 0  # as the tables of real products at the far side
    dn, eta = (dn, eta) if side == "near" else (dn[:, ::-1], eta[:, ::-1])
    valid = valid_pixels(dn, version, noise_power=eta if known else None)
    ours = valid if side == "near" else valid[:, ::-1]
    assert not ours[:, :54].any()
    assert ours[:, 75:].all()
    # Newer processors write no such columns: there they are a very dark measurement.
    assert valid_pixels(dn, "2.90", noise_power=noise()).mean() > 0.9


def test_faint_columns_far_from_the_sides_of_the_image_stay() -> None:
    dn = sea()
    dn[:, :50] = 3
    dn[:, -50:] = 3
    inner = valid_pixels(dn, "2.70", first_column=5000, image_columns=20000, noise_power=noise())
    assert inner.all()
    right = valid_pixels(dn, "2.70", first_column=5000, image_columns=5600, noise_power=noise())
    assert right[:, :200].all()
    assert not right[:, -50:].any()


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), SHAPE])
@pytest.mark.parametrize("version", ["2.36", "3.40"])
def test_nothing_but_zeros_is_border(shape: tuple[int, int], version: str) -> None:
    assert not valid_pixels(np.zeros(shape, np.uint16), version).any()


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    zeros=st.floats(0, 1),
)
def test_any_window_gives_a_mask(seed: int, rows: int, columns: int, zeros: float) -> None:
    rng = np.random.default_rng(seed)
    dn = np.where(rng.random((rows, columns)) < zeros, 0, rng.integers(0, 400, (rows, columns)))
    for version in ("2.36", "3.40"):
        valid = valid_pixels(dn.astype(np.uint16), version)
        assert valid.shape == dn.shape
        assert valid.dtype == np.bool_
