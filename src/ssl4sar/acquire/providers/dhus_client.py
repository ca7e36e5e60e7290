"""What sentinelsat lacks: time limits, one count of downloads per account, discreet messages."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from ssl4sar.acquire.network.credentials import Credentials, redact
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.core.progress import tell

_TRACEBACK: Final = "Traceback (most recent call last):"


class CountingAdapter(HTTPAdapter):
    """Sends requests with a time limit, which the library lacks, and counts downloads."""

    def __init__(self, slots: Slots, timeout_s: float) -> None:
        super().__init__()
        self._slots = slots
        self._timeout_s = timeout_s

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; a download holds a slot of the account until its answer is closed."""
        kwargs["timeout"] = self._timeout_s
        if not kwargs.get("stream"):
            return super().send(request, *args, **kwargs)
        with ExitStack() as stack:
            stack.enter_context(self._slots.hold())
            response = super().send(request, *args, **kwargs)
            held, close = stack.pop_all(), response.close

            def release() -> None:
                close()
                held.close()

            response.close = release  # type: ignore[method-assign]
        return response


class _Teller(logging.Handler):
    """Tells the lines of the library, each in one line and without the password."""

    def __init__(self, login: Credentials) -> None:
        super().__init__(logging.INFO)
        self._login = login

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line; a traceback is cut down to its last line."""
        lines = record.getMessage().strip().splitlines()
        if len(lines) > 1 and _TRACEBACK in lines[0]:
            lines = [lines[0].partition(_TRACEBACK)[0], lines[-1]]
        tell(hidden(" ".join(lines), self._login))


def hidden(text: str, login: Credentials) -> str:
    """Return a text in one line without the password, plain or as in the header of a request."""
    # In one line first: the library breaks lines within a password.
    text = " ".join(text.split())
    basic = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return redact(text, (login.password, basic))


@contextmanager
def told_lines(login: Credentials) -> Iterator[None]:
    """Tell what the library logs during the block; nobody else gets to see it."""
    logger = logging.getLogger("sentinelsat")
    handler, level, propagates = _Teller(login), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # Handlers of others would print tracebacks, with the addresses and objects in them.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
