"""When to try again, and how long to wait before: failures of a line or server that may pass."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import requests

#: Answers after which the same request may succeed later.
TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S: Final = 60.0
#: A server that asks for more is asked again after this time.
_LONGEST_ASKED_WAIT_S: Final = 600.0
_JITTER: Final = 0.25


class TransientError(Exception):
    """A failure that may pass; ``wait_s`` is what the server asked for."""

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Patience:
    """How often and how long.

    Attributes:
        attempts: tries in a row without success before giving up.
        first_wait_s: wait after the first failure; it doubles each time, up to a minute.
        timeout_s: longest silence of the server.

    Raises:
        ValueError: ``attempts`` is below 1.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("at least one attempt is needed")

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the wait after a number of failures, at least what the server asked for.

        A random part, up to a quarter, keeps jobs that failed together from returning together.
        """
        # A server that always asks for a second must not use up all tries within seconds.
        grown_s: float = min(self.first_wait_s * 2 ** (failures - 1), _LONGEST_WAIT_S)
        wait_s = max(grown_s, asked_s or 0.0)
        return wait_s * random.uniform(1.0, 1.0 + _JITTER)


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
