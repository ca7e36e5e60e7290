"""Servers that trickle, that never end, and that send more than they should, on loopback."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from loopback import QuietHandler, serving

from ssl4sar.acquire.network import exchange
from ssl4sar.acquire.network.credentials import Account
from ssl4sar.acquire.network.download import WrongContentError, download
from ssl4sar.acquire.network.exchange import (
    Limits,
    SlowServerError,
    TooLongError,
    guarded_session,
    pieces,
)
from ssl4sar.acquire.network.token import TokenSource
from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

pytestmark = pytest.mark.slow
CONTENT = bytes(range(256)) * 8
#: A hundred megabytes of zeros, packed twice: some hundred bytes.
BOMB = gzip.compress(gzip.compress(bytes(100_000_000), 9), 9)


def trickle(send, seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send(b"x")
        time.sleep(0.05)


class Handler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # Whoever is told to stop closes the connection.
        with suppress(OSError):
            getattr(self, self.path.strip("/").split("/")[0].replace(".", "_"))()
        self.close_connection = True

    do_POST = do_HEAD = do_GET  # noqa: N815 - names of the library

    def send(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()

    def answer(self, body: bytes = b"", **headers: object) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.send(body)

    def fine(self) -> None:
        self.answer(CONTENT, Content_Length=len(CONTENT))

    def head(self) -> None:
        self.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
        trickle(self.send)

    def busy(self) -> None:
        self.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 10000\r\n\r\n")
        self.flood()

    def onward(self) -> None:
        self.send(b"HTTP/1.1 302 Found\r\nLocation: /fine\r\n\r\n")
        self.flood()

    def flood(self) -> None:
        for _ in range(400):
            self.send(bytes(1_000_000))

    def large(self) -> None:
        self.answer(bytes(30_000_000), Content_Length=30_000_000)

    def body(self) -> None:
        self.answer(Connection="close")
        trickle(self.send)

    def slow(self) -> None:
        self.answer(b"", Connection="close")
        for _ in range(60):
            self.send(b"y" * 200)
            time.sleep(0.05)

    def endless(self) -> None:
        self.answer(Connection="close")
        for _ in range(300):
            self.send(bytes(1_000_000))

    def bomb(self) -> None:
        self.answer(BOMB, Content_Length=len(BOMB), Content_Encoding="gzip, gzip")

    def packed(self) -> None:
        body = gzip.compress(CONTENT)
        self.answer(body, Content_Length=len(body), Content_Encoding="gzip", ETag='"1"')

    def strange(self) -> None:
        self.answer(CONTENT, Content_Length=len(CONTENT), Content_Encoding="br-secret")

    def deep(self) -> None:
        body = b"[" * 100_000 + b"]" * 100_000
        self.answer(body, Content_Length=len(body))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Handler) as url:
        yield url


LIMITS = Limits(silence_s=0.4, total_s=1.5, longest_bytes=1_000_000)


@pytest.mark.parametrize(
    ("path", "error", "match"),
    [
        ("head", SlowServerError, "does not get to an answer"),
        ("body", SlowServerError, "less than 1 kB per second"),
        ("slow", SlowServerError, r"takes longer than 1\.5 s"),
        ("endless", TooLongError, "longer than 1 MB"),
        ("bomb", TooLongError, "longer than 1 MB"),
    ],
)
def test_an_exchange_has_an_end(url: str, path: str, error: type[Exception], match: str) -> None:
    start = time.monotonic()
    with guarded_session(LIMITS) as session:
        with pytest.raises(error, match=match):
            session.get(f"{url}/{path}")
        assert time.monotonic() - start < 5  # the server would go on for eight and more
        # The session is as good as before.
        assert session.get(f"{url}/fine").content == CONTENT


def test_a_slow_disk_is_no_fault_of_the_server(url: str) -> None:
    with (
        guarded_session(Limits(silence_s=0.3)) as session,
        session.get(f"{url}/large", stream=True) as response,
    ):
        size = 0
        for number, piece in enumerate(pieces(response)):
            size += len(piece)
            if number in {2, 20}:
                time.sleep(0.8)
    assert size == 30_000_000


def test_a_library_waits_no_longer_than_it_should_and_reads_no_refused_body(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        exchange, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic)
    )
    limits = Limits(silence_s=5.0, longest_bytes=1_000_000)
    with guarded_session(limits, patience=Patience(3)) as session, pytest.raises(TooLongError):
        session.get(f"{url}/busy")
    assert waits == [60.0, 60.0]


@pytest.mark.parametrize("stream", [False, True])
def test_the_body_of_a_redirect_is_not_read(url: str, stream: bool) -> None:
    with (
        guarded_session(LIMITS) as session,
        session.get(f"{url}/onward", stream=stream, allow_redirects=False) as response,
    ):
        assert response.content == b""
        assert response.next is not None
    with guarded_session(LIMITS) as session:
        assert session.get(f"{url}/onward").content == CONTENT


def test_a_file_that_trickles_is_given_up_though_each_try_brings_bytes(
    url: str, tmp_path: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=r"failed 3 times in a row \(the server sends less than"):
        download(f"{url}/body", tmp_path / "x", patience=Patience(3, 0.01, 0.4))
    assert time.monotonic() - start < 10


def test_a_token_service_that_trickles_does_not_hold_its_lock(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X_USER", "me")
    monkeypatch.setenv("X_PASSWORD", "secret")
    account = Account("X", "X_USER", "X_PASSWORD", "127.0.0.1", "https://example.org")
    source = TokenSource(
        f"{url}/body", account, "client", folder=tmp_path, patience=Patience(2, 0.01, 0.4)
    )
    start = time.monotonic()
    with pytest.raises(UserError, match="less than 1 kB per second"):
        source.token()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("body", "less than 1 kB per second"),
        ("head", "does not get to an answer"),
        ("endless", "longer than 64 MB"),
        ("bomb", "longer than 64 MB"),
        ("deep", "nested more than 64 levels deep"),
    ],
)
def test_a_catalogue_is_given_up_in_one_line(url: str, path: str, match: str) -> None:
    access = CatalogueAccess(f"{url}/{path}", Patience(2, 0.01, 0.5))
    with pytest.raises(UserError, match=match) as caught:
        access.json(access.url)
    assert len(str(caught.value)) < 400


def test_a_body_without_length_is_not_written_beyond_the_listed_size(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongContentError, match="sends more than 1000 bytes, 1000 are listed"):
        download(f"{url}/endless", tmp_path / "x", size_bytes=1000)
    with pytest.raises(WrongContentError, match="more than 2000000 bytes"):
        download(f"{url}/endless", tmp_path / "x", longest_bytes=2_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_body_without_any_size_is_not_written_beyond_the_free_disk(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 205_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="the file has no end yet"):
        download(f"{url}/endless", tmp_path / "x")
    assert (tmp_path / "x.part").stat().st_size <= 5_000_000


def test_a_file_that_comes_encoded_is_decoded(url: str, tmp_path: Path) -> None:
    download(f"{url}/packed", tmp_path / "x", size_bytes=len(CONTENT))
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_an_encoding_that_is_not_known_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="encoded as br-secret, unasked"):
        download(f"{url}/strange", tmp_path / "x")


def test_cookies_are_not_kept(url: str) -> None:
    with guarded_session(LIMITS) as session:
        session.cookies.set("a", "b", domain="127.0.0.1")
        response = session.get(f"{url}/fine")
    assert "Cookie" not in response.request.headers


@pytest.mark.parametrize("address", ["http://a:b@127.0.0.1/", "http://127.1/", "ftp://x/"])
def test_an_address_that_can_be_read_in_two_ways_is_not_asked(address: str) -> None:
    with guarded_session(LIMITS) as session, pytest.raises(requests.RequestException):
        session.get(address)


def test_a_gigabyte_of_answer_costs_little_memory(url: str) -> None:
    program = (
        "import resource, sys\n"
        "from ssl4sar.acquire.network.exchange import Limits, TooLongError, guarded_session\n"
        "session = guarded_session(Limits(20.0))\n"
        "session.get(sys.argv[1] + '/fine')\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "for path in ('bomb', 'endless'):\n"
        "    try: session.get(f'{sys.argv[1]}/{path}')\n"
        "    except TooLongError: print('too long')\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, url], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["too long"] * 2
    assert float(done.stdout.split()[-1]) < 150
