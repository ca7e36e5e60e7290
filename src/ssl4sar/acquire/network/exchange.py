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
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from typing import Any, Final, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
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
#: How often an exchange is looked at: share of a silence, and seconds.
_LOOK_SHARE: Final = 0.1
_LONGEST_LOOK_S: Final = 1.0
WATCH_THREAD: Final = "watch over an exchange"
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
    """Sends the requests of a session, each watched over.

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
        """Send a request once.

        Raises:
            TransientError: not the last time, and the answer is one of `TRANSIENT_STATUS`; its body
                is left unread.
        """
        watch = _Watch(replace(self._limits, total_s=None) if stream else self._limits)
        context = _WATCH.set(watch)
        try:
            response = super().send(request, True, *args, **kwargs)
        except BaseException as error:
            watch.end()
            if watch.problem is not None and isinstance(error, requests.RequestException):
                raise SlowServerError(watch.problem, request=request) from error
            raise
        finally:
            _WATCH.reset(context)
        watch.note_answer()
        _read_guarded(response, watch)
        if not is_last and response.status_code in TRANSIENT_STATUS:
            response.close()
            raise transient_error(response, "it is asked again")
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
        self._begin_s = time.monotonic()
        self._is_answered = False
        #: Of the present window: bytes that came, time that was waited for them, begin of a wait.
        self._arrived, self._waited_s = 0, 0.0
        self._waits_since_s: float | None = None
        self._is_over = threading.Event()
        threading.Thread(target=self._run, name=WATCH_THREAD, daemon=True).start()

    def attach(self, line: socket.socket) -> None:
        """Note the line that is ended; it may be wrapped or closed by others meanwhile."""
        with self._lock:
            self._drop_line()
            if not self._is_over.is_set():
                self._line = socket.socket(fileno=os.dup(line.fileno()))

    def note_answer(self) -> None:
        """Note that an answer has begun: from now on its body counts."""
        with self._lock:
            self._is_answered = True

    def begin_wait(self) -> None:
        """Note that somebody waits for bytes of the body: only such time is the server's."""
        with self._lock:
            self._waits_since_s = time.monotonic()

    def note_bytes(self, number: int) -> None:
        """Note that bytes of the body have come."""
        with self._lock:
            self._arrived += number
            self._waited_s += self._waiting_s()
            self._waits_since_s = None

    def end(self) -> None:
        """Watch no more."""
        with self._lock:
            self._is_over.set()
            self._drop_line()

    def _run(self) -> None:
        while not self._is_over.wait(min(self._limits.silence_s * _LOOK_SHARE, _LONGEST_LOOK_S)):
            with self._lock:
                self.problem = self.problem or self._found_problem()
                if self.problem is not None and self._line is not None:
                    with suppress(OSError):  # the other side may have closed it
                        self._line.shutdown(socket.SHUT_RDWR)

    def _found_problem(self) -> str | None:
        limits, took_s = self._limits, time.monotonic() - self._begin_s
        if limits.total_s is not None and took_s > limits.total_s:
            return f"the answer takes longer than {limits.total_s:g} s"
        if not self._is_answered:
            is_late = took_s > limits.silence_s * _SILENCES_BEFORE_ANSWER
            return "the server does not get to an answer" if is_late else None
        if self._waited_s + self._waiting_s() < limits.silence_s:
            return None
        is_slow = self._arrived < limits.least_bytes_s * limits.silence_s
        self._arrived, self._waited_s = 0, 0.0
        if self._waits_since_s is not None:
            self._waits_since_s = time.monotonic()
        rate = limits.least_bytes_s / 1000
        return f"the server sends less than {rate:g} kB per second" if is_slow else None

    def _waiting_s(self) -> float:
        since_s = self._waits_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


_WATCH: Final[ContextVar[_Watch | None]] = ContextVar("watch", default=None)


class _Ended:
    """Gives the line of a connection to the watch of the present exchange."""

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
