"""Exchanges with servers, guarded: what every request of this package goes through.

A guarded session asks the very address that was assessed, gives login and cookies to nobody who may
not have them, ends an exchange that is silent, too slow or too long, and reads no more of an answer
than it should. Libraries with sessions of their own get the same by :func:`guard`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from typing import Any, Final, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from ssl4sar.core.address import Address, AddressError, parse_address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import LONGEST_BYTES
from ssl4sar.core.retry import BusyError, Patience, TransientError

USER_AGENT: Final = "ssl4sar (calving fronts from SAR images)"
_CHUNK_BYTES: Final = 1 << 16
#: Connecting, encryption and the wait for an answer may each take as long as a silence.
_SILENCES_BEFORE_ANSWER: Final = 3
#: What belongs to one host alone.
_SECRET_HEADERS: Final = ("Authorization", "Cookie")
#: Answers after which the same request may succeed later.
TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY_STATUS: Final = 429
#: A server that asks for more is asked again after this time.
_LONGEST_ASKED_WAIT_S: Final = 600.0
#: A server that asks a library for more is asked again after this time.
_LONGEST_LIBRARY_WAIT_S: Final = 60.0
#: Methods that change nothing at the server.
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
ONCE: Final = Patience(attempts=1)
S = TypeVar("S", bound=requests.Session)


#: By kind of error, the special before the general: requests reports an unknown host, a refused
#: connection and a broken one by one class.
_LINE_PROBLEMS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        requests.exceptions.SSLError,
        "no safe connection: the certificate of the host or a proxy is not trusted",
    ),
    (requests.exceptions.ProxyError, "the proxy does not let the connection through"),
    (requests.exceptions.ConnectTimeout, "the host does not answer"),
    (requests.exceptions.Timeout, "the server fell silent"),
    (requests.exceptions.ChunkedEncodingError, "the connection broke off"),
    (requests.exceptions.ContentDecodingError, "the connection broke off"),
    (
        requests.exceptions.ConnectionError,
        "the host cannot be reached or the connection broke off",
    ),
)


class SlowServerError(requests.exceptions.Timeout):
    """A server sends, but less than the least rate, or longer than an exchange may take."""


class TooLongError(requests.exceptions.RequestException):
    """An answer is longer than it may be."""


def transient_error(response: requests.Response, problem: str) -> TransientError:
    """Return the error for an answer of `TRANSIENT_STATUS`, with the wait that it asks for."""
    kind = BusyError if response.status_code == _BUSY_STATUS else TransientError
    return kind(problem, asked_wait_s(response))


def asked_wait_s(response: requests.Response) -> float | None:
    """Return the wait that an answer asks for by ``Retry-After``; None where it asks for none."""
    try:
        asked_s = Retry().parse_retry_after(response.headers.get("Retry-After", ""))
    except (urllib3.exceptions.HTTPError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(asked_s, _LONGEST_ASKED_WAIT_S)


def line_problem(error: requests.RequestException) -> str | None:
    """Return in plain words what is wrong with the line; None for failures of another kind.

    The text of the error itself is not repeated: it may hold an address with a signature.
    """
    if isinstance(error, SlowServerError):
        return str(error)
    return next((problem for kind, problem in _LINE_PROBLEMS if isinstance(error, kind)), None)


def asking_problem(error: requests.RequestException) -> str:
    """Return in plain words why a question got no answer that can be used."""
    if isinstance(error, TooLongError | requests.exceptions.InvalidURL):
        return str(error)
    return line_problem(error) or "it cannot be asked"


@contextmanager
def failing_line(url: str, fix: str) -> Iterator[None]:
    """Turn what the library raises during the block into errors of this package.

    Their cause is left out: the request in it may hold a password.

    Args:
        url: what is asked, for the error.
        fix: of an address that cannot be asked.

    Raises:
        TransientError: a failure of the line.
        UserError: another one.
    """
    try:
        yield
    except requests.RequestException as error:
        problem = line_problem(error)
        if problem is None:
            raise UserError(url, asking_problem(error), fix) from None
        raise TransientError(problem, is_slow=isinstance(error, SlowServerError)) from None


class _NoLogin(requests.auth.AuthBase):
    """Keeps the library from sending the password of netrc by itself."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


#: For sessions that carry a token, or nothing at all.
NO_LOGIN: Final = _NoLogin()


@dataclass(frozen=True)
class Limits:
    """What an exchange may take.

    Attributes:
        silence_s: longest silence of the server.
        total_s: longest exchange whose answer is read whole; None sets no limit.
        longest_bytes: longest answer that is read whole, decoded.
        least_bytes_s: least rate of an answer, over each `silence_s` that is waited for it. The
            slowest lines over a satellite have ten times as much.
    """

    silence_s: float = 60.0
    total_s: float | None = None
    longest_bytes: int = LONGEST_BYTES
    least_bytes_s: float = 1000.0


def short_answer(silence_s: float, longest_bytes: int = LONGEST_BYTES) -> Limits:
    """Return the limits of an answer that is data of an interface, not a file."""
    return Limits(silence_s, total_s=5 * silence_s, longest_bytes=longest_bytes)


def nobody(_: Address) -> bool:
    """Let no host have a login or cookie."""
    return False


def guarded_session(
    limits: Limits,
    may_carry: Callable[[Address], bool] = nobody,
    patience: Patience = ONCE,
) -> requests.Session:
    """Return a session whose exchanges are guarded; it has no login and keeps no cookies.

    Args:
        limits: of each exchange.
        may_carry: which addresses may get the header ``Authorization``.
        patience: with failures that may pass, for libraries that have none of their own; asked
            again is only what changes nothing.
    """
    session = guard(requests.Session(), GuardedAdapter(limits, may_carry, patience))
    session.headers["User-Agent"] = USER_AGENT
    return session


def guard(session: S, adapter: GuardedAdapter) -> S:
    """Let all requests of a session go through a guarded adapter, without netrc and cookies."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    session.auth = NO_LOGIN
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class GuardedAdapter(HTTPAdapter):
    """Sends the requests of a session, each within its limits.

    Args:
        limits: of each exchange.
        may_carry: which addresses may get the header ``Authorization``.
        patience: with failures that may pass, for libraries that have none of their own; asked
            again is only what changes nothing.
    """

    def __init__(
        self,
        limits: Limits,
        may_carry: Callable[[Address], bool] = nobody,
        patience: Patience = ONCE,
    ) -> None:
        self._limits = limits
        self._may_carry = may_carry
        self._patience = patience
        super().__init__(max_retries=0)

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request; of an answer that is not streamed the body is read, within the limits.

        That of a redirect is not: nobody wants it, and the library would read it without a limit.

        Raises:
            requests.exceptions.InvalidURL: the address could be read in two ways.
            SlowServerError, TooLongError: the answer is beyond a limit.
            requests.RequestException: a failure of the line.
        """
        self._assess(request)
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._limits.silence_s
        tries = self._patience.attempts if request.method in _REPEATABLE else 1
        for failures in count(1):
            is_last, asked_s = failures >= tries, None
            try:
                return self._exchange(request, stream, is_last, *args, **kwargs)
            except TransientError as error:
                asked_s = error.wait_s
            except requests.RequestException as error:
                if is_last or line_problem(error) is None:
                    raise
            wait_s = self._patience.wait_s(failures, asked_s)
            time.sleep(min(wait_s, _LONGEST_LIBRARY_WAIT_S))
        raise AssertionError("unreachable")

    def _exchange(
        self,
        request: requests.PreparedRequest,
        stream: bool,
        is_last: bool,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request once; a `TransientError` where the answer asks for another try."""
        begin_s, limits = time.monotonic(), self._limits
        response = _in_time(
            lambda: super(GuardedAdapter, self).send(request, True, *args, **kwargs),
            limits.silence_s * _SILENCES_BEFORE_ANSWER,
        )
        total_s = None if stream else limits.total_s
        _pace(response, limits, None if total_s is None else begin_s + total_s)
        if not is_last and response.status_code in TRANSIENT_STATUS:
            response.close()
            raise transient_error(response, "it is asked again")
        if response.is_redirect:
            response._content = b""
            response.close()
        elif not stream:
            with response:
                response._content = _content(response, limits.longest_bytes)
        return response

    def _assess(self, request: requests.PreparedRequest) -> None:
        """Compare what is requested with what was assessed, and take away what is not for it."""
        try:
            address = parse_address(request.url or "")
        except AddressError as error:
            raise requests.exceptions.InvalidURL(str(error), request=request) from error
        read = urllib3.util.parse_url(request.url or "")
        if (
            read.scheme,
            (read.host or "").strip("[]"),
            read.port or address.port,
        ) != address.origin:
            raise requests.exceptions.InvalidURL("it can be read in two ways", request=request)
        if not self._may_carry(address):
            for name in _SECRET_HEADERS:
                request.headers.pop(name, None)


def pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body of a streamed answer as it arrives, decoded.

    Raises:
        SlowServerError: it comes too slowly, or not at all any more.
        requests.exceptions.ChunkedEncodingError: the connection broke off.
    """
    yield from response.iter_content(_CHUNK_BYTES)


def _in_time(send: Callable[[], requests.Response], limit_s: float) -> requests.Response:
    """Return the answer, or give up: limits of a socket know silence only, not a trickling head."""
    answer: Future[requests.Response] = Future()

    def run() -> None:
        try:
            answer.set_result(send())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="exchange", daemon=True).start()
    try:
        return answer.result(limit_s)
    except TimeoutError:
        raise SlowServerError("the server does not get to an answer") from None


def _pace(response: requests.Response, limits: Limits, end_s: float | None) -> None:
    """Let a body be read piece by piece and at the least rate, whoever reads it."""

    def iter_content(*_: Any, **__: Any) -> Iterator[bytes]:
        yield from _paced_pieces(response, limits, end_s)
        response._content_consumed = True  # type: ignore[attr-defined]

    response.iter_content = iter_content  # type: ignore[method-assign]


def _paced_pieces(
    response: requests.Response, limits: Limits, end_s: float | None
) -> Iterator[bytes]:
    arrived, waited_s = 0, 0.0  # a slow disk is no fault of the server: only its time counts
    while True:
        start_s = time.monotonic()
        try:
            # Reading on until a piece is full would lose a begun one when the connection breaks.
            piece = response.raw.read1(_CHUNK_BYTES, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout("the server fell silent") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.exceptions.ChunkedEncodingError("the connection broke off") from error
        if not piece:
            return
        now_s = time.monotonic()
        if end_s is not None and now_s > end_s:
            raise SlowServerError(f"the answer takes longer than {limits.total_s:g} s")
        arrived, waited_s = arrived + len(piece), waited_s + now_s - start_s
        if waited_s >= limits.silence_s:
            if arrived < limits.least_bytes_s * limits.silence_s:
                rate = limits.least_bytes_s / 1000
                raise SlowServerError(f"the server sends less than {rate:g} kB per second")
            arrived, waited_s = 0, 0.0
        yield piece


def _content(response: requests.Response, longest_bytes: int) -> bytes:
    """Read a whole body within a limit, which counts what is decoded."""
    content = bytearray()
    for piece in pieces(response):
        content += piece
        if len(content) > longest_bytes:
            raise TooLongError(f"its answer is longer than {longest_bytes / 1e6:g} MB")
    return bytes(content)
