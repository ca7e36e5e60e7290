from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cdse_server import CdseServer, Fault

from ssl4sar.acquire.network import token_store
from ssl4sar.acquire.network.credentials import Account
from ssl4sar.acquire.network.token import LOGIN_WAITS_S, TokenSource
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

LONG = 600.0


#: As the service answers a wrong password.
WRONG = Fault(status=401, body=b'{"error": "invalid_grant"}')


def source(
    cdse: CdseServer, *, waits: Sequence[float] = LOGIN_WAITS_S, **changes: str
) -> TokenSource:
    account = Account(
        "The service", "CDSE_USERNAME", "CDSE_PASSWORD", "127.0.0.1", "https://x", "CDSE_TOTP"
    )
    client = changes.pop("client_id", "cdse-public")
    url = changes.pop("url", cdse.token_url)
    return TokenSource(url, account, client, patience=Patience(3, 0.01, 5.0), login_waits_s=waits)


def token_file(own_folders: Path) -> Path:
    (found,) = (own_folders / "cache").glob("*.json")
    return found


def test_one_login_serves_until_the_token_ends(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    tokens = source(cdse)
    assert len({tokens.token() for _ in range(5)}) == 1
    assert cdse.grants == {"password": 1}
    assert tokens.grants == {"password": 1}


@pytest.mark.parametrize(
    ("life_s", "age_s", "is_renewed"),
    [(600.0, 539.0, False), (600.0, 541.0, True), (0.5, 0.24, False), (0.5, 0.26, True)],
)
def test_a_token_is_renewed_before_its_end(
    cdse: CdseServer,
    monkeypatch: pytest.MonkeyPatch,
    life_s: float,
    age_s: float,
    is_renewed: bool,
) -> None:
    cdse.token_life_s = life_s
    tokens = source(cdse)
    first = tokens.token()
    monkeypatch.setattr(token_store, "age_s", lambda _: age_s)
    assert (tokens.token() != first) is is_renewed
    assert cdse.grants == {"password": 1} | ({"refresh": 1} if is_renewed else {})


@pytest.mark.slow
def test_processes_share_the_token(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    program = (
        "import sys; from ssl4sar.acquire.network.credentials import Account\n"
        "from ssl4sar.acquire.network.token import TokenSource\n"
        "a = Account('s', 'CDSE_USERNAME', 'CDSE_PASSWORD', '127.0.0.1', 'https://x')\n"
        "print(TokenSource(sys.argv[1], a, 'cdse-public').token())\n"
    )
    command = [sys.executable, "-c", program, cdse.token_url]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    found = {child.communicate()[0] for child in children}
    assert found == {(source(cdse).token() + "\n").encode()}
    assert cdse.grants == {"password": 1}


def test_a_refused_token_is_renewed_though_it_looks_valid(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    tokens = source(cdse)
    first = tokens.token()
    cdse.forget_tokens()
    second = tokens.renew(first)
    assert second != first
    assert tokens.renew(first) == second  # another thread's complaint about the old one
    assert cdse.grants == {"password": 1, "refresh": 1}


def test_a_refresh_that_fails_falls_back_to_one_login(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    tokens = source(cdse)
    first = tokens.token()
    cdse.refreshes.clear()
    assert tokens.renew(first) != first
    assert cdse.grants == {"password": 2}
    assert tokens.grants == {"password": 2, "refresh": 1}


def test_other_credentials_are_tried_at_once(
    cdse: CdseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ["CDSE_PASSWORD"]
    monkeypatch.setenv("CDSE_PASSWORD", "wrong")
    tokens = source(cdse)
    with pytest.raises(UserError):
        tokens.token()
    monkeypatch.setenv("CDSE_PASSWORD", right)
    assert tokens.token()
    assert source(cdse).token()


def test_a_refusal_is_forgotten_after_a_while(
    cdse: CdseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_PASSWORD", "wrong")
    for _ in range(2):
        with pytest.raises(UserError):
            source(cdse).token()
        monkeypatch.setattr(token_store, "REFUSAL_LASTS_S", -1.0)
    assert cdse.grants == {"refused": 2}


@pytest.fixture
def worked(cdse: CdseServer) -> str:
    """Log in once, and let the session end; returns the token."""
    cdse.token_life_s, cdse.refresh_life_s = LONG, 0.02
    first = source(cdse).token()
    time.sleep(0.02)
    return first


def test_credentials_that_have_worked_are_tried_again(
    cdse: CdseServer, worked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cdse.login_faults = [WRONG, Fault(status=401)]
    assert source(cdse, waits=(0.01, 0.02, 0.03)).renew(worked) != worked
    assert cdse.grants == {"password": 2}
    assert capsys.readouterr().err.count("refused though it has worked before; next try") == 2


def test_credentials_that_do_not_work_any_more_are_refused_in_the_end(
    cdse: CdseServer, worked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, cdse.password = cdse.password, "changed on the web site"
    waits = (0.01, 0.02, 0.03)
    for _ in range(2):
        with pytest.raises(UserError, match="were refused") as caught:
            source(cdse, waits=waits).renew(worked)
        assert right not in str(caught.value)
    assert cdse.grants["refused"] == 4
    # From now on they count as credentials that never worked.
    monkeypatch.setattr(token_store, "REFUSAL_LASTS_S", -1.0)
    with pytest.raises(UserError, match="were refused"):
        source(cdse, waits=waits).renew(worked)
    assert cdse.grants["refused"] == 5


def test_a_one_time_code_that_has_worked_is_not_tried_again(
    cdse: CdseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cdse.totp, cdse.token_life_s = "123456", LONG
    monkeypatch.setenv("CDSE_TOTP", "123456")
    first = source(cdse).token()
    cdse.refreshes.clear()
    cdse.totp = "654321"
    with pytest.raises(UserError, match="CDSE_TOTP"):
        source(cdse, waits=(0.01,)).renew(first)
    assert cdse.grants["refused"] == 1


def test_the_shared_file_is_private(cdse: CdseServer, own_folders: Path) -> None:
    before = os.umask(0o000)
    try:
        source(cdse).token()
    finally:
        os.umask(before)
    path = token_file(own_folders)
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    assert os.environ["CDSE_PASSWORD"] not in path.read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"grant": {}}', '{"grant": 3}', "\0"])
def test_a_damaged_file_costs_one_login(cdse: CdseServer, own_folders: Path, content: str) -> None:
    source(cdse).token()
    token_file(own_folders).write_text(content)
    assert source(cdse).token()
    assert cdse.grants["password"] == 2


def test_a_failing_service_is_asked_again(cdse: CdseServer) -> None:
    cdse.login_faults = [Fault(status=503), Fault(status=429, headers={"Retry-After": "0"})]
    assert source(cdse).token()
    assert cdse.grants == {"password": 1}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"[]"),
        (200, b'{"access_token": "hun\\nter2", "expires_in": 600}'),
        (302, b""),
        (404, b"hunter2"),
    ],
)
def test_an_answer_without_token_is_not_asked_for_again(
    cdse: CdseServer, status: int, body: bytes
) -> None:
    cdse.login_faults = [Fault(status=status, body=body, headers={"Location": cdse.foreign_url})]
    with pytest.raises(UserError, match=f"status {status}.*holds no token") as caught:
        source(cdse).token()
    assert "hunter2" not in str(caught.value)
    assert cdse.foreign == []
    assert cdse.grants == {}


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (403, b'{"error": "access_denied"}', r"refuses the login \(status 403, access_denied\)"),
        (400, b'{"error": "hunter2"}', r"refuses the login \(status 400\)"),
        (401, b'{"error": "account_locked"}', r"refuses the login \(status 401\)"),
        (401, b"", "user name or password"),
        (400, b'{"error": "unauthorized_client"}', "unauthorized_client"),
        (200, b"<html>hunter2</html>", "holds no token"),
        (200, b'{"access_token": 3}', "holds no token"),
    ],
)
def test_a_login_that_ends_badly_is_tried_once_by_all_jobs(
    cdse: CdseServer, status: int, body: bytes, line: str
) -> None:
    cdse.login_faults = [Fault(status=status, body=body)] * 9
    tokens = source(cdse)
    for attempt in (tokens, tokens, source(cdse), source(cdse)):
        with pytest.raises(UserError, match=line) as caught:
            attempt.token()
        assert "hunter2" not in str(caught.value)
    assert len(cdse.login_faults) == 8


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_that_is_none_of_the_service_is_not_remembered(
    cdse: CdseServer, status: int
) -> None:
    cdse.login_faults = [Fault(status=status, body=b"<html>a proxy</html>")]
    with pytest.raises(UserError, match="holds no token"):
        source(cdse).token()
    assert source(cdse).token()


def test_a_password_is_never_sent_in_the_clear(cdse: CdseServer) -> None:
    with pytest.raises(UserError, match="https only"):
        source(cdse, url="http://login.example.org/token").token()
