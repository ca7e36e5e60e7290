"""Tokens of an OpenID Connect service (Keycloak), as the Copernicus Data Space has one.

One password grant opens a session at the service; services limit sessions and ban accounts that
open one per file. So a token is shared by all jobs of a user, and renewed by its refresh token as
long as that lasts.

A refused login is not repeated, for services lock accounts. But users of CDSE saw right credentials
refused for some minutes (CDSETool, issue 60), so those that have worked before are tried a few
times more, by one job for all.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import requests

from ssl4sar.acquire.network.access import require_web_address
from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials
from ssl4sar.acquire.network.exchange import (
    TRANSIENT_STATUS,
    failing_line,
    guarded_session,
    short_answer,
    transient_error,
)
from ssl4sar.acquire.network.token_store import (
    REFUSAL_LASTS_S,
    Fingerprint,
    Grant,
    Refusal,
    RefusedLogins,
    Shared,
    Timestamp,
    TokenStore,
)
from ssl4sar.core.address import Address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import Patience, patiently

_LONGEST_ANSWER_BYTES: Final = 1 << 18
#: What may stand in a header; anything else would also be repeated by the error of the library.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,65536}")
#: Errors of OAuth 2 (RFC 6749, 5.2) that a configuration causes, not a password.
_CLIENT_ERRORS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type"}
)
_GRANT_ERRORS: Final = frozenset({"invalid_grant"})
#: Others that may be repeated to the user; an unknown text could hold what was sent.
_OTHER_ERRORS: Final = frozenset({"access_denied", "invalid_scope"})
_LATER: Final = f"it is not asked again for {REFUSAL_LASTS_S / 60:.0f} minutes"
_DEFAULT_LIFE_S: Final = 60.0
#: Before each further login with credentials that have worked before: at most four wrong ones in 21
#: minutes. Keycloak, where it locks accounts, does so after 30 by default.
LOGIN_WAITS_S: Final = (60.0, 300.0, 900.0)


class _RefusedError(Exception):
    """The service does not accept what it was given; without a problem it is the password."""

    def __init__(self, problem: str = "", fix: str = "") -> None:
        super().__init__(problem)
        self.problem, self.fix = problem, fix


class TokenSource:
    """Access tokens for an account, shared between threads and jobs.

    Args:
        url: address of the token service; https, or on this machine.
        account: whose credentials; they are looked up when they are needed.
        client_id: name of the client towards the service.
        folder: private folder of the shared file; None means the user's.
        patience: how often the service is asked where the line fails.
        login_waits_s: before each further login with credentials that are refused and have worked
            before.

    Attributes:
        grants: how many grants of each kind this object has asked for.
    """

    def __init__(
        self,
        url: str,
        account: Account,
        client_id: str,
        *,
        folder: Path | None = None,
        patience: Patience | None = None,
        login_waits_s: Sequence[float] = LOGIN_WAITS_S,
    ) -> None:
        self._url = url
        self._account = account
        self._client_id = client_id
        self._folder = folder
        self._patience = patience or Patience(attempts=4)
        self._login_waits_s = tuple(login_waits_s)
        self._lock = threading.Lock()
        self._grant: Grant | None = None
        self._refused: tuple[Credentials, Refusal] | None = None
        self.grants: Counter[Literal["password", "refresh"]] = Counter()

    def token(self) -> str:
        """Return a token that will live for a while.

        Raises:
            UserError: no or wrong credentials, or the service cannot be reached.
        """
        return self._get(lambda grant: grant.is_fresh())

    def renew(self, refused: str) -> str:
        """Return another token than one that a server refused, however valid that one looks.

        Args:
            refused: token that was answered by status 401.

        Raises:
            UserError: as for `token`.
        """
        return self._get(lambda grant: grant.access != refused and grant.is_fresh())

    def _get(self, suits: Callable[[Grant], bool]) -> str:
        with self._lock:
            if self._grant is None or not suits(self._grant):
                self._grant = self._shared_or_new(suits)
            return self._grant.access

    def _shared_or_new(self, suits: Callable[[Grant], bool]) -> Grant:
        credentials = find_credentials(self._account)
        if self._refused is not None and self._refused[0] == credentials:
            raise self._wrong(*self._refused)
        _safe(self._url)  # before anything is asked or locked
        store = TokenStore(f"{self._url} {self._client_id} {credentials.user}", self._folder)
        while True:
            with store.locked():
                shared = store.read()
                if shared.grant is not None and suits(shared.grant):
                    return shared.grant
                if shared.refusal is not None and shared.refusal.holds_for(credentials):
                    self._refused = credentials, shared.refusal
                    raise self._wrong(credentials, shared.refusal, "some minutes ago")
                wait_s = self._wait_s(shared, credentials)
                if wait_s == 0.0:
                    shared = self._asked(shared, credentials)
                    store.write(shared)
                    if shared.refusal is not None:
                        self._refused = credentials, shared.refusal
                        raise self._wrong(credentials, shared.refusal)
                    if shared.refused_logins is None and shared.grant is not None:
                        return shared.grant
                    wait_s = self._wait_s(shared, credentials)
            # Others wait beside this job: whoever is the first then asks for all.
            tell(
                f"{self._account.service}: the login was refused though it has worked before; "
                f"next try in {wait_s / 60:.1f} min"
            )
            time.sleep(wait_s)

    def _wait_s(self, shared: Shared, credentials: Credentials) -> float:
        """Return how long these credentials must not be tried, because others did just now."""
        logins = shared.refused_logins
        if logins is None or not self._login_waits_s or not shared.has_proven(credentials):
            return 0.0
        wait_s = self._login_waits_s[min(logins.number, len(self._login_waits_s)) - 1]
        return max(wait_s - logins.at.distance_s(), 0.0)

    def _asked(self, shared: Shared, credentials: Credentials) -> Shared:
        """Ask for a token; what is to be shared then holds a new grant or a refusal."""
        try:
            renewed = self._refresh(shared.grant)
            if renewed is not None:
                return Shared(renewed, proven=shared.proven)
            return Shared(self._log_in(credentials), proven=Fingerprint.of(credentials))
        except _RefusedError as error:
            refused = error
        if not refused.problem and shared.has_proven(credentials):
            number = 1 + (shared.refused_logins.number if shared.refused_logins else 0)
            if number <= len(self._login_waits_s):
                logins = RefusedLogins(number, Timestamp.now())
                return replace(shared, refusal=None, refused_logins=logins)
            shared = replace(shared, proven=None, refused_logins=None)
        refusal = Refusal.of(credentials, refused.problem, refused.fix)
        return replace(shared, grant=None, refusal=refusal)

    def _refresh(self, old: Grant | None) -> Grant | None:
        if old is None or old.refresh is None or not old.can_refresh():
            return None
        self.grants["refresh"] += 1
        try:
            return self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
        except (_RefusedError, UserError):
            tell(f"{self._account.service}: the session cannot be renewed: logging in again")
            return None

    def _log_in(self, credentials: Credentials) -> Grant:
        self.grants["password"] += 1
        form = {
            "grant_type": "password",
            "username": credentials.user,
            "password": credentials.password,
        }
        if credentials.one_time_code:
            form["totp"] = credentials.one_time_code
        return self._ask(form)

    def _ask(self, form: dict[str, str]) -> Grant:
        """Ask until there is an answer; only failures of the line are asked again."""
        return patiently(
            lambda: self._ask_once(form),
            self._patience,
            "token service",
            subject=self._url,
            what="the token service",
            fix="check the connection and rerun",
        )

    def _ask_once(self, form: dict[str, str]) -> Grant:
        at = (
            Timestamp.now()
        )  # before the request: a slow answer must not make the token look younger
        limits = short_answer(self._patience.timeout_s, _LONGEST_ANSWER_BYTES)
        with failing_line(self._url, "correct the address"), guarded_session(limits) as session:
            response = session.post(
                _safe(self._url).url,
                data={"client_id": self._client_id, **form},
                allow_redirects=False,
            )
        return self._read(response, at)

    def _read(self, response: requests.Response, at: Timestamp) -> Grant:
        status = response.status_code
        if status in TRANSIENT_STATUS:
            raise transient_error(response, f"it answered {status}")
        answer = _json(response.content)
        refusal = self._refusal(status, str(answer.get("error") or ""))
        if refusal is not None:
            raise refusal
        grant = _grant(answer, at) if status == 200 else None
        if grant is None:
            problem = f"the answer of {self._url} (status {status}) holds no token"
            fix = "check the address, and whether a proxy answers instead"
            if status == 200:
                # It may have opened a session, of which services allow few.
                raise _RefusedError(problem, f"{fix}; {_LATER}")
            raise UserError(self._account.service, problem, fix)
        return grant

    def _refusal(self, status: int, code: str) -> _RefusedError | None:
        """Return what a definite refusal means; None where the answer is none."""
        if status not in {400, 401, 403} or not (code or status == 401):
            return None
        if code in _CLIENT_ERRORS:
            return _RefusedError(
                f"the token service does not accept the client ({code})",
                f"check the client's name in the configuration; {_LATER}",
            )
        if code in _GRANT_ERRORS or not code:
            return _RefusedError()
        told = f", {code}" if code in _OTHER_ERRORS else ""
        return _RefusedError(
            f"the token service refuses the login (status {status}{told})",
            f"find out why by logging in at {self._account.register_url}; {_LATER}",
        )

    def _wrong(self, credentials: Credentials, refusal: Refusal, when: str = "") -> UserError:
        if refusal.problem:
            problem = f"{refusal.problem} {when}".rstrip()
            return UserError(self._account.service, problem, refusal.fix)
        code = self._account.one_time_variable
        second = f", and with two factors a new code in {code}" if code else ""
        return UserError(
            self._account.service,
            f"user name or password from {credentials.source} were refused {when}".rstrip(),
            f"correct them{second}; they are not tried again, so that the account is not locked",
        )


def _safe(url: str) -> Address:
    """Return the address of a token service, to which a password may be sent."""
    address = require_web_address(url)
    if not address.is_safe:
        raise UserError(url, "a password is sent by https only", "correct the address")
    return address


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = parse_json(body)
    except ForeignTextError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _grant(answer: dict[str, Any], at: Timestamp) -> Grant | None:
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    if not isinstance(access, str) or _TOKEN.fullmatch(access) is None:
        return None
    usable = isinstance(refresh, str) and _TOKEN.fullmatch(refresh) is not None
    refresh_life_s = _life_s(answer.get("refresh_expires_in"))
    return Grant(
        access,
        _life_s(answer.get("expires_in")) or _DEFAULT_LIFE_S,
        refresh if usable else None,
        refresh_life_s,
        at,
    )


def _life_s(value: object) -> float | None:
    """Return a life in seconds; 0 means without an end (offline tokens of Keycloak)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        life_s = float(value)
    except ValueError:
        return None
    return life_s if 0 < life_s < 1e9 else None
