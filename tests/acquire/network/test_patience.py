from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.network.patience import (
    FOR_PRODUCTS,
    BusyError,
    Failures,
    Patience,
    TransientError,
    asked_wait_s,
    line_problem,
)
from ssl4sar.core.errors import UserError

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def answer(retry_after: str | None, date: str | None = None) -> requests.Response:
    response = requests.Response()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    if date is not None:
        response.headers["Date"] = date
    return response


@pytest.mark.parametrize(
    ("told", "expected"),
    [("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("99999999999999", 600.0), ("86400", 600.0)],
)
def test_seconds_are_read(told: str, expected: float) -> None:
    assert asked_wait_s(answer(told)) == expected


@pytest.mark.parametrize("told", [None, "", "soon", "-3", "1.5", "٣", "Mon, 99 Foo", "\0"])
def test_nonsense_asks_for_nothing(told: str | None) -> None:
    assert asked_wait_s(answer(told)) is None


def test_a_date_is_compared_with_the_clock_of_the_server() -> None:
    # This server is years behind; what counts is the difference.
    until = format_datetime(NOW + timedelta(seconds=42), usegmt=True)
    assert asked_wait_s(answer(until, format_datetime(NOW, usegmt=True))) == 42.0
    past = format_datetime(NOW - timedelta(seconds=42), usegmt=True)
    assert asked_wait_s(answer(past, format_datetime(NOW, usegmt=True))) == 0.0


def test_a_date_without_a_clock_of_the_server_uses_ours() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait_s = asked_wait_s(answer(until))
    assert wait_s is not None
    assert 90 < wait_s <= 100


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_breaks_it(told: str, date: str) -> None:
    wait_s = asked_wait_s(answer(told, date))
    assert wait_s is None or 0 <= wait_s <= 600


@given(st.integers(1, 60), st.floats(0.01, 5.0))
def test_waits_grow_up_to_a_minute_and_differ(failures: int, first_s: float) -> None:
    patience = Patience(first_wait_s=first_s)
    least = min(first_s * 2 ** (failures - 1), 60.0)
    waits = {patience.wait_s(failures, None) for _ in range(5)}
    assert all(least <= wait_s <= 1.25 * least for wait_s in waits)
    assert len(waits) > 1


def test_what_the_server_asks_for_is_the_least() -> None:
    assert 30 <= Patience().wait_s(1, 30.0) <= 37.5


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (requests.exceptions.SSLError("https://x/?sig=hunter2"), "certificate"),
        (requests.exceptions.ProxyError("hunter2"), "proxy"),
        (requests.exceptions.ConnectTimeout("hunter2"), "does not answer"),
        (requests.exceptions.ReadTimeout("hunter2"), "silent"),
        (requests.exceptions.ChunkedEncodingError("hunter2"), "broke off"),
        (requests.exceptions.ConnectionError("hunter2"), "cannot be reached"),
    ],
)
def test_a_failing_line_is_told_without_addresses(
    error: requests.RequestException, told: str
) -> None:
    problem = line_problem(error)
    assert problem is not None
    assert told in problem
    assert "hunter2" not in problem


def test_other_failures_are_none_of_the_line() -> None:
    assert line_problem(requests.exceptions.InvalidHeader("x")) is None


def test_a_server_that_always_asks_for_a_second_is_waited_for_as_long_as_a_silent_one() -> None:
    patience = Patience(attempts=10)
    waits = [patience.wait_s(failures, 1.0) for failures in range(1, 10)]
    assert sum(waits) >= sum(min(2.0**n, 60.0) for n in range(9))


def failures(patience: Patience) -> Failures:
    return Failures(patience, "x.zip", subject="https://x", what="the download", fix="rerun")


def test_failures_are_counted_until_patience_is_at_an_end() -> None:
    counted = failures(Patience(attempts=3))
    for _ in range(2):
        assert counted.wait_s(TransientError("it answered 503")) > 0
    counted.reset()
    for _ in range(2):
        counted.wait_s(TransientError("it answered 503"))
    with pytest.raises(UserError, match=r"download failed 3 times in a row \(it answered 503\)"):
        counted.wait_s(TransientError("it answered 503"))


def test_a_busy_service_does_not_count_as_failing() -> None:
    counted = failures(Patience(attempts=2))
    counted.wait_s(TransientError("it answered 503"))
    for _ in range(20):
        assert counted.wait_s(BusyError("it answered 429")) > 0
    with pytest.raises(UserError, match="failed 2 times"):
        counted.wait_s(TransientError("it answered 503"))


def test_a_busy_service_is_waited_for_through_a_night_and_seldom_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted, waited_s = failures(FOR_PRODUCTS), 0.0
    with pytest.raises(UserError, match=r"busy for 12\.\d h .*429.*quota") as caught:
        while waited_s < 1e6:
            waited_s += counted.wait_s(BusyError("it answered 429", 1.0))
    assert "\n" not in str(caught.value)
    assert 12 <= waited_s / 3600 < 12.1
    lines = capsys.readouterr().err.splitlines()
    assert 100 < len(lines) <= 12 * 12 + 1
    assert "429: waiting, at most 12 h in all" in lines[0]


def test_a_busy_service_says_how_long() -> None:
    assert 300 <= failures(Patience()).wait_s(BusyError("it answered 429", 300.0)) <= 375


def test_progress_gives_a_new_night() -> None:
    counted = failures(Patience(busy_s=100.0))
    for _ in range(5):
        counted.wait_s(BusyError("it answered 429", 90.0))
        counted.reset()
