"""Whether the runs of one model are better than those of another: tests and effect sizes.

These are the comparisons of Gourmelon et al. 2025 (doi:10.1109/TGRS.2025.3580945), with SciPy:

* one-sided Mann-Whitney U test (Mann and Whitney 1947, doi:10.1214/aoms/1177730491) that the
  baseline is worse than its opponent, with exact p values;
* Levene's test for equal variance around the medians (Brown and Forsythe 1974,
  doi:10.1080/01621459.1974.10482955), from the F distribution and from all permutations;
* effect size: difference of the means over the population standard deviation of the baseline.

With these choices the published table comes out from the published runs. For its last pair the
study divides by the standard deviation of both models, the root of the mean of both variances:
a baseline that scatters by itself makes its own differences look small. Both are given here.

Runs that come in pairs, of equal test images and seed, are compared by the signs of their
differences instead, which the hypothesis of equal models may exchange (Fisher 1935, The Design of
Experiments, section 21).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ssl4sar.core.seeding import generator
from ssl4sar.evaluate.schema import PairedTest, PairTests

Better = Literal["lower", "higher"]
Method = Literal["exact", "asymptotic"]
#: Usual level of significance: what is to be shown has a p value below it.
LEVEL: Final = 0.05
#: Up to this many ways to share the values out, all are tried.
_MOST_PERMUTATIONS: Final = 100_000
_DRAWN_PERMUTATIONS: Final = 20_000


def compare(baseline: Sequence[float], opponent: Sequence[float], better: Better) -> PairTests:
    """Compare the runs of two models.

    Args:
        baseline: values of the runs that may be worse.
        opponent: values of the runs that may be better.
        better: whether lower (an error) or higher values (an overlap) are better.

    Returns:
        Tests and effect sizes. With fewer than two runs of either model there are none.

    Raises:
        ValueError: a value is not finite.
    """
    sign = 1.0 if better == "lower" else -1.0
    worse, best = sign * np.array(baseline, float), sign * np.array(opponent, float)
    if not (np.isfinite(worse).all() and np.isfinite(best).all()):
        raise ValueError("only finite values can be compared")
    enough = min(len(worse), len(best)) >= 2
    u, p, method = _mann_whitney(worse, best) if enough else (None, None, None)
    levene_p, permutation_p = _levene(worse, best) if enough else (None, None)
    advantage = float(worse.mean() - best.mean()) if len(worse) and len(best) else None
    return PairTests(
        baseline_runs=len(worse),
        opponent_runs=len(best),
        mean_advantage=advantage,
        effect_size=_effect(advantage, worse.var()) if enough else None,
        effect_size_pooled=_effect(advantage, (worse.var() + best.var()) / 2) if enough else None,
        mann_whitney_u=u,
        mann_whitney_p=p,
        mann_whitney_method=method,
        mann_whitney_least_p=least_p(len(worse), len(best)) if enough else None,
        levene_p=levene_p,
        levene_permutation_p=permutation_p,
    )


def compare_paired(pairs: Sequence[tuple[float, float]], better: Better) -> PairedTest:
    """Compare two models whose values come in pairs, by all signs that their differences can have.

    Args:
        pairs: value of one model, and of the other, whose advantage is given.
        better: whether lower (an error) or higher values (an overlap) are better.

    Returns:
        The test, two-sided; more than 16 pairs have too many signs, of which some are drawn.
    """
    sign = 1.0 if better == "lower" else -1.0
    gains = sign * np.array([worse - best for worse, best in pairs], float)
    count, total = len(gains), float(gains.sum())
    is_exact = 2**count <= _MOST_PERMUTATIONS
    p: float | None = None
    # All signs can be changed at once: no mean is reached only once.
    least = 2 * 0.5**count
    if not is_exact:
        least = max(least, 1 / (_DRAWN_PERMUTATIONS + 1))
    if gains.any():
        if is_exact:
            signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        else:
            draws = generator(0, "signs of paired differences")
            signs = 1 - 2 * draws.integers(0, 2, (_DRAWN_PERMUTATIONS, count))
        # Rounding must not part sums that are equal.
        reached = int((np.abs(signs @ gains) >= abs(total) - 1e-12 * np.abs(gains).sum()).sum())
        # What was observed is one of the drawn ones, too.
        p = reached / len(signs) if is_exact else (reached + 1) / (len(signs) + 1)
    return PairedTest(
        pairs=count,
        better=int((gains > 0).sum()),
        mean_advantage=total / count if count else None,
        p=p,
        method=None if p is None else "exact" if is_exact else "drawn",
        least_p=least if count else None,
    )


def least_p(baseline_runs: int, opponent_runs: int) -> float:
    """Return the smallest one-sided p value that a Mann-Whitney test of so many runs can give.

    Only one of all ways to share the ranks out puts every run of one model before all others.
    """
    return 1 / math.comb(baseline_runs + opponent_runs, baseline_runs)


def _effect(advantage: float | None, variance: float) -> float | None:
    if advantage is None or not variance > 0:
        return None
    return advantage / math.sqrt(variance)


def _mann_whitney(
    worse: NDArray[np.float64], best: NDArray[np.float64]
) -> tuple[float | None, float | None, Method | None]:
    both = np.concatenate([worse, best])
    if np.ptp(both) == 0:
        return None, None, None
    ties = len(np.unique(both)) < len(both)
    if not ties:
        found = stats.mannwhitneyu(worse, best, alternative="greater", method="exact")
        return float(found.statistic), float(found.pvalue), "exact"
    # The exact distribution of SciPy has no ties; over all permutations it has.
    if math.comb(len(both), len(worse)) <= _MOST_PERMUTATIONS:
        every = stats.PermutationMethod(n_resamples=_MOST_PERMUTATIONS)
        found = stats.mannwhitneyu(worse, best, alternative="greater", method=every)
        return float(found.statistic), float(found.pvalue), "exact"
    found = stats.mannwhitneyu(worse, best, alternative="greater", method="asymptotic")
    return float(found.statistic), float(found.pvalue), "asymptotic"


def _levene(
    worse: NDArray[np.float64], best: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    # Equal distances to the median, as two values always have, leave nothing to compare.
    _, within = _levene_sums(worse, best)
    if within == 0:
        return None, None
    by_f = float(stats.levene(worse, best, center="median").pvalue)
    every = math.comb(len(worse) + len(best), len(worse)) <= _MOST_PERMUTATIONS
    found = stats.permutation_test(
        (worse, best),
        _levene_statistic,
        vectorized=True,
        permutation_type="independent",
        alternative="greater",
        n_resamples=_MOST_PERMUTATIONS if every else _DRAWN_PERMUTATIONS,
        random_state=generator(0, "permutations of Levene's test"),
    )
    return by_f, float(found.pvalue)


def _levene_statistic(one: NDArray[np.float64], other: NDArray[np.float64], axis: int = -1) -> Any:
    """Return Levene's statistic around the medians, of many pairs of samples at once."""
    between, within = _levene_sums(one, other, axis)
    freedom = one.shape[axis] + other.shape[axis] - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((within == 0) & (between == 0), 0.0, freedom * between / within)


def _levene_sums(
    one: NDArray[np.float64], other: NDArray[np.float64], axis: int = -1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared distances between and within two samples of distances to the median."""
    distances = [
        np.abs(values - np.median(values, axis=axis, keepdims=True)) for values in (one, other)
    ]
    means = [values.mean(axis=axis, keepdims=True) for values in distances]
    counts = [values.shape[axis] for values in distances]
    overall = (counts[0] * means[0] + counts[1] * means[1]) / sum(counts)
    between = np.zeros(())
    within = np.zeros(())
    for values, mean, count in zip(distances, means, counts, strict=True):
        between = between + count * ((mean - overall) ** 2).sum(axis=axis)
        within = within + ((values - mean) ** 2).sum(axis=axis)
    # Rounding leaves a little where all distances are equal.
    least = 1e-24 * sum((values**2).sum(axis=axis) for values in distances)
    return np.where(between > least, between, 0.0), np.where(within > least, within, 0.0)
