"""Opening addresses of a service: with its token, within its limits, and nowhere else.

The usual libraries either drop the credentials at a redirect to another host or send them
anywhere. Here redirects are followed by hand: the token goes to listed hosts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Final, Literal, Protocol

import requests

from ssl4sar.acquire.network.credentials import HIDDEN, machine_login
from ssl4sar.acquire.network.exchange import NO_LOGIN
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.core.address import Address, AddressError, parse_address
from ssl4sar.core.errors import UserError

MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ADDRESS_FIX: Final = "correct the address"
_Send = Callable[[Address, str | None, requests.auth.AuthBase], requests.Response]


class _MachineLogin(requests.auth.AuthBase):
    """Sends what netrc holds for the very host that is asked, as private mirrors want it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        address = parse_address(request.url or "")
        login = machine_login(address.host) if address.is_safe else None
        if login is not None:
            requests.auth.HTTPBasicAuth(*login)(request)
        return request


#: For sessions without a token.
MACHINE_LOGIN: Final = _MachineLogin()


class Bearer(Protocol):
    """What gives tokens; `TokenSource` is one."""

    def token(self) -> str:
        """Return a token that will live for a while."""

    def renew(self, refused: str) -> str:
        """Return another token than one that a server refused."""


class FixedToken:
    """A token that the user got elsewhere and that cannot be renewed.

    Args:
        token: the token.
        source: where it comes from, for messages.

    Raises:
        UserError: it has characters that a token cannot have.
    """

    def __init__(self, token: str, source: str) -> None:
        stripped = token.strip()
        if not stripped or not all("!" <= sign <= "~" for sign in stripped):
            raise UserError(source, "this is not a token", "copy it again, in one line")
        self._token = stripped
        self._source = source

    def token(self) -> str:
        """Return the token."""
        return self._token

    def renew(self, refused: str) -> str:
        """Say that the token is refused.

        Raises:
            UserError: always.
        """
        del refused
        raise UserError(self._source, "the token was refused", "get a new one: tokens end")


class Access:
    """How a service is accessed; may be used by several threads at one time.

    Args:
        hosts: ``host`` or ``host:port`` of the servers that belong to the service; empty means
            any, and then no token is sent.
        bearer: gives the tokens; None sends none.
        slots: connections that the account may have at one time; None does not count them.
        elsewhere: what a redirect to another host means: it is refused, or followed without the
            token, as services do that redirect to signed addresses of a storage.

    Raises:
        ValueError: a token without hosts.
    """

    def __init__(
        self,
        hosts: Collection[str] = (),
        bearer: Bearer | None = None,
        slots: Slots | None = None,
        *,
        elsewhere: Literal["refuse", "anonymous"] = "refuse",
    ) -> None:
        if bearer is not None and not hosts:
            raise ValueError("a token needs hosts that it may be sent to")
        self._hosts = frozenset(host.lower() for host in hosts)
        self._bearer = bearer
        self._slots = slots
        self._elsewhere = elsewhere

    def may_carry(self, address: Address) -> bool:
        """Return whether the token may be sent to an address; without one, whether netrc's may.

        For the guard of a session that is opened with this access.
        """
        return self._bearer is None or self._may_see(address)

    @contextmanager
    def open(
        self,
        session: requests.Session,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: Literal["GET", "HEAD"] = "GET",
        timeout_s: float = 60.0,
    ) -> Iterator[requests.Response]:
        """Ask for an address and yield the answer, whose body is not yet read.

        A slot is held during the block. A token that is refused by status 401 is renewed once.

        Args:
            session: used for its headers and connections.
            url: http or https address; a token goes by http only within this machine.
            headers: of this request alone.
            method: of the request.
            timeout_s: longest silence of the server.

        Raises:
            UserError: bad address, a redirect to a host that is not listed or from https to http,
                too many redirects, wrong credentials.
            requests.RequestException: a failure of the line.
        """
        start = require_web_address(url)
        if self._bearer is not None and not self._may_see(start):
            raise self._foreign(start, start)
        send = partial(_send, session, method, headers or {}, timeout_s)
        refused: str | None = None
        while True:
            self._token(refused)  # before there is a slot, which others can use meanwhile
            with nullcontext() if self._slots is None else self._slots.hold():
                # Waiting for the slot may have taken longer than a token lives.
                token = self._token()
                with self._follow(send, start, token) as found:
                    if found.status_code == 429 and self._slots is not None:
                        self._slots.note_busy()
                    if found.status_code != 401 or token is None or refused is not None:
                        yield found
                        return
            refused = token

    def _token(self, refused: str | None = None) -> str | None:
        """Return the token, another one than that which was refused; None without a bearer."""
        if self._bearer is None:
            return None
        return self._bearer.token() if refused is None else self._bearer.renew(refused)

    @contextmanager
    def _follow(
        self, send: _Send, start: Address, token: str | None
    ) -> Iterator[requests.Response]:
        place = start
        for _ in range(MAX_REDIRECTS + 1):
            own = place.origin == start.origin
            auth = MACHINE_LOGIN if own and self._bearer is None else NO_LOGIN
            with send(place, token if self._may_see(place) else None, auth) as response:
                if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                    yield response
                    return
                place = self._next(start, place, response.headers["Location"])
        raise UserError(start.url, f"more than {MAX_REDIRECTS} redirects", _ADDRESS_FIX)

    def _next(self, start: Address, place: Address, location: str) -> Address:
        """Return where a redirect leads, if one may go there."""
        try:
            following = place.joined(location)
        except AddressError as error:
            raise UserError(
                start.url,
                f"a redirect leads to no address that can be used: {error}",
                "nothing was sent there; report it to the service",
            ) from None
        if place.scheme == "https" and following.scheme != "https":
            raise UserError(
                start.url, "a redirect leads from https to http", "report it to the service"
            )
        listed = not self._hosts or following.is_among(self._hosts)
        if not listed and self._elsewhere == "refuse":
            raise self._foreign(start, following)
        return following

    def _may_see(self, address: Address) -> bool:
        """Return whether the token may be sent to an address."""
        return address.is_safe and address.is_among(self._hosts)

    def _foreign(self, start: Address, place: Address) -> UserError:
        if place.is_among(self._hosts):
            return UserError(
                start.url,
                f"this leads to {place.host}, where a token is sent by https only",
                _ADDRESS_FIX,
            )
        return UserError(
            start.url,
            f"this leads to {place.host}, which is not among the hosts of the service",
            "nothing was sent there; if it belongs to the service, add it to its hosts",
        )


def _send(
    session: requests.Session,
    method: str,
    headers: Mapping[str, str],
    timeout_s: float,
    address: Address,
    token: str | None,
    auth: requests.auth.AuthBase,
) -> requests.Response:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        # The library would send a login of netrc in place of the token, and its default entry
        # anywhere.
        return session.request(
            method,
            address.url,
            headers={**headers, **bearer},
            auth=auth,
            allow_redirects=False,
            stream=True,
            timeout=timeout_s,
        )
    except requests.RequestException:
        raise
    except ValueError:
        # The library reads where a redirect leads even though it is not to follow.
        problem = "a redirect leads to no address that can be used"
        raise UserError(address.url, problem, "report it to the service") from None


def require_safe_address(url: str) -> Address:
    """Return the address of a service, to which a password may be sent.

    Raises:
        UserError: it cannot be used, or the password would go unprotected.
    """
    address = require_web_address(url)
    if not address.is_safe:
        raise UserError(url, "a password is sent by https only", _ADDRESS_FIX)
    return address


def require_web_address(url: str) -> Address:
    """Return an address that can be used.

    Raises:
        UserError: it is not one, or could be read in two ways.
    """
    try:
        return parse_address(url)
    except AddressError as error:
        # A password in it must not reach a log.
        shown = re.sub(r"//[^/]*@", f"//{HIDDEN}@", str(url))
        raise UserError(shown, f"this address cannot be used: {error}", _ADDRESS_FIX) from None
