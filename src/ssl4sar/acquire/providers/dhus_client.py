"""What sentinelsat lacks: time limits, one count of downloads per account, discreet messages."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import requests

from ssl4sar.acquire.network.credentials import Credentials, redact
from ssl4sar.acquire.network.exchange import GuardedAdapter, TooLongError, short_answer
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.core.address import Address
from ssl4sar.core.progress import log

_TRACEBACK: Final = "Traceback (most recent call last):"


class CountingAdapter(GuardedAdapter):
    """Sends requests within the limits that the library lacks, and counts downloads.

    Args:
        hub: whose login it is.
        slots: connections of the account.
        timeout_s: longest silence of the hub.

    Attributes:
        most_bytes: beyond which nothing of a download is written; None sets no limit.
    """

    def __init__(self, hub: Address, slots: Slots, timeout_s: float) -> None:
        super().__init__(short_answer(timeout_s), lambda address: address.origin == hub.origin)
        self.most_bytes: int | None = None
        self._slots = slots

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; a download holds a slot of the account until its answer is closed."""
        if not stream:
            return super().send(request, stream, *args, **kwargs)
        with ExitStack() as stack:
            stack.enter_context(self._slots.hold())
            response = super().send(request, stream, *args, **kwargs)
            held, close = stack.pop_all(), response.close
            response.iter_content = self._limited(response)  # type: ignore[method-assign]

            def release() -> None:
                close()
                held.close()

            response.close = release  # type: ignore[method-assign]
        return response

    def _limited(self, response: requests.Response) -> Callable[..., Iterator[bytes]]:
        read = response.iter_content

        def iter_content(*_: Any, **__: Any) -> Iterator[bytes]:
            written = 0
            for piece in read():
                written += len(piece)
                if self.most_bytes is not None and written > self.most_bytes:
                    raise TooLongError(f"it sends more than the {self.most_bytes} bytes listed")
                yield piece

        return iter_content


class _Shown(logging.Handler):
    """Shows the lines of the library, each in one line and without the password."""

    def __init__(self, login: Credentials) -> None:
        super().__init__(logging.INFO)
        self._login = login

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line; a traceback is cut down to its last line."""
        lines = record.getMessage().strip().splitlines()
        if len(lines) > 1 and _TRACEBACK in lines[0]:
            lines = [lines[0].partition(_TRACEBACK)[0], lines[-1]]
        log(hidden(" ".join(lines), self._login))


def hidden(text: str, login: Credentials) -> str:
    """Return a text in one line without the password, plain or as in the header of a request."""
    # In one line first: the library breaks lines within a password.
    text = " ".join(text.split())
    basic = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return redact(text, (login.password, basic))


@contextmanager
def library_lines(login: Credentials) -> Iterator[None]:
    """Show what the library logs during the block; nobody else gets to see it."""
    logger = logging.getLogger("sentinelsat")
    handler, level, propagates = _Shown(login), logger.level, logger.propagate
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
