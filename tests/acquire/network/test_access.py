from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from loopback import QuietHandler, serving

from ssl4sar.acquire.network.access import MAX_REDIRECTS, Access, FixedToken
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.core.errors import UserError

# Its tests start a server.
pytestmark = pytest.mark.slow

TOKEN = "the-token"


@pytest.fixture
def web() -> Iterator[SimpleNamespace]:
    """A server with two names; ``answers`` maps paths to status and Location."""
    state = SimpleNamespace(answers={}, asked=[])

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            state.asked.append((host, self.path, self.headers.get("Authorization")))
            status, location = state.answers.get(self.path, (200, None))
            if callable(status):
                status = status(self.headers.get("Authorization"))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    with serving(Handler) as state.url:
        state.port = int(state.url.rpartition(":")[2])
        state.other = f"http://localhost:{state.port}"
        yield state


class Tokens:
    """Gives numbered tokens."""

    def __init__(self) -> None:
        self.number = 1
        self.refused: list[str] = []

    def token(self) -> str:
        return f"token-{self.number}"

    def renew(self, refused: str) -> str:
        self.refused.append(refused)
        self.number += 1
        return self.token()


def get(access: Access, url: str, **headers: str) -> tuple[int, bytes]:
    with requests.Session() as session, access.open(session, url, headers) as response:
        return response.status_code, response.content


def own(*hosts: str, **options: Any) -> Access:
    return Access(hosts or ("127.0.0.1",), FixedToken(TOKEN, "X_TOKEN"), **options)


def test_the_token_follows_redirects_among_the_hosts(web: SimpleNamespace) -> None:
    web.answers["/a"] = (301, f"{web.other}/b")
    web.answers["/b"] = (307, "/c")
    assert get(own("127.0.0.1", "localhost"), f"{web.url}/a") == (200, b"ok")
    bearer = f"Bearer {TOKEN}"
    assert web.asked == [
        ("127.0.0.1", "/a", bearer),
        ("localhost", "/b", bearer),
        ("localhost", "/c", bearer),
    ]


def test_a_foreign_host_is_not_even_asked(web: SimpleNamespace) -> None:
    web.answers["/a"] = (302, f"{web.other}/b")
    with pytest.raises(UserError, match="leads to localhost, which is not among") as caught:
        get(own("127.0.0.1"), f"{web.url}/a")
    assert TOKEN not in str(caught.value)
    assert [host for host, _, _ in web.asked] == ["127.0.0.1"]


def test_a_foreign_host_may_be_followed_without_the_token(web: SimpleNamespace) -> None:
    web.answers["/a"] = (302, f"{web.other}/b?signature=1")
    assert get(own("127.0.0.1", elsewhere="anonymous"), f"{web.url}/a")[0] == 200
    assert web.asked[-1] == ("localhost", "/b?signature=1", None)


def test_a_port_can_be_listed(web: SimpleNamespace) -> None:
    assert get(own(f"127.0.0.1:{web.port}"), f"{web.url}/a")[0] == 200
    with pytest.raises(UserError, match="not among the hosts"):
        get(own(f"127.0.0.1:{web.port + 1}"), f"{web.url}/a")


def test_a_circle_of_redirects_ends(web: SimpleNamespace) -> None:
    web.answers["/a"] = (302, "/a")
    with pytest.raises(UserError, match="redirects"):
        get(own(), f"{web.url}/a")
    assert len(web.asked) == MAX_REDIRECTS + 1


class FakeSession:
    """Answers without a line, to be asked by https."""

    def __init__(self, answers: dict[str, tuple[int, str | None]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []

    def request(
        self, method: str, url: str, *, headers: dict[str, str], **options: Any
    ) -> requests.Response:
        assert method == "GET"
        assert options["allow_redirects"] is False
        self.asked.append((url, headers.get("Authorization")))
        response = requests.Response()
        response.status_code, location = self.answers.get(url, (200, None))
        if location:
            response.headers["Location"] = location
        response.raw = None
        response._content = b"ok"
        response._content_consumed = True  # type: ignore[attr-defined]
        return response


def ask(access: Access, url: str, answers: dict[str, tuple[int, str | None]]) -> FakeSession:
    session = FakeSession(answers)
    with access.open(session, url):  # type: ignore[arg-type]
        pass
    return session


@pytest.mark.parametrize("access", [Access(), own("example.org"), Access(["example.org"])])
def test_https_is_never_left(access: Access) -> None:
    with pytest.raises(UserError, match="from https to http"):
        ask(access, "https://example.org/a", {"https://example.org/a": (302, "http://example.org")})


def test_a_token_is_never_sent_in_the_clear() -> None:
    with pytest.raises(UserError, match="https only"):
        ask(own("example.org"), "http://example.org/a", {})
    # From http to https is an improvement.
    done = ask(Access(), "http://example.org/a", {"http://example.org/a": (301, "https://x.org/")})
    assert [url for url, _ in done.asked] == ["http://example.org/a", "https://x.org/"]


def test_a_refused_token_is_renewed_once(web: SimpleNamespace) -> None:
    def only_second(got: str) -> int:
        return 200 if got == "Bearer token-2" else 401

    web.answers["/a"] = (only_second, None)
    tokens = Tokens()
    assert get(Access(["127.0.0.1"], tokens), f"{web.url}/a")[0] == 200
    assert tokens.refused == ["token-1"]


def test_a_fixed_token_that_is_refused_is_reported(web: SimpleNamespace) -> None:
    web.answers["/a"] = (401, None)
    with pytest.raises(UserError, match="X_TOKEN: the token was refused") as caught:
        get(own(), f"{web.url}/a")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "ü"])
def test_what_is_no_token_is_refused_without_its_text(token: str) -> None:
    with pytest.raises(UserError, match="X_TOKEN: this is not a token"):
        FixedToken(token, "X_TOKEN")


def test_without_a_token_only_the_login_of_the_very_host_is_sent(
    web: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    for text, sent in (
        ("machine 127.0.0.1 login me password hunter2\n", "Basic bWU6aHVudGVyMg=="),
        ("default login me password hunter2\n", None),
    ):
        path.write_text(text)
        path.chmod(0o600)
        web.asked.clear()
        get(Access(), f"{web.url}/a")
        assert web.asked[0][2] == sent


def test_the_login_of_a_host_that_a_redirect_leads_to_is_not_sent(
    web: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine localhost login me password hunter2\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    web.answers["/a"] = (302, web.url.replace("127.0.0.1", "localhost") + "/b")
    get(Access(), f"{web.url}/a")
    assert [asked[2] for asked in web.asked] == [None, None]


def test_a_slot_is_held_while_the_answer_is_open(web: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    access = Access(slots=Slots("me", 1, folder=folder, poll_s=0.01))
    second = threading.Event()

    def ask_second() -> None:
        get(access, f"{web.url}/b")
        second.set()

    with requests.Session() as session, access.open(session, f"{web.url}/a"):
        thread = threading.Thread(target=ask_second)
        thread.start()
        assert not second.wait(0.15)
    thread.join(10)
    assert second.is_set()


@pytest.mark.parametrize("url", ["", "x", "ftp://x/y", "http:///x", "http://x:port/", "http://["])
def test_a_bad_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="this address cannot be used"):
        get(Access(), url)
