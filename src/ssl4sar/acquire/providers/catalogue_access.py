"""Asking a catalogue for JSON, patiently: short answers over HTTP, no account needed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from ssl4sar.acquire.network.download import USER_AGENT
from ssl4sar.acquire.network.patience import (
    TRANSIENT_STATUS,
    TransientError,
    asked_wait_s,
    line_problem,
)
from ssl4sar.acquire.network.token import NO_LOGIN
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell

#: With these a service says that it has no such thing (any more).
GONE_STATUS: Final = frozenset({404, 410})
_LONGEST_WAIT_S: Final = 120.0
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
        attempts: tries per question.
        first_wait_s: wait after the first failure; it doubles each time and varies by half, so that
            jobs do not come back all at once.
        timeout_s: longest silence of the server.

    Attributes:
        requests: questions asked so far, tries included.
    """

    def __init__(
        self,
        url: str,
        key: str = "cdse.catalogue_url",
        *,
        attempts: int = 5,
        first_wait_s: float = 2.0,
        timeout_s: float = 120.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.requests = 0
        self._key = key
        self._attempts = attempts
        self._first_wait_s = first_wait_s
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        # Without this requests would send what ~/.netrc holds for the host, or by default.
        self._session.auth = NO_LOGIN

    def is_own(self, url: str) -> bool:
        """Return whether an address lies on the catalogue's host, port and protocol included."""
        here, there = urlsplit(self.url), urlsplit(url)
        try:
            return (here.scheme, here.hostname, here.port) == (
                there.scheme,
                there.hostname,
                there.port,
            )
        except ValueError:
            return False

    def json(self, url: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the object that an address answers with.

        Raises:
            RefusedError: the catalogue refuses (4xx) or sends elsewhere.
            UserError: it cannot be reached, keeps failing, or answers with something else.
        """
        failures = 0
        while True:
            try:
                return self._once(url, parameters)
            except TransientError as error:
                failures += 1
                if failures >= self._attempts:
                    raise UserError(
                        self.url,
                        f"the catalogue failed {failures} times in a row ({error})",
                        f"check the connection and {self._key}, and rerun later",
                    ) from error
                wait_s = self._wait_s(failures, error.wait_s)
                tell(f"{urlsplit(self.url).hostname}: {error}; next try in {wait_s:.0f} s")
                time.sleep(wait_s)

    def _wait_s(self, failures: int, asked_s: float | None) -> float:
        backoff_s = self._first_wait_s * 2.0 ** (failures - 1) * random.uniform(0.5, 1.5)
        return min(max(backoff_s, asked_s or 0.0), _LONGEST_WAIT_S)

    def _once(self, url: str, parameters: Mapping[str, str] | None) -> dict[str, Any]:
        self.requests += 1
        try:
            # A redirect is refused: the library would send credentials of ~/.netrc along.
            response = self._session.get(
                url, params=parameters, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            if line_problem(error) is not None:
                raise TransientError(_reason(error)) from error
            raise UserError(
                self.url, f"it cannot be asked ({error})", f"correct {self._key}"
            ) from error
        self._refuse(response)
        return self._object(response)

    def _refuse(self, response: requests.Response) -> None:
        status = response.status_code
        if status in TRANSIENT_STATUS:
            raise TransientError(f"it answered {status} {response.reason}", asked_wait_s(response))
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("Location", "")).hostname or "elsewhere"
            raise RefusedError(
                self.url, f"the catalogue sends to {target}", f"correct {self._key}", status
            )
        if status != 200:
            raise RefusedError(
                self.url,
                f"the catalogue refuses the question: {status} {_message(response)}",
                f"check {self._key}; if it is right, report this with your configuration",
                status,
            )

    def _object(self, response: requests.Response) -> dict[str, Any]:
        content = response.content
        if content.lstrip()[:1] == b"<":
            raise UserError(
                self.url,
                "the catalogue answered with a web page, not with JSON",
                f"check {self._key} and whether a proxy or a login page stands in between",
            )
        try:
            value = json.loads(content)
        except ValueError as error:
            raise TransientError(f"its answer is no JSON: {_beginning(content)!r}") from error
        if not isinstance(value, dict):
            raise UserError(
                self.url,
                f"its answer is no object: {_beginning(content)!r}",
                f"correct {self._key}",
            )
        return value


def _message(response: requests.Response) -> str:
    """Return what the catalogue says about a refusal, in one short line."""
    try:
        value = response.json()
    except ValueError:
        return response.reason or ""
    detail = value.get("detail", value.get("error", value)) if isinstance(value, dict) else value
    if isinstance(detail, dict):
        detail = detail.get("message", detail)
    return _shown(str(detail))


def _beginning(content: bytes) -> str:
    return _shown(content[: 2 * _SHOWN_CHARS].decode("utf-8", errors="replace"))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "..."


def _reason(error: requests.RequestException) -> str:
    # Told behind the name of the catalogue's host, so in fewer words than `line_problem` has.
    if isinstance(error, requests.exceptions.SSLError):
        return "no safe connection"
    if isinstance(error, requests.exceptions.Timeout):
        return "it does not answer"
    return "it cannot be reached or the connection broke off"
