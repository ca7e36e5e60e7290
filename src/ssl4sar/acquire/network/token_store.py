"""What the jobs of a user share about a token: one file of mode 0600, changed under a lock.

No clock of the server is used, and a wall clock that jumps does no harm: a time is noted as that
since the start of the machine, and only another machine that shares the folder falls back on the
wall clock.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from ssl4sar.acquire.network.credentials import Credentials
from ssl4sar.acquire.network.private_files import private_folder, read_private, write_private
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.lock import locked

#: Environment variable with the folder of the tokens.
CACHE_VARIABLE: Final = "SSL4SAR_CACHE"
#: Credentials that were refused are not tried again for so long: services lock accounts.
REFUSAL_LASTS_S: Final = 900.0
#: A token counts as old this long before its end, or at half of a shorter life.
_MARGIN_S: Final = 60.0
_MARGIN_SHARE: Final = 0.5
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class RefusedCredentialsError(Exception):
    """A service does not accept user name and password."""


@dataclass(frozen=True)
class Timestamp:
    """A time by two clocks.

    Attributes:
        machine: identifies one run of one machine.
        uptime_s: seconds since its start, suspended time included.
        unix_s: wall clock.
    """

    machine: str
    uptime_s: float
    unix_s: float

    @classmethod
    def now(cls) -> Timestamp:
        """Return the present time."""
        try:
            machine = _BOOT.read_text(encoding="ascii").strip()
            uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        except (OSError, AttributeError):
            machine, uptime_s = "", time.monotonic()
        return cls(machine, uptime_s, time.time())

    def age_s(self) -> float:
        """Return the seconds since; infinite where the clocks contradict each other."""
        now = Timestamp.now()
        same = bool(self.machine) and self.machine == now.machine
        age_s = now.uptime_s - self.uptime_s if same else now.unix_s - self.unix_s
        return age_s if age_s >= 0 else math.inf

    def distance_s(self) -> float:
        """Return the seconds since, or until where the clock of another machine is ahead of ours.

        For what must not be done again too early, as a login that may lock the account.
        """
        age_s = self.age_s()
        return abs(time.time() - self.unix_s) if math.isinf(age_s) else age_s


@dataclass(frozen=True)
class Grant:
    """What the token service granted.

    Attributes:
        access: token of requests.
        life_s: how long it lives.
        refresh: token that gets the next grant; None where there is none.
        refresh_life_s: how long that lives; None without an end.
        at: when it was asked for.
    """

    access: str = field(repr=False)
    life_s: float
    refresh: str | None = field(repr=False)
    refresh_life_s: float | None
    at: Timestamp

    def is_fresh(self) -> bool:
        """Return whether the access token can still be used for a while."""
        return self.at.age_s() < _useful_s(self.life_s)

    def can_refresh(self) -> bool:
        """Return whether the refresh token is worth a try."""
        if self.refresh is None:
            return False
        return self.refresh_life_s is None or self.at.age_s() < _useful_s(self.refresh_life_s)


def _useful_s(life_s: float) -> float:
    return life_s - min(_MARGIN_S, life_s * _MARGIN_SHARE)


@dataclass(frozen=True)
class Fingerprint:
    """Credentials as a salted hash.

    Attributes:
        salt: hexadecimal.
        digest: hexadecimal; scrypt of user, password and one-time code.
    """

    salt: str
    digest: str

    @classmethod
    def of(cls, credentials: Credentials) -> Fingerprint:
        """Return the fingerprint of credentials, another one each time."""
        salt = secrets.token_hex(16)
        return cls(salt, _hash(credentials, salt))

    def fits(self, credentials: Credentials) -> bool:
        """Return whether it is one of these credentials."""
        return hmac.compare_digest(self.digest, _hash(credentials, self.salt))


@dataclass(frozen=True)
class Refusal:
    """Credentials that the service refused.

    Attributes:
        fingerprint: of the credentials.
        at: when they were refused.
        problem: why, in words that may be shown; empty where the password is wrong.
        fix: what to do about that problem.
    """

    fingerprint: Fingerprint
    at: Timestamp
    problem: str = ""
    fix: str = ""

    @classmethod
    def of(cls, credentials: Credentials, problem: str = "", fix: str = "") -> Refusal:
        """Return the refusal of credentials, now."""
        return cls(Fingerprint.of(credentials), Timestamp.now(), problem, fix)

    def holds_for(self, credentials: Credentials) -> bool:
        """Return whether these credentials were refused a short while ago."""
        if self.at.distance_s() > REFUSAL_LASTS_S:
            return False
        return self.fingerprint.fits(credentials)


@dataclass(frozen=True)
class RefusedLogins:
    """Refusals in a row of credentials that have worked before.

    Attributes:
        number: how many, at least 1.
        at: when the latest was.
    """

    number: int
    at: Timestamp


def _hash(credentials: Credentials, salt: str) -> str:
    secret = "\0".join((credentials.user, credentials.password, credentials.one_time_code or ""))
    # Slow on purpose: the file must not help to guess a password.
    return hashlib.scrypt(secret.encode(), salt=salt.encode(), n=1 << 14, r=8, p=1).hex()


@dataclass(frozen=True)
class Shared:
    """Content of the file.

    Attributes:
        grant: latest grant; None before the first.
        refusal: latest refusal; None after a success.
        proven: the latest credentials that a login accepted; None before the first, and once they
            are refused for good.
        refused_logins: with the proven ones; None after a success.
    """

    grant: Grant | None = None
    refusal: Refusal | None = None
    proven: Fingerprint | None = None
    refused_logins: RefusedLogins | None = None

    def has_proven(self, credentials: Credentials) -> bool:
        """Return whether these credentials have worked before; a one-time code never works twice.

        The answer takes a while: hashing is slow on purpose.
        """
        if self.proven is None or credentials.one_time_code:
            return False
        return self.proven.fits(credentials)


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
def tried_once(
    service: str, credentials: Credentials, folder: Path | None = None
) -> Iterator[None]:
    """Let jobs log in one by one, and none with what was refused a short while ago.

    The block raises `RefusedCredentialsError` where the service refuses the credentials.

    Args:
        service: its address.
        credentials: what the block logs in with.
        folder: private folder of the shared file; None means the user's.

    Raises:
        RefusedCredentialsError: from the block, or by an earlier job.
    """
    store = TokenStore(f"{service} {credentials.user}", folder)
    with store.locked():
        refusal = store.read().refusal
        if refusal is not None and refusal.holds_for(credentials):
            raise RefusedCredentialsError
        try:
            yield
        except RefusedCredentialsError:
            store.write(Shared(refusal=Refusal.of(credentials)))
            raise
        if refusal is not None:
            store.write(Shared())


def was_refused(service: str, credentials: Credentials) -> bool:
    """Return whether a service refused these credentials a short while ago, in whatever job."""
    refusal = TokenStore(f"{service} {credentials.user}").read().refusal
    return refusal is not None and refusal.holds_for(credentials)


def remember_refusal(service: str, credentials: Credentials) -> None:
    """Let all jobs know that a service refuses these credentials.

    Raises:
        UserError: the folder is not this user's alone, or the file cannot be written.
    """
    store = TokenStore(f"{service} {credentials.user}")
    with store.locked():
        store.write(Shared(refusal=Refusal.of(credentials)))


def cache_folder() -> Path:
    """Return the folder of what jobs share: that of `SSL4SAR_CACHE`, else the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("ssl4sar")
