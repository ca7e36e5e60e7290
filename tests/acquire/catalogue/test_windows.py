"""Windows of months: together the whole span, each moment in one of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.catalogue.windows import month_windows

DAYS = st.dates(date(2014, 1, 1), date(2030, 12, 31))


def test_the_first_and_the_last_month_are_cut() -> None:
    assert list(month_windows(date(2019, 12, 30), date(2020, 2, 29))) == [
        (datetime(2019, 12, 30, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)),
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)),
        (datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC)),
    ]


@given(DAYS, DAYS)
def test_windows_touch_and_cover_the_span(one: date, other: date) -> None:
    start, end = min(one, other), max(one, other)
    windows = list(month_windows(start, end))
    assert windows[0][0].date() == start
    assert windows[-1][1].date() == end + timedelta(days=1)
    for (_, stop), (start_of_next, _) in pairwise(windows):
        assert stop == start_of_next
    for first, stop in windows:
        assert first < stop
        last_day = (stop - timedelta(microseconds=1)).date()
        assert (first.year, first.month) == (last_day.year, last_day.month)


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        list(month_windows(date(2020, 1, 2), date(2020, 1, 1)))
