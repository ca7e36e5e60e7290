"""One reading of web addresses: what is assessed here is what is requested.

Libraries read one address in different ways: what a browser takes for the path may be the host for
``urllib3``, and user information hides what comes behind it. So an address of this package has one
spelling, and everything that two readers could understand differently is refused: user
information, backslashes, control characters, white space, percent signs and letters beyond ASCII in
the host, numbers that stand for a host in another form than four decimal bytes. The parts follow
RFC 3986; the traps are those of the WHATWG URL standard.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

_PARTS: Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
#: Hosts that some readers take for a number: the last label is one, decimal, octal or hexadecimal.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_HOST: Final = 253
_LONGEST_ADDRESS: Final = 8192
#: Stays as it is in path and query (RFC 3986, 3.3 and 3.4); a percent sign begins an octet.
_UNQUOTED: Final = "!$&'()*+,/:;=?@[]~%"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class AddressError(ValueError):
    """An address that cannot be used; the message is a phrase for people, without the address."""


@dataclass(frozen=True)
class Address:
    """An http or https address.

    Attributes:
        url: its one spelling, without fragment; this is what is requested.
        scheme: http or https.
        host: lower case, without a dot at the end and without brackets.
        port: also where the address leaves it out.
    """

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: whose answer it is."""
        return self.scheme, self.host, self.port

    @property
    def is_safe(self) -> bool:
        """Whether a secret may be sent there: by https, or within this machine."""
        return self.scheme == "https" or is_loopback(self.host)

    def is_among(self, hosts: frozenset[str]) -> bool:
        """Return whether it is of listed hosts, each ``host`` or ``host:port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return bool(hosts & {host, f"{host}:{self.port}"})

    def joined(self, reference: str) -> Address:
        """Return the address that a reference within its answer means, such as a redirect.

        Raises:
            AddressError: it is not an address that can be used.
        """
        _require_signs(reference)
        try:
            following = urljoin(self.url, reference)
        except ValueError as error:
            raise AddressError("it is not a web address") from error
        return parse_address(following)


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        AddressError: it is not one, or could be read in two ways.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_ADDRESS:
        raise AddressError("it is not a web address")
    _require_signs(text)
    match = _PARTS.fullmatch(text)
    if match is None or not match[2]:
        raise AddressError("it is not an http or https address")
    scheme = match[1].lower()
    host, port = _host_and_port(match[2])
    shown = f"[{host}]" if ":" in host else host
    where = shown if port is None else f"{shown}:{port}"
    rest = _quoted(match[3] or "/") + _quoted(match[4] or "")
    return Address(f"{scheme}://{where}{rest}", scheme, host, port or _DEFAULT_PORTS[scheme])


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_signs(text: str) -> None:
    if "\\" in text:
        raise AddressError("it has a backslash in it")
    if text != text.strip() or not all(sign.isprintable() for sign in text):
        raise AddressError("it has white space around it or control characters in it")


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise AddressError("it holds a user name or password; use ~/.netrc")
    if not authority.isascii():
        raise AddressError("its host has letters beyond ASCII; write it in its form with xn--")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise AddressError("its host or port is not valid")
    port = None if match[2] is None else int(match[2])
    if port is not None and not 0 < port < 65536:
        raise AddressError("its port is not valid")
    return _host(match[1].lower()), port


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(ipaddress.IPv6Address(text[1:-1]))
        labels = text.removesuffix(".").split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(ipaddress.IPv4Address(text))
    except ipaddress.AddressValueError as error:
        raise AddressError("its host is a number that is not an IP address") from error
    if len(text) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError("its host is not a valid name")
    return ".".join(labels)


def _quoted(text: str) -> str:
    # A percent sign that does not begin an octet would be quoted by some readers and not by others.
    octets = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    try:
        return quote(octets, safe=_UNQUOTED)
    except UnicodeEncodeError as error:
        raise AddressError("it has half of a surrogate pair in it") from error
