"""Exchanges with servers, guarded: what every request of this package goes through.

A guarded session asks the very address that was assessed, gives login and cookies to nobody who may
not have them, ends an exchange that is silent, too slow or too long, and reads no more of an answer
than it should. Libraries with sessions of their own get the same by :func:`guard`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Self, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

from ssl4sar.core.address import Address, AddressError, parse_address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import LONGEST_BYTES
from ssl4sar.core.retry import BusyError, TransientError

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
S = TypeVar("S", bound=requests.Session)


class SlowServerError(requests.exceptions.Timeout):
    """A server sends, but less than the least rate, or longer than an exchange may take."""


class TooLongError(requests.exceptions.RequestException):
    """An answer is longer than it may be."""


def transient_error(response: requests.Response, problem: str) -> TransientError:
    """Return the error for an answer of `TRANSIENT_STATUS`, with the wait that it asks for."""
    kind = BusyError if response.status_code == _BUSY_STATUS else TransientError
    return kind(problem, asked_wait_s(response))


def asked_wait_s(response: requests.Response) -> float | None:
    """Return the wait that an answer asks for by ``Retry-After`` (RFC 9110, 10.2.3); None if none.

    A date is compared with the server's own clock as it stands in the answer: clocks differ.
    """
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked[:9]), _LONGEST_ASKED_WAIT_S)
    until = _date(asked)
    if until is None:
        return None
    now = _date(response.headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_ASKED_WAIT_S)


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def line_problem(error: requests.RequestException) -> str | None:
    """Return in plain words what is wrong with the line; None for failures of another kind.

    The text of the error itself is not repeated: it may hold an address with a signature.
    """
    kinds = requests.exceptions
    if isinstance(error, SlowServerError):
        return str(error)
    if isinstance(error, kinds.SSLError):
        return "no safe connection: the certificate of the host or a proxy is not trusted"
    if isinstance(error, kinds.ProxyError):
        return "the proxy does not let the connection through"
    if isinstance(error, kinds.ConnectTimeout):
        return "the host does not answer"
    if isinstance(error, kinds.Timeout):
        return "the server fell silent"
    if isinstance(error, kinds.ChunkedEncodingError | kinds.ContentDecodingError):
        return "the connection broke off"
    if isinstance(error, kinds.ConnectionError):
        # requests reports an unknown host, a refused connection and a broken one by one class.
        return "the host cannot be reached or the connection broke off"
    return None


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


class BoundedRetry(Retry):
    """Retries within the library that neither wait nor read for as long as a server likes."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the wait that a server asks for, within a limit."""
        asked_s = super().get_retry_after(response)
        return None if asked_s is None else min(asked_s, _LONGEST_LIBRARY_WAIT_S)

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, *args: Any, **kwargs: Any
    ) -> Self:
        """Count a failure; the body of an answer that is not used is left unread."""
        following = super().increment(method, url, response, *args, **kwargs)
        if response is not None:
            response.close()
        return following


def nobody(_: Address) -> bool:
    """Let no host have a login or cookie."""
    return False


def guarded_session(
    limits: Limits,
    may_carry: Callable[[Address], bool] = nobody,
    retry: BoundedRetry | None = None,
) -> requests.Session:
    """Return a session whose exchanges are guarded; it has no login and keeps no cookies.

    Args:
        limits: of each exchange.
        may_carry: which addresses may get the header ``Authorization``.
        retry: of failures, by the library; None tries once.
    """
    session = guard(requests.Session(), GuardedAdapter(limits, may_carry, retry))
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
    """Sends the requests of a session, each watched over.

    Args:
        limits: of each exchange.
        may_carry: which addresses may get the header ``Authorization``.
        retry: of failures, by the library; None tries once.
    """

    def __init__(
        self,
        limits: Limits,
        may_carry: Callable[[Address], bool] = nobody,
        retry: BoundedRetry | None = None,
    ) -> None:
        self._limits = limits
        self._may_carry = may_carry
        super().__init__(max_retries=0 if retry is None else retry)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections, which can be ended."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy, which can be ended."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those have pools of their own kind
            manager.pool_classes_by_scheme = _POOLS
        return manager

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
        watch = _Watch(replace(self._limits, total_s=None) if stream else self._limits)
        context = _WATCH.set(watch)
        try:
            response = super().send(request, True, *args, **kwargs)
        except requests.RequestException as error:
            watch.end()
            if watch.problem is not None:
                raise SlowServerError(watch.problem, request=request) from error
            raise
        except BaseException:
            watch.end()
            raise
        finally:
            _WATCH.reset(context)
        watch.note_answer()
        _read_guarded(response, watch)
        if response.is_redirect:
            response._content = b""
            response.close()
        elif not stream:
            with response:
                _ = _content(response, self._limits.longest_bytes)
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


def _read_guarded(response: requests.Response, watch: _Watch) -> None:
    """Let a body be read piece by piece under watch, whoever reads it."""
    close = response.close

    def iter_content(*_: Any, **__: Any) -> Iterator[bytes]:
        yield from _watched_pieces(response, watch)
        response._content_consumed = True  # type: ignore[attr-defined]

    def close_watched() -> None:
        watch.end()
        close()

    response.iter_content = iter_content  # type: ignore[method-assign]
    response.close = close_watched  # type: ignore[method-assign]


def _watched_pieces(response: requests.Response, watch: _Watch) -> Iterator[bytes]:
    # Reading on until a piece is full would lose a begun one when the connection breaks.
    while True:
        watch.begin_wait()
        try:
            piece = response.raw.read1(_CHUNK_BYTES, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout("the server fell silent") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if watch.problem is not None:
                raise SlowServerError(watch.problem) from error
            raise requests.exceptions.ChunkedEncodingError("the connection broke off") from error
        if watch.problem is not None:  # an answer without a length seems to be at its end
            raise SlowServerError(watch.problem)
        if not piece:
            watch.end()  # the line may serve another exchange now
            if _is_cut(response.raw):
                raise requests.exceptions.ContentDecodingError("the compressed answer was cut")
            return
        watch.note_bytes(len(piece))
        yield piece


def _is_cut(raw: Any) -> bool:
    """Return whether a compressed body ended before its own end, which the library lets pass."""
    decoder = getattr(raw, "_decoder", None)
    streams = [getattr(each, "_obj", None) for each in getattr(decoder, "_decoders", [decoder])]
    return raw.tell() > 0 and any(getattr(each, "eof", True) is False for each in streams)


def _content(response: requests.Response, longest_bytes: int) -> bytes:
    """Read a whole body within a limit, which counts what is decoded."""
    content = bytearray()
    for piece in pieces(response):
        content += piece
        if len(content) > longest_bytes:
            raise TooLongError(f"its answer is longer than {longest_bytes / 1e6:g} MB")
    response._content = bytes(content)
    return response._content


class _Watch:
    """Ends an exchange that takes too long, by closing its line under whoever waits for it.

    Limits of a socket know silence only: a server that sends a byte now and then never breaks them,
    neither in the body of an answer nor before it.

    Args:
        limits: of the exchange.

    Attributes:
        problem: why it was ended; None if it was not.
    """

    def __init__(self, limits: Limits) -> None:
        self.problem: str | None = None
        self._limits = limits
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._arrived, self._waited_s = 0, 0.0
        self._waits_since_s: float | None = None
        self._timer: threading.Timer | None = None
        self._is_over = False
        self._begin_try()

    def attach(self, line: socket.socket) -> None:
        """Note the line that is ended; it may be wrapped or closed by others meanwhile.

        Each try of the library to get an answer has its own time.
        """
        with self._lock:
            self._drop_line()
            if self._is_over:
                return
            self._line = socket.socket(fileno=os.dup(line.fileno()))
            self.problem = None
        self._begin_try()

    def note_answer(self) -> None:
        """Note that an answer has begun: from now on its body counts."""
        with self._lock:
            self._stop_timer()

    def begin_wait(self) -> None:
        """Note that somebody waits for bytes of the body: only such time is the server's."""
        with self._lock:
            self._waits_since_s = time.monotonic()
            is_timed = self._timer is not None
        if not is_timed:
            self._begin(self._limits.silence_s - self._waited_s, self._window_over)

    def note_bytes(self, number: int) -> None:
        """Note that bytes of the body have come."""
        with self._lock:
            self._arrived += number
            self._waited_s += self._waiting_s()
            self._waits_since_s = None

    def end(self) -> None:
        """Watch no more."""
        with self._lock:
            self._is_over = True
            self._stop_timer()
            self._drop_line()

    def _begin_try(self) -> None:
        self._end_s = time.monotonic() + (self._limits.total_s or float("inf"))
        self._begin(self._limits.silence_s * _SILENCES_BEFORE_ANSWER, self._too_late)

    def _begin(self, wait_s: float, then: Callable[[], None]) -> None:
        left_s = self._end_s - time.monotonic()
        with self._lock:
            if self._is_over:
                return
            self._stop_timer()
            wait, then = (left_s, self._too_long) if left_s < wait_s else (wait_s, then)
            self._timer = threading.Timer(max(wait, 0.0), then)
            self._timer.daemon = True
            self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waiting_s(self) -> float:
        since_s = self._waits_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _window_over(self) -> None:
        limits = self._limits
        with self._lock:
            if self._waits_since_s is None:  # a slow disk, say; the next wait goes on counting
                self._timer = None
                return
            left_s = limits.silence_s - self._waited_s - self._waiting_s()
            is_slow = left_s <= 0 and self._arrived < limits.least_bytes_s * limits.silence_s
            if left_s <= 0:
                self._arrived, self._waited_s = 0, 0.0
                self._waits_since_s, left_s = time.monotonic(), limits.silence_s
        if is_slow:
            self._stop(f"the server sends less than {limits.least_bytes_s / 1000:g} kB per second")
        else:
            self._begin(left_s, self._window_over)

    def _too_late(self) -> None:
        self._stop("the server does not get to an answer")

    def _too_long(self) -> None:
        self._stop(f"the answer takes longer than {self._limits.total_s:g} s")

    def _stop(self, problem: str) -> None:
        with self._lock:
            if self._is_over:
                return
            self.problem = problem
            if self._line is not None:
                with suppress(OSError):  # the other side may have closed it
                    self._line.shutdown(socket.SHUT_RDWR)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


_WATCH: Final[ContextVar[_Watch | None]] = ContextVar("watch", default=None)


class _Ended:
    """Tells the watch of the present exchange the line of a connection."""

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        line: socket.socket = super()._new_conn()  # type: ignore[misc]
        _attach(line)
        return line

    def request(self, *args: Any, **kwargs: Any) -> None:
        _attach(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


class _EndedConnection(_Ended, HTTPConnection):
    pass


class _EndedSafeConnection(_Ended, HTTPSConnection):
    pass


def _attach(line: socket.socket | None) -> None:
    watch = _WATCH.get()
    if watch is not None and line is not None:
        watch.attach(line)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _EndedConnection


class _SafePool(HTTPSConnectionPool):
    ConnectionCls = _EndedSafeConnection


_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _SafePool}
