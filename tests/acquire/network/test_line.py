"""What is said of a failing line, and how long a server asks us to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from ssl4sar.acquire.network.exchange import asked_wait_s, line_problem


def answer(retry_after: str | None) -> requests.Response:
    response = requests.Response()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("9" * 5000, None), ("86400", 600.0)],
)
def test_seconds_are_read(asked: str, expected: float | None) -> None:
    assert asked_wait_s(answer(asked)) == expected


@pytest.mark.parametrize("asked", [None, "", "soon", "-3", "1.5", "٣", "Mon, 99 Foo", "\0"])
def test_nonsense_asks_for_nothing(asked: str | None) -> None:
    assert asked_wait_s(answer(asked)) is None


def test_a_date_is_read() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait_s = asked_wait_s(answer(until))
    assert wait_s is not None
    assert 90 < wait_s <= 100
    assert asked_wait_s(answer("Wed, 21 Oct 2015 07:28:00 GMT")) == 0.0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (requests.exceptions.SSLError("https://x/?sig=hunter2"), "certificate"),
        (requests.exceptions.ProxyError("hunter2"), "proxy"),
        (requests.exceptions.ConnectTimeout("hunter2"), "does not answer"),
        (requests.exceptions.ReadTimeout("hunter2"), "silent"),
        (requests.exceptions.ChunkedEncodingError("hunter2"), "broke off"),
        (requests.exceptions.ConnectionError("hunter2"), "cannot be reached"),
        (requests.exceptions.InvalidHeader("hunter2"), "None"),
    ],
)
def test_a_failing_line_is_named_without_addresses(
    error: requests.RequestException, said: str
) -> None:
    problem = str(line_problem(error))
    assert said in problem
    assert "hunter2" not in problem
