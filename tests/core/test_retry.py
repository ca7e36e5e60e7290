from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import (
    FOR_PRODUCTS,
    BusyError,
    Failures,
    Patience,
    TransientError,
    patiently,
)

UNAVAILABLE = TransientError("it answered 503")
BUSY = BusyError("it answered 429")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waited.append)
    return waited


@given(st.integers(1, 60), st.floats(0.01, 5.0))
def test_waits_grow_up_to_a_minute_and_differ(failures: int, first_s: float) -> None:
    patience = Patience(first_wait_s=first_s)
    least = min(first_s * 2 ** (failures - 1), 60.0)
    each = {patience.wait_s(failures, None) for _ in range(5)}
    assert all(least <= wait_s <= 1.25 * least for wait_s in each)
    assert len(each) > 1


def test_what_the_server_asks_for_is_the_least() -> None:
    assert 30 <= Patience().wait_s(1, 30.0) <= 37.5


def test_a_server_that_always_asks_for_a_second_is_waited_for_as_long_as_a_silent_one() -> None:
    asked = [Patience(attempts=10).wait_s(failures, 1.0) for failures in range(1, 10)]
    assert sum(asked) >= sum(min(2.0**n, 60.0) for n in range(9))


def failures(patience: Patience) -> Failures:
    return Failures(patience, "x.zip", subject="https://x", what="the download", fix="rerun")


def test_failures_are_counted_until_patience_is_at_an_end(waits: list[float]) -> None:
    counted = failures(Patience(attempts=3))
    counted.wait(UNAVAILABLE)
    counted.wait(UNAVAILABLE)
    counted.reset()
    counted.wait(UNAVAILABLE)
    for _ in range(20):  # a busy service does not count as failing
        counted.wait(BUSY)
    counted.wait(UNAVAILABLE)
    assert len(waits) == 24
    assert min(waits) > 0
    with pytest.raises(UserError, match=r"download failed 3 times in a row \(it answered 503\)"):
        counted.wait(UNAVAILABLE)


def test_an_attempt_is_repeated_while_its_failure_may_pass(waits: list[float]) -> None:
    answers = iter([UNAVAILABLE, BUSY, 7, KeyError()])

    def attempt() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask() -> int:
        return patiently(attempt, Patience(2), "x", subject="x", what="the question", fix="rerun")

    assert ask() == 7
    assert len(waits) == 2
    with pytest.raises(KeyError):
        ask()


def test_a_busy_service_is_waited_for_through_a_night_and_seldom_reported(
    waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    counted = failures(FOR_PRODUCTS)
    with pytest.raises(UserError, match=r"busy for 12\.\d h .*429.*quota") as caught:
        while sum(waits) < 1e6:
            counted.wait(BusyError("it answered 429", 1.0))
    assert "\n" not in str(caught.value)
    assert 12 <= sum(waits) / 3600 < 12.1
    lines = capsys.readouterr().err.splitlines()
    assert 100 < len(lines) <= 12 * 12 + 1
    assert "429: waiting, at most 12 h in all" in lines[0]


def test_progress_gives_a_new_night(waits: list[float]) -> None:
    counted = failures(Patience(busy_s=100.0))
    for _ in range(5):
        counted.wait(BusyError("it answered 429", 90.0))
        counted.reset()
    assert len(waits) == 5
