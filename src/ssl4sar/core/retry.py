"""When to try again and how long to wait before: failures that may pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log

R = TypeVar("R")
_LONGEST_WAIT_S: Final = 60.0
_JITTER: Final = 0.25
_BUSY_REPORTED_EVERY_S: Final = 300.0
_BUSY_FIX: Final = (
    "other machines may use the account, or its quota is used up: find out, and rerun later"
)


class TransientError(Exception):
    """A failure that may pass.

    Args:
        problem: what is wrong.
        wait_s: what the server asked for.
        is_slow: whether the server answers, but below the least rate.
    """

    def __init__(self, problem: str, wait_s: float | None = None, *, is_slow: bool = False) -> None:
        super().__init__(problem)
        self.wait_s, self.is_slow = wait_s, is_slow


class BusyError(TransientError):
    """The service has no capacity left for us now (status 429); nothing is wrong otherwise."""


@dataclass(frozen=True)
class Patience:
    """How often and how long.

    Attributes:
        attempts: tries in a row without success before giving up.
        first_wait_s: wait after the first failure; it doubles each time, up to a minute.
        timeout_s: longest silence of the server.
        busy_s: how long it is waited in all while a service says that it is busy; such answers
            do not count as tries.

    Raises:
        ValueError: ``attempts`` is below 1.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    timeout_s: float = 60.0
    busy_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("at least one attempt is needed")

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the wait after a number of failures, at least what the server asked for.

        A random part, up to a quarter, keeps jobs that failed together from returning together.
        """
        # A server that always asks for a second must not use up all tries within seconds.
        grown_s: float = min(self.first_wait_s * 2.0 ** min(failures - 1, 99), _LONGEST_WAIT_S)
        return max(grown_s, asked_s or 0.0) * random.uniform(1.0, 1.0 + _JITTER)


#: For products, which come by the thousand while nobody watches: a quarter of an hour of outage,
#: and a night of a service whose quota is used up or whose connections another machine has.
FOR_PRODUCTS: Final = Patience(attempts=20, busy_s=12 * 3600.0)


class Failures:
    """The failures in a row of one piece of work.

    Args:
        patience: how many there may be.
        name: of the work in lines of progress.
        subject: address or file, for the error.
        what: fails, e.g. "the download", for the error.
        fix: what to do where it fails for good.
    """

    def __init__(self, patience: Patience, name: str, *, subject: str, what: str, fix: str) -> None:
        self._patience = patience
        self._name = name
        self._subject, self._what, self._fix = subject, what, fix
        self.reset()

    def reset(self) -> None:
        """Forget them, after a success."""
        self._number = self._times_busy = 0
        self._busy_s, self._next_report_s = 0.0, 0.0

    def wait(self, error: TransientError) -> None:
        """Count a failure, report it, and wait until the next try.

        Raises:
            UserError: patience is at an end.
        """
        time.sleep(
            self._busy_wait_s(error) if isinstance(error, BusyError) else self._wait_s(error)
        )

    def _wait_s(self, error: TransientError) -> float:
        self._number += 1
        if self._number >= self._patience.attempts:
            problem = f"{self._what} failed {self._number} times in a row ({error})"
            raise UserError(self._subject, problem, self._fix) from error
        wait_s = self._patience.wait_s(self._number, error.wait_s)
        log(f"{self._name}: {error}; next try in {wait_s:.0f} s")
        return wait_s

    def _busy_wait_s(self, error: BusyError) -> float:
        if self._busy_s >= self._patience.busy_s:
            problem = f"the service has been busy for {self._busy_s / 3600:.1f} h ({error})"
            raise UserError(self._subject, problem, _BUSY_FIX) from error
        self._times_busy += 1
        wait_s = self._patience.wait_s(self._times_busy, error.wait_s)
        if self._busy_s >= self._next_report_s:
            longest_h = self._patience.busy_s / 3600
            log(f"{self._name}: {error}: waiting, at most {longest_h:.0f} h in all")
            self._next_report_s = self._busy_s + _BUSY_REPORTED_EVERY_S
        self._busy_s += wait_s
        return wait_s


def patiently(
    attempt: Callable[[], R], patience: Patience, name: str, *, subject: str, what: str, fix: str
) -> R:
    """Return what an attempt returns, tried again after each `TransientError`.

    Args:
        attempt: one try.
        patience: how often and how long.
        name: of the work in lines of progress.
        subject: address or file, for the error.
        what: fails, e.g. "the catalogue", for the error.
        fix: what to do where it fails for good.

    Raises:
        UserError: patience is at an end.
    """
    failures = Failures(patience, name, subject=subject, what=what, fix=fix)
    while True:
        try:
            return attempt()
        except TransientError as error:
            failure = error
        failures.wait(failure)
