"""Tokens of an OpenID Connect service (Keycloak), as the Copernicus Data Space has one.

One password grant opens a session at the service; services limit sessions and ban accounts that
open one per file. So a token is shared by all jobs of a user, and renewed by its refresh token as
long as that lasts.

A refused login is not repeated, for services lock accounts. But users of CDSE saw right credentials
refused for some minutes (CDSETool, issue 60), so those that have worked before are tried a few
times more, by one job for all.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import requests
from pydantic import BaseModel, StringConstraints, ValidationError

from ssl4sar.acquire.network.access import require_safe_address
from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials
from ssl4sar.acquire.network.exchange import (
    TRANSIENT_STATUS,
    failing_line,
    guarded_session,
    short_answer,
    transient_error,
)
from ssl4sar.acquire.network.token_store import REFUSAL_LASTS_S, Grant, Login, Shared, TokenStore
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.progress import log
from ssl4sar.core.retry import Patience, patiently

_LONGEST_ANSWER_BYTES: Final = 1 << 18
#: A token as it may stand in a header; the library's error would repeat anything else.
Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,65536}$")]
#: Errors of OAuth 2 (RFC 6749, 5.2) that may be repeated to the user: an unknown text could hold
#: what was sent.
_KNOWN_ERRORS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type"}
    | {"access_denied", "invalid_scope"}
)
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


class _Answer(BaseModel):
    """What the token service answers (RFC 6749, 5.1, and Keycloak's life of the refresh token)."""

    access_token: Token
    expires_in: float = 0.0
    refresh_token: Token | None = None
    refresh_expires_in: float = 0.0

    def grant(self, at: float) -> Grant:
        """Return it with the time when it was asked for; a life of 0 has no end, or is not said."""
        return Grant(
            self.access_token,
            self.expires_in or _DEFAULT_LIFE_S,
            self.refresh_token,
            self.refresh_expires_in or None,
            at,
        )


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
        require_safe_address(self._url)  # before anything is asked or locked
        store = TokenStore(f"{self._url} {self._client_id} {credentials.user}", self._folder)
        while True:
            with store.locked():
                shared = store.read()
                if shared.grant is not None and suits(shared.grant):
                    return shared.grant
                login = shared.login_with(credentials)
                if login is not None and login.is_refused():
                    raise self._wrong(credentials, login, " some minutes ago")
                if login is None or login.wait_s(self._login_waits_s) == 0.0:
                    shared = self._asked(shared, login, credentials)
                    store.write(shared)
                    login = shared.login
                    if login is None or login.refusals == 0:
                        assert shared.grant is not None
                        return shared.grant
                    if login.is_final:
                        raise self._wrong(credentials, login)
                wait_s = login.wait_s(self._login_waits_s)
            # Others wait beside this job: whoever is the first then asks for all.
            log(
                f"{self._account.service}: the login was refused though it has worked before; "
                f"next try in {wait_s / 60:.1f} min"
            )
            time.sleep(wait_s)

    def _asked(self, shared: Shared, login: Login | None, credentials: Credentials) -> Shared:
        """Ask for a token, and return what is to be shared: a new grant or a refusal."""
        try:
            renewed = self._refresh(shared.grant)
            if renewed is not None:
                return Shared(renewed, shared.login and replace(shared.login, refusals=0))
            return Shared(self._log_in(credentials), Login.accepted(credentials))
        except _RefusedError as error:
            refused = error
        may_pass = login is not None and login.has_worked and not refused.problem
        if login is not None and may_pass and login.refusals < len(self._login_waits_s):
            login = replace(login, refusals=login.refusals + 1, at=time.time())
            return replace(shared, login=login)
        return Shared(login=Login.refused(credentials, refused.problem, refused.fix))

    def _refresh(self, old: Grant | None) -> Grant | None:
        if old is None or old.refresh is None or not old.can_refresh():
            return None
        self.grants["refresh"] += 1
        try:
            return self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
        except (_RefusedError, UserError):
            log(f"{self._account.service}: the session cannot be renewed: logging in again")
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
        at = time.time()  # before the request: a slow answer must not make the token look younger
        limits = short_answer(self._patience.timeout_s, _LONGEST_ANSWER_BYTES)
        with failing_line(self._url, "correct the address"), guarded_session(limits) as session:
            response = session.post(
                require_safe_address(self._url).url,
                data={"client_id": self._client_id, **form},
                allow_redirects=False,
            )
        return self._read(response, at)

    def _read(self, response: requests.Response, at: float) -> Grant:
        status = response.status_code
        if status in TRANSIENT_STATUS:
            raise transient_error(response, f"it answered {status}")
        problem = f"the answer of {self._url} (status {status}) holds no token"
        fix = "check the address, and whether a proxy answers instead"
        try:
            answer = parse_json(response.content)
        except ForeignTextError:
            answer = {}
        code = str((isinstance(answer, dict) and answer.get("error")) or "")
        self._require_accepted(status, code)
        if status != 200:
            raise UserError(self._account.service, problem, fix)
        try:
            return _Answer.model_validate(answer).grant(at)
        except ValidationError:
            # It may have opened a session, of which services allow few.
            raise _RefusedError(problem, f"{fix}; {_LATER}") from None

    def _require_accepted(self, status: int, code: str) -> None:
        """Raise where the service itself refuses, not something in between."""
        if status not in {400, 401, 403} or not (code or status == 401):
            return
        if code in {"", "invalid_grant"}:
            raise _RefusedError
        said = f", {code}" if code in _KNOWN_ERRORS else ""
        raise _RefusedError(
            f"the token service refuses the login (status {status}{said})",
            f"find out why by logging in at {self._account.register_url}, and check the client's "
            f"name in the configuration; {_LATER}",
        )

    def _wrong(self, credentials: Credentials, login: Login, when: str = "") -> UserError:
        if login.problem:
            return UserError(self._account.service, f"{login.problem}{when}", login.fix)
        code = self._account.one_time_variable
        second = f", and with two factors a new code in {code}" if code else ""
        return UserError(
            self._account.service,
            f"user name or password from {credentials.source} were refused{when}",
            f"correct them{second}; they are not tried again, so that the account is not locked",
        )
