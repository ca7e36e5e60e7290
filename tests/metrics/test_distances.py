"""Distances between fronts and their pooling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssl4sar.metrics.distances import DistanceSums, front_distances

fronts = arrays(np.bool_, (7, 6)).filter(lambda mask: mask.any())


def brute_force(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    a, b = np.argwhere(start), np.argwhere(end)
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2)).min(axis=1)


@given(fronts, fronts)
def test_equals_all_pairs_bit_for_bit(predicted: np.ndarray, true: np.ndarray) -> None:
    distances = front_distances(predicted, true, 17)
    np.testing.assert_array_equal(distances.predicted_to_true_m, brute_force(predicted, true) * 17)
    np.testing.assert_array_equal(distances.true_to_predicted_m, brute_force(true, predicted) * 17)


@given(fronts, fronts)
def test_swapping_the_fronts_swaps_the_directions(one: np.ndarray, other: np.ndarray) -> None:
    forth, back = front_distances(one, other, 20), front_distances(other, one, 20)
    np.testing.assert_array_equal(forth.predicted_to_true_m, back.true_to_predicted_m)
    assert DistanceSums.of(forth.all_m).mean_m == pytest.approx(DistanceSums.of(back.all_m).mean_m)


def test_known_distances_with_predicted_first() -> None:
    predicted, true = np.zeros((2, 3, 5), bool)
    predicted[0, 0] = True
    true[0, [3, 4]] = True
    distances = front_distances(predicted, true, 10)
    assert distances.all_m.tolist() == [30, 30, 40]


def test_equal_fronts_have_no_distance() -> None:
    front = np.eye(5, dtype=bool)
    assert front_distances(front, front, 7).all_m.tolist() == [0] * 10


@given(fronts, fronts, st.sampled_from([7, 12, 20]))
def test_metres_grow_with_the_pixel(predicted: np.ndarray, true: np.ndarray, size_m: int) -> None:
    one = front_distances(predicted, true, 1).all_m
    np.testing.assert_allclose(front_distances(predicted, true, size_m).all_m, one * size_m)


@pytest.mark.parametrize("empty_first", [True, False])
def test_a_missing_front_has_no_distances(empty_first: bool) -> None:
    empty, front = np.zeros((3, 3), bool), np.eye(3, dtype=bool)
    pair = (empty, front) if empty_first else (front, empty)
    assert front_distances(*pair, 7) is None


def test_fronts_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        front_distances(np.ones((3, 3), bool), np.ones((3, 4), bool), 7)


images = st.lists(
    arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 5000, allow_subnormal=False)),
    max_size=8,
)


@given(images, st.randoms(use_true_random=False))
def test_pooling_equals_the_joined_distances_in_any_order(parts: list, random) -> None:
    pooled = DistanceSums.pool(map(DistanceSums.of, parts))
    joined = np.concatenate(parts) if parts else np.zeros(0)
    assert pooled.count == joined.size
    if joined.size:
        assert pooled.mean_m == pytest.approx(joined.mean(), rel=1e-9, abs=1e-9)
        assert pooled.std_m == pytest.approx(joined.std(), rel=1e-6, abs=1e-3)
    else:
        assert pooled.mean_m is None
        assert pooled.std_m is None
    shuffled = list(parts)
    random.shuffle(shuffled)
    assert DistanceSums.pool(map(DistanceSums.of, shuffled)) == pooled


def test_equal_distances_have_no_spread() -> None:
    assert DistanceSums.of(np.full(1000, 123.456)).std_m == pytest.approx(0, abs=1e-3)
