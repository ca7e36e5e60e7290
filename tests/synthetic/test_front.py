"""Fronts through time: season, retreat, calving, shape."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from ssl4sar.synthetic.front import ACROSS, FrontHistory


@pytest.mark.parametrize("northern", [True, False])
def test_front_retreats_in_summer_and_over_the_years(northern):
    history = FrontHistory(3, "a/0", northern, 1500.0, 0.0)
    spring, autumn = (4, 10) if northern else (10, 4)
    advanced = np.mean([history.mean_position_m(date(y, spring, 1)) for y in range(2000, 2010)])
    retreated = np.mean([history.mean_position_m(date(y, autumn, 1)) for y in range(2000, 2010)])
    assert advanced - retreated > 0.15 * 1500
    first = np.mean([history.mean_position_m(date(1996, m, 1)) for m in range(1, 13)])
    last = np.mean([history.mean_position_m(date(2019, m, 1)) for m in range(1, 13)])
    assert last < first


def test_front_shape_changes_and_calving_is_sudden():
    history = FrontHistory(3, "b/0", True, 1500.0, 0.0)
    days = [date.fromordinal(date(2005, 1, 1).toordinal() + 5 * i) for i in range(365)]
    profiles = np.stack([history.profile_m(day) for day in days])
    assert profiles.shape == (365, len(ACROSS))
    steps = np.diff(profiles, axis=0).min(axis=1)
    # Most steps are small, a few take out hundreds of metres.
    assert steps.min() < -100
    assert np.median(steps) > -60
    shapes = profiles - profiles.mean(1, keepdims=True)
    assert np.abs(shapes[0] - shapes[-1]).max() > 100


@pytest.mark.parametrize("key", ["c/0", "d/1", "e/0"])
def test_front_stays_in_its_range(key):
    history = FrontHistory(8, key, False, 1200.0, 300.0)
    low, high = history.range_m()
    for year in range(1992, 2025):
        for month in (1, 4, 7, 10):
            profile = history.profile_m(date(year, month, 9))
            assert low < profile.min()
            assert profile.max() < high
