"""Asking the catalogue for JSON, patiently: short answers over HTTP, no account needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import requests

from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.exchange import (
    TRANSIENT_STATUS,
    failing_line,
    guarded_session,
    short_answer,
    transient_error,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.retry import Patience, TransientError, patiently
from ssl4sar.core.wording import printable

KEY: Final = "cdse.catalogue_url"
#: Spans seven minutes of outage.
PATIENCE: Final = Patience(attempts=12, first_wait_s=2.0, timeout_s=120.0)
#: With these a service says that it has no such thing (any more).
GONE_STATUS: Final = frozenset({404, 410})
_SHOWN_CHARS: Final = 120


class RefusedError(UserError):
    """The catalogue refuses a question, and asking again would not help; ``status`` is HTTP's."""

    def __init__(self, subject: str, problem: str, fix: str, status: int) -> None:
        self.status = status
        super().__init__(subject, problem, fix)


class CatalogueAccess:
    """Connection to the catalogue.

    Args:
        url: its address, also for errors.
        patience: with each question.

    Attributes:
        requests: questions asked so far, tries included.
    """

    def __init__(self, url: str, patience: Patience = PATIENCE) -> None:
        self.url = url.rstrip("/")
        self.requests = 0
        self._patience = patience
        self._host = require_web_address(url).host
        self._session = guarded_session(short_answer(patience.timeout_s))
        self._session.headers["Accept"] = "application/json"

    def json(self, url: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the object that an address answers with.

        Raises:
            RefusedError: the catalogue refuses (4xx) or sends elsewhere.
            UserError: it cannot be reached, keeps failing, or answers with something else.
        """
        return patiently(
            lambda: self._once(url, parameters),
            self._patience,
            self._host,
            subject=self.url,
            what="the catalogue",
            fix=f"check the connection and {KEY}, and rerun later",
        )

    def _once(self, url: str, parameters: Mapping[str, str] | None) -> dict[str, Any]:
        self.requests += 1
        with failing_line(self.url, f"correct {KEY}"):
            # A redirect is refused: the library would send credentials of ~/.netrc along.
            response = self._session.get(url, params=parameters, allow_redirects=False)
        status = response.status_code
        if status in TRANSIENT_STATUS:
            raise transient_error(response, f"it answered {status} {response.reason}")
        if status != 200:
            problem = f"the catalogue refuses the question: {status} {_message(response)}"
            raise RefusedError(self.url, problem, f"correct {KEY}, if it is not right", status)
        if response.content.lstrip()[:1] == b"<":
            raise UserError(
                self.url,
                "the catalogue answered with a web page, not with JSON",
                f"check {KEY} and whether a proxy or a login page stands in between",
            )
        try:
            value = parse_json(response.content)
        except ForeignTextError as error:
            raise TransientError(f"its answer cannot be used: {error}") from error
        if not isinstance(value, dict):
            problem = f"its answer is not an object: {_shown(str(value))!r}"
            raise UserError(self.url, problem, f"correct {KEY}")
        return value


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
