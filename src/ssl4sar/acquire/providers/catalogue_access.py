"""Asking a catalogue for JSON, patiently: short answers over HTTP, no account needed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import requests

from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.exchange import TooLongError, guarded_session, short_answer
from ssl4sar.acquire.network.patience import (
    TRANSIENT_STATUS,
    Failures,
    Patience,
    TransientError,
    line_problem,
    transient_error,
)
from ssl4sar.core.address import AddressError, parse_address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.wording import printable

#: With these a service says that it has no such thing (any more).
GONE_STATUS: Final = frozenset({404, 410})
_SHOWN_CHARS: Final = 120


class RefusedError(UserError):
    """The catalogue refuses a question, and asking again would not help; ``status`` is HTTP's."""

    def __init__(self, subject: str, problem: str, fix: str, status: int = 0) -> None:
        self.status = status
        super().__init__(subject, problem, fix)


class CatalogueAccess:
    """Connection to a catalogue.

    Args:
        url: address of the catalogue, for errors.
        key: key of the configuration that holds it, for errors.
        attempts: tries per question; those of the default span seven minutes of outage.
        first_wait_s: wait after the first failure; it doubles each time, up to a minute.
        timeout_s: longest silence of the server.
        busy_s: how long it is waited in all while the catalogue says that it is busy (429).

    Attributes:
        requests: questions asked so far, tries included.
    """

    def __init__(
        self,
        url: str,
        key: str = "cdse.catalogue_url",
        *,
        attempts: int = 12,
        first_wait_s: float = 2.0,
        timeout_s: float = 120.0,
        busy_s: float = 3600.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.requests = 0
        self._key = key
        self._patience = Patience(attempts, first_wait_s, timeout_s, busy_s)
        self._origin = require_web_address(url).origin
        self._session = guarded_session(short_answer(timeout_s))
        self._session.headers["Accept"] = "application/json"

    def is_own(self, url: str) -> bool:
        """Return whether an address is on the catalogue's host, port and protocol included."""
        try:
            return parse_address(url).origin == self._origin
        except AddressError:
            return False

    def json(self, url: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the object that an address answers with.

        Raises:
            RefusedError: the catalogue refuses (4xx) or sends elsewhere.
            UserError: it cannot be reached, keeps failing, or answers with something else.
        """
        failures = Failures(
            self._patience,
            self._origin[1],
            subject=self.url,
            what="the catalogue",
            fix=f"check the connection and {self._key}, and rerun later",
        )
        while True:
            try:
                return self._object(self._answer(url, parameters))
            except TransientError as error:
                wait_s = failures.wait_s(error)
            time.sleep(wait_s)

    def _answer(self, url: str, parameters: Mapping[str, str] | None) -> bytes:
        self.requests += 1
        try:
            # A redirect is refused: the library would send credentials of ~/.netrc along.
            response = self._session.get(url, params=parameters, allow_redirects=False)
        except TooLongError as error:
            fix = f"correct {self._key}, or ask for smaller pages"
            raise UserError(self.url, str(error), fix) from error
        except requests.RequestException as error:
            problem = line_problem(error)
            if problem is not None:
                raise TransientError(problem) from error
            raise self._wrong(f"it cannot be asked ({error})") from error
        status = response.status_code
        if status in TRANSIENT_STATUS:
            raise transient_error(response, f"it answered {status} {response.reason}")
        if 300 <= status < 400:
            problem, fix = f"the catalogue sends {_where(response)}", f"correct {self._key}"
            raise RefusedError(self.url, problem, fix, status)
        if status != 200:
            raise RefusedError(
                self.url,
                f"the catalogue refuses the question: {status} {_message(response)}",
                f"check {self._key}; if it is right, report this with your configuration",
                status,
            )
        return response.content

    def _object(self, content: bytes) -> dict[str, Any]:
        if content.lstrip()[:1] == b"<":
            raise UserError(
                self.url,
                "the catalogue answered with a web page, not with JSON",
                f"check {self._key} and whether a proxy or a login page stands in between",
            )
        try:
            value = parse_json(content)
        except ForeignTextError as error:
            raise TransientError(f"its answer cannot be used: {error}") from error
        if not isinstance(value, dict):
            begin = content[: 2 * _SHOWN_CHARS].decode("utf-8", errors="replace")
            raise self._wrong(f"its answer is not an object: {_shown(begin)!r}")
        return value

    def _wrong(self, problem: str) -> UserError:
        return UserError(self.url, problem, f"correct {self._key}")


def _where(response: requests.Response) -> str:
    """Return where a redirect leads, without the rest of the address, which may be signed."""
    try:
        return f"to {parse_address(response.headers.get('Location', '')).host}"
    except AddressError:
        return "elsewhere"


def _message(response: requests.Response) -> str:
    """Return what the catalogue says about a refusal, in one short line."""
    try:
        value = parse_json(response.content)
    except ForeignTextError:
        return response.reason or ""
    detail = value.get("detail", value.get("error", value)) if isinstance(value, dict) else value
    if isinstance(detail, dict):
        detail = detail.get("message", detail)
    return _shown(str(detail))


def _shown(text: str) -> str:
    return printable(" ".join(text.split()), _SHOWN_CHARS)
