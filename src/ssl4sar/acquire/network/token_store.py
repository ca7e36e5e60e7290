"""What the jobs of a user share about a login: one file of mode 0600, changed under a lock.

No clock of the server is used. Where a clock is wrong, a token counts as old too early, or the
server refuses it: either way the next one is got.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from ssl4sar.acquire.network.credentials import Credentials
from ssl4sar.acquire.network.private_files import private_folder, read_private, write_private
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.lock import locked

#: Environment variable with the folder of the tokens.
CACHE_VARIABLE: Final = "SSL4SAR_CACHE"
#: Credentials that were refused are not tried again for so long: services lock accounts.
REFUSAL_LASTS_S: Final = 900.0
#: A token counts as old this long before its end, or at half of a shorter life.
_MARGIN_S: Final = 60.0
_MARGIN_SHARE: Final = 0.5


class RefusedCredentialsError(Exception):
    """A service does not accept user name and password."""


def age_s(at: float) -> float:
    """Return the seconds since a time, or until it where another clock was ahead of ours."""
    return abs(time.time() - at)


@dataclass(frozen=True)
class Grant:
    """What the token service granted.

    Attributes:
        access: token of requests.
        life_s: how long it lives.
        refresh: token that gets the next grant; None where there is none.
        refresh_life_s: how long that lives; None without an end.
        at: when it was asked for, seconds since 1970.
    """

    access: str = field(repr=False)
    life_s: float
    refresh: str | None = field(repr=False)
    refresh_life_s: float | None
    at: float

    def is_fresh(self) -> bool:
        """Return whether the access token can still be used for a while."""
        return age_s(self.at) < _useful_s(self.life_s)

    def can_refresh(self) -> bool:
        """Return whether the refresh token is worth a try."""
        if self.refresh is None:
            return False
        return self.refresh_life_s is None or age_s(self.at) < _useful_s(self.refresh_life_s)


def _useful_s(life_s: float) -> float:
    return life_s - min(_MARGIN_S, life_s * _MARGIN_SHARE)


@dataclass(frozen=True)
class Login:
    """What became of the latest logins with some credentials.

    Attributes:
        salt: of the hash, hexadecimal.
        digest: scrypt of user, password and one-time code, hexadecimal.
        has_worked: whether one was accepted and none was refused for good since; a one-time code
            never works twice.
        refusals: how many were refused in a row.
        at: when the latest was, seconds since 1970.
        problem: why it was refused, in words that may be shown; empty where the password is wrong.
        fix: what to do about that problem.
    """

    salt: str
    digest: str
    has_worked: bool
    refusals: int
    at: float
    problem: str = ""
    fix: str = ""

    @classmethod
    def accepted(cls, credentials: Credentials) -> Login:
        """Return that these credentials were accepted now."""
        return cls(*_fingerprint(credentials), credentials.one_time_code is None, 0, time.time())

    @classmethod
    def refused(cls, credentials: Credentials, problem: str = "", fix: str = "") -> Login:
        """Return that these credentials were refused now, for good."""
        return cls(*_fingerprint(credentials), False, 1, time.time(), problem, fix)

    def fits(self, credentials: Credentials) -> bool:
        """Return whether it is of these credentials; hashing takes a while, on purpose."""
        return hmac.compare_digest(self.digest, _fingerprint(credentials, self.salt)[1])

    @property
    def is_final(self) -> bool:
        """Whether the credentials were refused for good."""
        return self.refusals > 0 and not self.has_worked

    def is_refused(self) -> bool:
        """Return whether the credentials were refused for good a short while ago."""
        return self.is_final and age_s(self.at) <= REFUSAL_LASTS_S

    def wait_s(self, waits_s: Sequence[float]) -> float:
        """Return how long to wait before the next try, given the wait after each refusal."""
        if not (self.has_worked and self.refusals and waits_s):
            return 0.0
        return max(waits_s[min(self.refusals, len(waits_s)) - 1] - age_s(self.at), 0.0)


def _fingerprint(credentials: Credentials, salt: str = "") -> tuple[str, str]:
    """Return salt, another one each time unless it is given, and hash of credentials."""
    salt = salt or secrets.token_hex(16)
    secret = "\0".join((credentials.user, credentials.password, credentials.one_time_code or ""))
    # Slow on purpose: the file must not help to guess a password.
    return salt, hashlib.scrypt(secret.encode(), salt=salt.encode(), n=1 << 14, r=8, p=1).hex()


@dataclass(frozen=True)
class Shared:
    """Content of the file.

    Attributes:
        grant: latest grant; None before the first.
        login: latest logins; None before the first.
    """

    grant: Grant | None = None
    login: Login | None = None

    def login_with(self, credentials: Credentials) -> Login | None:
        """Return what became of the logins with these credentials; None if they are others."""
        return self.login if self.login is not None and self.login.fits(credentials) else None


_SHARED: Final = TypeAdapter(Shared)


class TokenStore:
    """The file that the jobs of a user share.

    Args:
        key: what the token is for: service, client and user; only its hash is written.
        folder: private folder; None means `cache_folder`.
    """

    def __init__(self, key: str, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()
        self._name = f"token-{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other job change or renew the token during the block.

        Raises:
            UserError: the folder is not this user's alone.
        """
        folder = private_folder(self._folder, CACHE_VARIABLE)
        with locked(folder / f"{self._name}.lock"):
            yield

    @property
    def path(self) -> Path:
        """The file."""
        return self._folder / f"{self._name}.json"

    def read(self) -> Shared:
        """Return what is shared; nothing where the file is missing, damaged or not private."""
        try:
            return _SHARED.validate_python(parse_json(read_private(self.path) or "{}"))
        except (ForeignTextError, ValidationError):
            return Shared()

    def write(self, shared: Shared) -> None:
        """Share something else.

        Raises:
            UserError: the file cannot be written.
        """
        write_private(self.path, json.dumps(asdict(shared)))


@contextmanager
def tried_once(service: str, credentials: Credentials) -> Iterator[None]:
    """Let jobs log in one by one, and none with what was refused a short while ago.

    The block raises `RefusedCredentialsError` where the service refuses the credentials.

    Args:
        service: its address.
        credentials: what the block logs in with.

    Raises:
        UserError: they are refused, or were by an earlier job.
    """
    store = _store(service, credentials)
    with store.locked():
        if _was_refused(store, credentials):
            raise refusal(service, credentials)
        try:
            yield
        except RefusedCredentialsError:
            store.write(Shared(login=Login.refused(credentials)))
            raise refusal(service, credentials) from None


def require_unrefused(service: str, credentials: Credentials) -> None:
    """Do not even ask a service that refused these credentials a short while ago, in whatever job.

    Raises:
        UserError: it did.
    """
    if _was_refused(_store(service, credentials), credentials):
        raise refusal(service, credentials)


def remember_refusal(service: str, credentials: Credentials) -> UserError:
    """Let all jobs know that a service refuses these credentials, and return the error."""
    store = _store(service, credentials)
    with store.locked():
        store.write(Shared(login=Login.refused(credentials)))
    return refusal(service, credentials)


def refusal(service: str, credentials: Credentials) -> UserError:
    """Return the error for credentials that a service refuses."""
    return UserError(
        service,
        f"user name or password of {credentials.source} refused",
        "correct them; they are not tried again for some minutes, so that the account is not "
        "locked",
    )


def _was_refused(store: TokenStore, credentials: Credentials) -> bool:
    login = store.read().login_with(credentials)
    return login is not None and login.is_refused()


def _store(service: str, credentials: Credentials) -> TokenStore:
    return TokenStore(f"{service} {credentials.user}")


def cache_folder() -> Path:
    """Return the folder of what jobs share: that of `SSL4SAR_CACHE`, else the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("ssl4sar")
