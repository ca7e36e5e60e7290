"""Time windows of a search: catalogues answer short ones faster and never lose part of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta


def month_windows(start: date, end: date) -> Iterator[tuple[datetime, datetime]]:
    """Yield the calendar months of a span of days, the first and last cut to it.

    Args:
        start: first day, UTC.
        end: last day, UTC; it belongs to the span.

    Yields:
        Start and stop of each window: products that start at or after the one and before the other
        belong to it, so every product belongs to exactly one window.

    Raises:
        ValueError: the end is before the start.
    """
    if end < start:
        raise ValueError(f"{end} is before {start}")
    stop = end + timedelta(days=1)
    first = start
    while first < stop:
        next_month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = min(next_month, stop)
        yield _midnight(first), _midnight(last)
        first = last


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
