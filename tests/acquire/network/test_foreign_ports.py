"""No spelling of an address brings a secret to a port that may not have it (two loopback ports)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import QuietHandler, serving

from ssl4sar.acquire.network.access import Access, FixedToken
from ssl4sar.acquire.network.download import download
from ssl4sar.acquire.network.exchange import Limits, guarded_session
from ssl4sar.core.errors import UserError

pytestmark = pytest.mark.slow
TOKEN = "the-live-token"
PASSWORD = "the-password-of-netrc"
ADDRESSES = 1000


@contextmanager
def port() -> Iterator[SimpleNamespace]:
    """A server that notes what it is asked, and redirects ``/go`` to ``place``."""
    state = SimpleNamespace(asked=[], place="")

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            state.asked.append(dict(self.headers))
            self.wfile.write(
                b"HTTP/1.0 302 Found\r\n" if self.path == "/go" else b"HTTP/1.0 200 OK\r\n"
            )
            self.wfile.write(b"Set-Cookie: session=secret-cookie; Path=/\r\n")
            if self.path == "/go":
                self.wfile.write(b"Location: " + state.place.encode("latin-1", "replace") + b"\r\n")
            self.wfile.write(b"Content-Length: 2\r\n\r\nok")

        do_HEAD = do_GET  # noqa: N815 - a name of the library

    with serving(Handler) as url:
        state.port = int(url.rpartition(":")[2])
        yield state


@pytest.fixture(scope="module")
def own() -> Iterator[SimpleNamespace]:
    with port() as server:
        yield server


@pytest.fixture(scope="module")
def foreign() -> Iterator[SimpleNamespace]:
    with port() as server:
        yield server


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords for everybody: nobody may get one that is for another port's service."""
    path = tmp_path / "netrc"
    path.write_text(
        f"machine 127.0.0.1 login me password {PASSWORD}\ndefault login me password x\n"
    )
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


SCHEMES = st.sampled_from(
    [
        *("http://", "HTTP://", "hTtP://", "http:/", "http:", "http:\\\\", "http:/\\", "//", ""),
        *("\\\\", "/\\", "https://", "ftp://", "file://", "ht\ttp://", " http://", "http:////"),
    ]
)
LOOPBACK = st.sampled_from(
    [
        *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1"),
        *("127.0.0.1.", "localhost", "LocalHost", "localhost.", "[::ffff:127.0.0.1]", "[::1]"),
        *("[0:0:0:0:0:0:0:1]", "0.0.0.0", "127.0.0.2", "127\u30020\u30020\u30021", "[::1%25lo]"),
        *("\uff11\uff12\uff17.0.0.1", "127.0.0.1%00", "%31%32%37.0.0.1", "loca\xadlhost"),
        *("\u2460\u2461\u2466.0.0.1", "\u24dbocalhost"),
    ]
)
SEPARATORS = st.sampled_from(
    [
        *("@", ":@", ":x@", "u:p@", "\\@", "%40", "%5c@", "/@", "#@", "?@", ";@", "&@", "\\"),
        *("%2f", "\t", "\x0b", "\x00", " ", "..", "%2e", "", "#", "?", "/", "\u3002", "\uff0f"),
    ]
)
USERS = st.sampled_from(["", "", "", ":x@", "@", ":@", "u@", "u:p@"])
TAILS = st.sampled_from(
    ["", "/", "/x", "/go2?a=b", "#f", "\\x", "/%2f..//y", "?x@y", "/@127.0.0.1/"]
)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """Addresses that some reader takes for the own port and another for the foreign one."""
    places = [
        draw(USERS),
        f"{draw(LOOPBACK)}{draw(st.sampled_from([':OWN', ':FOREIGN', ':0FOREIGN', ':']))}",
    ]
    for _ in range(draw(st.integers(0, 2))):
        places += [
            draw(SEPARATORS),
            f"{draw(LOOPBACK)}{draw(st.sampled_from([':OWN', ':FOREIGN']))}",
        ]
    return draw(SCHEMES) + "".join(places) + draw(TAILS)


EXAMPLES = settings(
    max_examples=ADDRESSES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def spelt(text: str, own: SimpleNamespace, foreign: SimpleNamespace) -> str:
    return text.replace("FOREIGN", str(foreign.port)).replace("OWN", str(own.port))


def ask(access: Access, url: str) -> None:
    with suppress(UserError, requests.RequestException):
        with guarded_session(Limits(2.0), access.may_carry) as session:
            with access.open(session, url, timeout_s=2.0) as response:
                response.close()


def listed(own: SimpleNamespace, **options: str) -> Access:
    hosts = (f"127.0.0.1:{own.port}", f"localhost:{own.port}")
    return Access(hosts, FixedToken(TOKEN, "X"), **options)  # type: ignore[arg-type]


def test_a_redirect_in_any_spelling_never_reaches_the_foreign_port(
    own: SimpleNamespace, foreign: SimpleNamespace, netrc: None
) -> None:
    own.asked.clear()
    foreign.asked.clear()
    counted: set[str] = set()

    @EXAMPLES
    @given(spellings())
    def redirected(text: str) -> None:
        own.place = spelt(text, own, foreign)
        counted.add(own.place)
        ask(listed(own), f"http://127.0.0.1:{own.port}/go")

    redirected()
    print(f"{len(counted)} addresses, {len(own.asked)} requests, foreign {len(foreign.asked)}")
    assert len(counted) >= 800
    assert len(own.asked) > len(counted)  # some lead back to the own port, which is fine
    assert foreign.asked == []


def test_a_redirect_followed_by_a_library_gets_no_secret(
    own: SimpleNamespace, foreign: SimpleNamespace, netrc: None
) -> None:
    """The session follows by itself, as those of pystac-client, asf_search and sentinelsat do."""
    foreign.asked.clear()
    origin = ("http", "127.0.0.1", own.port)

    @settings(EXAMPLES, max_examples=200)
    @given(spellings())
    def redirected(text: str) -> None:
        own.place = spelt(text, own, foreign)
        with guarded_session(Limits(2.0), lambda address: address.origin == origin) as session:
            session.auth = ("me", PASSWORD)
            # The library may stumble over what it is redirected to, before it asks for it.
            with suppress(requests.RequestException, ValueError):
                session.get(f"http://127.0.0.1:{own.port}/go")

    redirected()
    own.place = f"http://127.0.0.1:{foreign.port}/plain"
    with guarded_session(Limits(2.0), lambda address: address.origin == origin) as session:
        session.auth = ("me", PASSWORD)
        session.get(f"http://127.0.0.1:{own.port}/go")
    assert foreign.asked
    assert all(not {"Authorization", "Cookie"} & set(asked) for asked in foreign.asked)
    assert any("Authorization" in asked for asked in own.asked)


def test_the_reported_address_is_refused(
    own: SimpleNamespace, foreign: SimpleNamespace, tmp_path: Path
) -> None:
    foreign.asked.clear()
    own.place = f"http://:x@127.0.0.1:{foreign.port}\\@127.0.0.1:{own.port}/product"
    with pytest.raises(UserError, match="a redirect leads to no address that can be used"):
        download(f"http://127.0.0.1:{own.port}/go", tmp_path / "x", access=listed(own))
    assert foreign.asked == []
    assert list(tmp_path.iterdir()) == []
