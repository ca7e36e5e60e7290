"""Ground range by the way that the processor went."""

from __future__ import annotations

import numpy as np
import pytest

from ssl4sar.geometry.ground_range import GroundRange

NEAR_M, WAY = 850_000.0, (850_000.0, 0.5, 3e-7)
GROUND_M = np.linspace(0.0, 250_000.0, 1001)
SLANT_M = np.polyval(WAY[::-1], GROUND_M)


def records(degree: int, *, way: bool) -> GroundRange:
    """Return two records whose polynomials of a degree only approximate the inverse of the way."""
    fitted = np.polynomial.Polynomial.fit(SLANT_M - NEAR_M, GROUND_M, degree).convert().coef
    back = np.array([WAY, WAY]) if way else None
    return GroundRange(np.array([0.0, 3.0]), np.full(2, NEAR_M), np.stack([fitted, fitted]), back)


def test_the_way_of_the_processor_counts_not_its_approximate_inverse() -> None:
    approximate = records(3, way=False).at(1.0, SLANT_M)
    assert 5 < np.abs(approximate - GROUND_M).max() < 100
    exact = records(3, way=True).at(1.0, SLANT_M)
    np.testing.assert_allclose(exact, GROUND_M, atol=0.002)


def test_far_beyond_the_image_the_step_is_bounded() -> None:
    far_m = NEAR_M + np.array([-700_000.0, -200_000.0, 900_000.0])
    moved = records(3, way=True).at(1.0, far_m) - records(3, way=False).at(1.0, far_m)
    assert np.abs(moved).max() == pytest.approx(100.0)


def test_what_is_not_a_number_stays_so() -> None:
    found = records(3, way=True).at(np.array([np.nan, 1.0, 1.0]), [SLANT_M[0], np.nan, SLANT_M[9]])
    np.testing.assert_allclose(found, [np.nan, np.nan, GROUND_M[9]], atol=0.002)
