"""Tests between the runs of two models."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ssl4sar.evaluate.published import PUBLISHED
from ssl4sar.evaluate.schema import PairTests
from ssl4sar.evaluate.significance import _levene_statistic, compare, least_p

RUNS = {row.system: row.mde_runs_m for row in PUBLISHED if row.mde_runs_m}
HOOK = RUNS["HookFormer, rerun of the SSL4SAR study"]
TYRION = RUNS["Tyrion, ImageNet weights only"]
SIMMIM = RUNS["Tyrion + OptSimMIM pretraining"]
TRANSLATOR = RUNS["Tyrion + OptTranslator pretraining"]
#: Baseline, opponent, Mann-Whitney p, effect size, Levene p, Levene p by permutation: as printed
#: by the script of the study (its last effect size is the pooled one). Two values of the table
#: were rounded twice: 0.20504 by way of 0.205 to 0.20, and 0.7548 by way of 0.755 to 0.76.
TABLE = [
    (HOOK, TYRION, 0.155, 1.44, 0.22, 0.09),
    (TYRION, TRANSLATOR, 0.075, 1.96, 0.74, 0.61),
    (TYRION, SIMMIM, 0.075, 1.67, 0.42, 0.36),
    (HOOK, SIMMIM, 0.075, 4.78, 0.20, 0.06),
    (HOOK, TRANSLATOR, 0.075, 5.36, 0.44, 0.02),
]


@pytest.mark.parametrize(("baseline", "opponent", "p", "effect", "levene", "permuted"), TABLE)
def test_the_published_table_comes_out(baseline, opponent, p, effect, levene, permuted) -> None:
    found = compare(baseline, opponent, "lower")
    assert found.mann_whitney_p == pytest.approx(p, abs=0.0005)
    assert found.effect_size == pytest.approx(effect, abs=0.005)
    assert found.levene_p == pytest.approx(levene, abs=0.0055)
    assert found.levene_permutation_p == pytest.approx(permuted, abs=0.005)
    assert found.mann_whitney_method == "exact"
    assert found.mann_whitney_least_p == pytest.approx(1 / 252)


def test_the_last_pair_of_the_table_has_the_pooled_deviation() -> None:
    found = compare(SIMMIM, TRANSLATOR, "lower")
    assert found.mann_whitney_p == pytest.approx(0.345, abs=0.0005)
    assert found.effect_size_pooled == pytest.approx(0.13, abs=0.005)
    assert found.effect_size == pytest.approx(0.12, abs=0.005)
    assert found.levene_p == pytest.approx(0.76, abs=0.0055)
    assert found.levene_permutation_p == pytest.approx(0.47, abs=0.005)


runs = st.lists(st.integers(-1000, 1000).map(lambda n: n / 8), min_size=2, max_size=5)


@given(runs, runs)
def test_higher_is_better_mirrors_lower_is_better(one: list[float], other: list[float]) -> None:
    mirrored = compare([-value for value in one], [-value for value in other], "higher")
    assert mirrored == compare(one, other, "lower")


@given(runs, runs)
def test_mann_whitney_counts_the_ways_to_share_the_values_out(
    one: list[float], other: list[float]
) -> None:
    found = compare(one, other, "lower")
    both = one + other
    if len(set(both)) == 1:
        assert found.mann_whitney_p is None
        return

    def wins(chosen: tuple[int, ...]) -> float:
        rest = [both[i] for i in range(len(both)) if i not in chosen]
        return sum((both[i] > b) + (both[i] == b) / 2 for i in chosen for b in rest)

    observed = wins(tuple(range(len(one))))
    ways = list(itertools.combinations(range(len(both)), len(one)))
    assert found.mann_whitney_u == observed
    share = sum(wins(way) >= observed for way in ways) / len(ways)
    assert found.mann_whitney_p == pytest.approx(share)
    assert found.mann_whitney_p >= found.mann_whitney_least_p - 1e-12


@given(runs, runs)
def test_shift_and_scale_change_no_test(one: list[float], other: list[float]) -> None:
    found = compare(one, other, "lower")
    moved = compare([4 * v + 64 for v in one], [4 * v + 64 for v in other], "lower")
    for name in ("effect_size", "effect_size_pooled", "mann_whitney_p", "levene_permutation_p"):
        assert getattr(moved, name) == pytest.approx(getattr(found, name))


@pytest.mark.parametrize("sizes", [(3, 3), (5, 4), (20, 7)])
def test_the_statistic_of_levene_is_that_of_scipy(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(9, sizes[0])), 2 * rng.normal(size=(9, sizes[1]))
    for row, value in enumerate(_levene_statistic(one, other)):
        expected = stats.levene(one[row], other[row], center="median").statistic
        assert value == pytest.approx(expected)


def test_the_permutations_of_levene_are_all_tried() -> None:
    rng = np.random.default_rng(1)
    both = rng.normal(size=7)
    observed = stats.levene(both[:3], both[3:]).statistic
    values = [
        stats.levene(both[list(way)], np.delete(both, way)).statistic
        for way in itertools.combinations(range(7), 3)
    ]
    share = np.mean([value >= observed - 1e-9 for value in values])
    assert compare(both[:3], both[3:], "lower").levene_permutation_p == pytest.approx(share)


@pytest.mark.parametrize(
    ("one", "other"),
    [([], []), ([], [1.0, 2.0]), ([1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.0])],
)
def test_fewer_than_two_runs_allow_no_test(one: list[float], other: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(one, other, "lower")
    advantage = np.mean(one) - np.mean(other) if one and other else None
    expected = dict.fromkeys(PairTests.model_fields) | {"mean_advantage": advantage}
    assert found == PairTests(
        **{**expected, "baseline_runs": len(one), "opponent_runs": len(other)}
    )


def test_equal_values_allow_no_test() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare([3.0, 3.0, 3.0], [3.0, 3.0], "lower")
    assert found.mean_advantage == 0
    assert found.mann_whitney_p is None
    assert found.effect_size is found.effect_size_pooled is None
    assert found.levene_p is found.levene_permutation_p is None


def test_a_baseline_without_scatter_has_no_effect_size() -> None:
    found = compare([3.0, 3.0, 3.0], [1.0, 2.0, 2.5], "lower")
    assert found.effect_size is None
    assert found.effect_size_pooled > 0
    assert found.mann_whitney_p == pytest.approx(1 / 20)


def test_two_runs_each_say_nothing_of_the_variances() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare([1.0, 2.0], [5.0, 9.0], "lower")
    assert found.levene_p is None
    assert found.levene_permutation_p is None
    assert found.mann_whitney_p == 1


def test_many_runs_are_compared_in_time_and_alike_each_time() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(1, 1, 30), rng.normal(0, 1, 25)
    found = compare(one, other, "lower")
    assert found == compare(one, other, "lower")
    assert found.mann_whitney_p < 0.01
    tied = compare(np.round(one), np.round(other), "lower")
    assert tied.mann_whitney_method == "asymptotic"
    assert tied.mann_whitney_p < 0.05


@pytest.mark.parametrize(("n", "p"), [(2, 1 / 6), (3, 1 / 20), (4, 1 / 70), (5, 1 / 252)])
def test_the_least_p_is_reached_by_runs_without_overlap(n: int, p: float) -> None:
    assert least_p(n, n) == pytest.approx(p)
    found = compare([10.0 + i for i in range(n)], [float(i) for i in range(n)], "lower")
    assert found.mann_whitney_p == pytest.approx(p)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        compare([1.0, value], [1.0, 2.0], "lower")
