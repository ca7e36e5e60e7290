from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from cdse_server import CdseServer, Fault
from waiting import wait_until

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


def test_a_renewal_in_flight_is_waited_for(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    first = source(cdse).token()
    sources = [source(cdse) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda each: each.renew(first), sources))
    assert len(found) == 1
    assert first not in found
    assert cdse.grants == {"password": 1, "refresh": 1}


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


@pytest.mark.parametrize("jump_s", [-1e6, -100.0, 100.0, 1e6])
def test_a_clock_that_jumps_costs_at_most_one_login(
    cdse: CdseServer, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    cdse.token_life_s = LONG
    first = source(cdse).token()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    found = {source(cdse).token() for _ in range(3)}
    assert len(found) == 1
    assert (found == {first}) is (abs(jump_s) < LONG)
    assert cdse.grants["password"] <= 2


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


@pytest.mark.slow
def test_jobs_share_the_tries_of_credentials_that_have_worked(
    cdse: CdseServer, worked: str, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, ages_s = 8, [0.0]
    sleeping, awake = threading.Semaphore(0), threading.Semaphore(0)

    def sleep(_: float) -> None:
        sleeping.release()
        assert awake.acquire(timeout=20)

    monkeypatch.setattr(
        "ssl4sar.acquire.network.token.time", SimpleNamespace(sleep=sleep, time=time.time)
    )
    monkeypatch.setattr(token_store, "age_s", lambda _: ages_s[-1])
    cdse.login_faults = [WRONG] * 2
    jobs = [source(cdse) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        # That the session has ended is known by its age, which stands still here.
        monkeypatch.setattr(token_store.Grant, "can_refresh", lambda _: False)
        found = [pool.submit(job.renew, worked) for job in jobs]
        for left, wait_s in ((1, LOGIN_WAITS_S[0]), (0, LOGIN_WAITS_S[1])):
            for _ in jobs:
                assert sleeping.acquire(timeout=10)
            assert len(cdse.login_faults) == left  # one more wrong login, by whichever job
            ages_s.append(wait_s)
            awake.release(count)
        assert len({each.result() for each in found}) == 1
    assert sum(job.grants["password"] for job in jobs) == 3
    assert os.environ["CDSE_PASSWORD"] not in token_file(own_folders).read_text()


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


def test_a_job_that_comes_later_does_not_begin_anew(
    cdse: CdseServer, worked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def interrupted(wait_s: float) -> None:
        slept.append(wait_s)
        raise KeyboardInterrupt

    patched = SimpleNamespace(sleep=interrupted, time=time.time)
    monkeypatch.setattr("ssl4sar.acquire.network.token.time", patched)
    cdse.login_faults = [WRONG] * 9
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            source(cdse).renew(worked)
    assert len(cdse.login_faults) == 8
    assert all(0 < wait_s <= LOGIN_WAITS_S[0] for wait_s in slept)
    # After its wait one more try, then the next, longer wait.
    monkeypatch.setattr(token_store, "age_s", lambda _: LOGIN_WAITS_S[0])
    with pytest.raises(KeyboardInterrupt):
        source(cdse).renew(worked)
    assert len(cdse.login_faults) == 7
    assert slept[-1] == pytest.approx(LOGIN_WAITS_S[1] - LOGIN_WAITS_S[0])


def test_the_session_is_kept_while_the_login_is_in_doubt(cdse: CdseServer) -> None:
    cdse.token_life_s = LONG
    first = source(cdse).token()
    cdse.login_faults = [WRONG] * 2  # of the renewal, then of the login
    assert source(cdse, waits=(0.01,)).renew(first) != first
    assert cdse.grants == {"password": 1, "refresh": 1}
    # The renewed session has not forgotten that they worked.
    cdse.refreshes.clear()
    cdse.login_faults = [WRONG]
    second = source(cdse, waits=(0.01,)).renew(first)
    assert source(cdse, waits=(0.01,)).renew(second)


def test_other_credentials_are_no_more_trusted_while_the_login_is_in_doubt(
    cdse: CdseServer, worked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    patched = SimpleNamespace(sleep=interrupted, time=time.time)
    monkeypatch.setattr("ssl4sar.acquire.network.token.time", patched)
    cdse.password = "changed on the web site"
    with pytest.raises(KeyboardInterrupt):
        source(cdse).renew(worked)
    monkeypatch.setenv("CDSE_PASSWORD", "mistyped")
    with pytest.raises(UserError, match="were refused"):
        source(cdse).renew(worked)
    assert cdse.grants["refused"] == 2
    monkeypatch.setenv("CDSE_PASSWORD", cdse.password)
    assert source(cdse).renew(worked)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403, body=b'{"error": "access_denied"}'),
        Fault(status=400, body=b'{"error": "unauthorized_client"}'),
        Fault(status=200, body=b"<html>sign in</html>"),
    ],
    ids=["denied", "client", "page"],
)
def test_a_refusal_for_another_reason_is_final_at_once(
    cdse: CdseServer, worked: str, fault: Fault
) -> None:
    cdse.login_faults = [fault] * 9
    for _ in range(2):
        with pytest.raises(UserError):
            source(cdse, waits=(0.01,)).renew(worked)
    assert len(cdse.login_faults) == 8


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


def test_a_lasting_failure_is_given_up_without_its_text(cdse: CdseServer) -> None:
    cdse.login_faults = [Fault(status=503, body=b"hunter2")] * 9
    with pytest.raises(UserError, match=r"failed 3 times in a row \(it answered 503\)") as caught:
        source(cdse).token()
    assert "hunter2" not in str(caught.value)
    assert len(cdse.login_faults) == 6


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>sign in hunter2</html>"),
        (200, b"{hunter2"),
        (200, b"[]"),
        (200, b'{"access_token": 3}'),
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
        (400, b'{"error": "unauthorized_client"}', "does not accept the client"),
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


def test_an_unreachable_service_is_told(cdse: CdseServer) -> None:
    with pytest.raises(UserError, match="cannot be reached") as caught:
        source(cdse, url="http://127.0.0.1:9/token").token()
    assert os.environ["CDSE_PASSWORD"] not in str(caught.value)


@pytest.mark.slow
def test_a_killed_renewal_does_not_block_others(cdse: CdseServer) -> None:
    cdse.login_faults = [Fault(silence_s=30.0, status=503)]
    program = (
        "import sys; from ssl4sar.acquire.network.credentials import Account\n"
        "from ssl4sar.acquire.network.token import TokenSource\n"
        "a = Account('s', 'CDSE_USERNAME', 'CDSE_PASSWORD', '127.0.0.1', 'https://x')\n"
        "TokenSource(sys.argv[1], a, 'cdse-public').token()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, cdse.token_url])
    wait_until(lambda: not cdse.login_faults, "the login of another process", poll_s=0.01)
    done = threading.Event()

    def ask() -> None:
        source(cdse).token()
        done.set()

    thread = threading.Thread(target=ask)
    thread.start()
    assert not done.wait(0.2)
    child.kill()
    child.wait()
    thread.join(10)
    assert done.is_set()
