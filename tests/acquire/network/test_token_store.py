from __future__ import annotations

import time
from pathlib import Path

import pytest

from ssl4sar.acquire.network.credentials import Credentials
from ssl4sar.acquire.network.token_store import (
    Grant,
    Login,
    Shared,
    TokenStore,
    cache_folder,
)

ME = Credentials("me", "hunter2", "somewhere", "123456")


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore("https://x me", tmp_path / "cache")


def grant(at: float, refresh_life_s: float | None = 3600.0) -> Grant:
    return Grant("access", 600.0, "refresh", refresh_life_s, at)


def test_what_is_shared_is_read_by_others(store: TokenStore, tmp_path: Path) -> None:
    shared = Shared(grant(time.time()), Login.refused(ME, "problem", "fix"))
    with store.locked():
        store.write(shared)
    other = TokenStore("https://x me", tmp_path / "cache")
    assert other.read() == shared
    assert TokenStore("https://x you", tmp_path / "cache").read() == Shared()
    assert "me" not in other.path.name


def test_a_login_is_that_of_the_same_credentials_only() -> None:
    login = Login.refused(ME)
    assert Shared(login=login).login_with(ME) == login
    assert Shared().login_with(ME) is None
    for other in (
        Credentials("you", "hunter2", "s", "123456"),
        Credentials("me", "hunter3", "s", "123456"),
        Credentials("me", "hunter2", "s", "654321"),
        Credentials("me", "hunter2", "s"),
    ):
        assert Shared(login=login).login_with(other) is None
    assert login.digest != Login.refused(ME).digest  # salted


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("SSL4SAR_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/home/me/.cache/ssl4sar")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/ssl4sar")
    monkeypatch.setenv("SSL4SAR_CACHE", "~/own")
    assert cache_folder() == Path("/home/me/own")
