"""User name and password of a service: from the environment or ``~/.netrc``, nowhere else.

They are never taken from a command line or a configuration, which others can read and records
keep.
"""

from __future__ import annotations

import netrc
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log

HIDDEN: Final = "***"
_WARNED: Final[set[Path]] = set()
_WARNING: Final = threading.Lock()


@dataclass(frozen=True)
class Account:
    """Where the credentials of a service are looked for.

    Attributes:
        service: its name.
        user_variable: environment variable of the user name.
        password_variable: of the password.
        machine: machine name in the netrc file.
        register_url: where one gets an account.
        one_time_variable: of the one-time code of a second factor; None where there is none.
        token_variable: of a token that makes the login needless; None where there is none.
    """

    service: str
    user_variable: str
    password_variable: str
    machine: str
    register_url: str
    one_time_variable: str | None = None
    token_variable: str | None = None


@dataclass(frozen=True)
class Credentials:
    """User name and password; neither the password nor the code shows in its text.

    Attributes:
        user: user name.
        password: password.
        source: where they come from, for messages.
        one_time_code: code of a second factor; None where there is none.
    """

    user: str
    password: str = field(repr=False)
    source: str
    one_time_code: str | None = field(default=None, repr=False)

    def redact(self, text: str) -> str:
        """Return a text without password and code."""
        return redact(text, (self.password, self.one_time_code or ""))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return a text in which secrets, plain or encoded as in an address, are hidden."""
    forms = {
        form
        for secret in filter(None, secrets)
        for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    }
    if not forms:
        return text
    # The longest first: a secret may be the beginning of another form.
    either = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.sub(either, HIDDEN, text)


def find_credentials(account: Account) -> Credentials:
    """Return the credentials of an account: the environment goes before netrc.

    Raises:
        UserError: there are none, only half of them, or the netrc file is damaged.
    """
    user = os.environ.get(account.user_variable)
    password = os.environ.get(account.password_variable)
    code = os.environ.get(account.one_time_variable or "") or None
    if user and password:
        return Credentials(user, password, f"{account.user_variable} in the environment", code)
    if user or password:
        missing = account.password_variable if user else account.user_variable
        raise UserError(missing, "the environment variable is not set", "set both or none")
    path = netrc_path()
    found = _from_netrc(path, account.machine)
    if found is None:
        raise UserError(
            account.service,
            "there are no credentials",
            f"set {account.user_variable} and {account.password_variable}, or write the line "
            f"'machine {account.machine} login USER password PASSWORD' to {path} (mode 0600); "
            f"a free account: {account.register_url}",
        )
    return Credentials(*found, str(path), code)


def machine_login(host: str) -> tuple[str, str] | None:
    """Return user name and password that netrc holds for this very host; None if none.

    The entry ``default``, which is for no host in particular, does not count.
    """
    try:
        return _from_netrc(netrc_path(), host)
    except UserError as error:
        log(f"warning: {error}")
        return None


def netrc_path() -> Path:
    """Return the netrc file: that of the variable NETRC, else ``~/.netrc``."""
    return Path(os.environ.get("NETRC") or "~/.netrc").expanduser()


def _from_netrc(path: Path, machine: str) -> tuple[str, str] | None:
    try:
        mode = path.stat().st_mode
        # Only the machine itself counts: "default" is for guests of any host.
        entry = netrc.netrc(str(path)).hosts.get(machine)
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:
        # The message of the error may repeat a password; the line number does not.
        raise UserError(
            path,
            f"the file is damaged near line {error.lineno}",
            "correct it to: machine HOST login USER password PASSWORD",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, "the file cannot be read", "check its mode and encoding") from error
    if entry is None or not entry[0] or not entry[2]:
        return None
    if mode & 0o077:
        _warn_once(path)
    return entry[0], entry[2]


def _warn_once(path: Path) -> None:
    with _WARNING:
        if path in _WARNED:
            return
        _WARNED.add(path)
    log(f"warning: {path}: other users can read your passwords; run: chmod 600 {path}")
