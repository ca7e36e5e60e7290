"""When to try again, and how long to wait before: failures of a line or server that may pass."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import requests

from ssl4sar.acquire.network.exchange import SlowServerError, TooLongError
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell

#: Answers after which the same request may succeed later.
TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S: Final = 60.0
#: A server that asks for more is asked again after this time.
_LONGEST_ASKED_WAIT_S: Final = 600.0
_JITTER: Final = 0.25
_BUSY_STATUS: Final = 429
_BUSY_TOLD_EVERY_S: Final = 300.0
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


def transient_error(response: requests.Response, problem: str) -> TransientError:
    """Return the error for an answer of `TRANSIENT_STATUS`, with the wait that it asks for."""
    kind = BusyError if response.status_code == _BUSY_STATUS else TransientError
    return kind(problem, asked_wait_s(response))


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
        wait_s = max(grown_s, asked_s or 0.0)
        return wait_s * random.uniform(1.0, 1.0 + _JITTER)


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
        self._busy_s, self._next_told_s = 0.0, 0.0

    def wait_s(self, error: TransientError) -> float:
        """Count a failure, tell it, and return how long to wait before the next try.

        Raises:
            UserError: patience is at an end.
        """
        if isinstance(error, BusyError):
            return self._busy_wait_s(error)
        self._number += 1
        if self._number >= self._patience.attempts:
            raise UserError(
                self._subject,
                f"{self._what} failed {self._number} times in a row ({error})",
                self._fix,
            ) from error
        wait_s = self._patience.wait_s(self._number, error.wait_s)
        tell(f"{self._name}: {error}; next try in {wait_s:.0f} s")
        return wait_s

    def _busy_wait_s(self, error: BusyError) -> float:
        if self._busy_s >= self._patience.busy_s:
            raise UserError(
                self._subject,
                f"the service has been busy for {self._busy_s / 3600:.1f} h ({error})",
                _BUSY_FIX,
            ) from error
        self._times_busy += 1
        wait_s = self._patience.wait_s(self._times_busy, error.wait_s)
        if self._busy_s >= self._next_told_s:
            longest_h = self._patience.busy_s / 3600
            tell(f"{self._name}: {error}: waiting, at most {longest_h:.0f} h in all")
            self._next_told_s = self._busy_s + _BUSY_TOLD_EVERY_S
        self._busy_s += wait_s
        return wait_s


def asked_wait_s(response: requests.Response) -> float | None:
    """Return the wait that an answer asks for by ``Retry-After`` (RFC 9110, 10.2.3); None if none.

    A date is compared with the server's own clock as it stands in the answer: clocks differ.
    """
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:9]), _LONGEST_ASKED_WAIT_S)
    until = _date(asked)
    if until is None:
        return None
    now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_ASKED_WAIT_S)


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def line_problem(error: requests.RequestException) -> str | None:
    """Return in plain words what is wrong with the line; None for failures of another kind.

    The text of the error itself is not repeated: it may hold an address with a signature.
    """
    kinds = requests.exceptions
    if isinstance(error, SlowServerError):
        return str(error)
    if isinstance(error, kinds.SSLError):
        return "no safe connection: the certificate of the host or a proxy is not trusted"
    if isinstance(error, kinds.ProxyError):
        return "the proxy does not let the connection through"
    if isinstance(error, kinds.ConnectTimeout):
        return "the host does not answer"
    if isinstance(error, kinds.Timeout):
        return "the server fell silent"
    if isinstance(error, kinds.ChunkedEncodingError | kinds.ContentDecodingError):
        return "the connection broke off"
    if isinstance(error, kinds.ConnectionError):
        # requests reports an unknown host, a refused connection and a broken one by one class.
        return "the host cannot be reached or the connection broke off"
    return None


def asking_problem(error: requests.RequestException) -> str:
    """Return in plain words why a question got no answer that can be used."""
    if isinstance(error, TooLongError | requests.exceptions.InvalidURL):
        return str(error)
    return line_problem(error) or "it cannot be asked"
