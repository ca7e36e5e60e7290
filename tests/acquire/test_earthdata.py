"""Tokens of Earthdata Login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asf_server import PASSWORD, TOKEN, USER, Facility, asf_server

from ssl4sar.acquire.earthdata import EarthdataLogin
from ssl4sar.core.errors import UserError

# Its tests start a server.
pytestmark = pytest.mark.slow


@pytest.fixture
def facility(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Facility]:
    monkeypatch.setenv("SSL4SAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EARTHDATA_USERNAME", USER)
    monkeypatch.setenv("EARTHDATA_PASSWORD", PASSWORD)
    with asf_server() as server:
        yield server


def test_one_login_gives_the_token_again_and_again(facility: Facility) -> None:
    login = EarthdataLogin(facility.url)
    assert [login.token() for _ in range(3)] == [TOKEN] * 3
    assert facility.logins == 1


def test_wrong_password_is_one_line_and_one_try(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PASSWORD", "wrong-one")
    with pytest.raises(UserError, match="EARTHDATA_USERNAME in the environment refused") as caught:
        EarthdataLogin(facility.url).token()
    assert "wrong-one" not in str(caught.value)
    assert facility.logins == 1


def test_wrong_password_is_not_tried_by_the_next_jobs(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_PASSWORD", "wrong-one")
    for _ in range(4):
        with pytest.raises(UserError, match="refused; correct them; they are not tried again"):
            EarthdataLogin(facility.url).token()
    assert facility.logins == 1
    monkeypatch.setenv("EARTHDATA_PASSWORD", PASSWORD)
    assert EarthdataLogin(facility.url).token() == TOKEN


@pytest.mark.parametrize("token", [None, "", 5, "two words", "line\nbreak", ["a"]])
def test_answer_without_a_token_is_one_line(facility: Facility, token: Any) -> None:
    facility.token = token
    with pytest.raises(UserError, match="without a token"):
        EarthdataLogin(facility.url).token()


def test_password_is_never_sent_unprotected() -> None:
    with pytest.raises(UserError, match="by https only"):
        EarthdataLogin("http://urs.example.org")
