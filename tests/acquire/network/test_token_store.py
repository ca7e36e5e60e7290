from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.network import token_store
from ssl4sar.acquire.network.credentials import Credentials
from ssl4sar.acquire.network.token_store import (
    Fingerprint,
    Grant,
    Refusal,
    RefusedLogins,
    Shared,
    Timestamp,
    TokenStore,
    cache_folder,
)

ME = Credentials("me", "hunter2", "somewhere", "123456")


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore("https://x me", tmp_path / "cache")


def grant(at: Timestamp, refresh_life_s: float | None = 3600.0) -> Grant:
    return Grant("access", 600.0, "refresh", refresh_life_s, at)


def ago(seconds: float) -> Timestamp:
    now = Timestamp.now()
    return Timestamp(now.machine, now.uptime_s - seconds, now.unix_s - seconds)


def test_what_is_shared_is_read_by_others(store: TokenStore, tmp_path: Path) -> None:
    logins = RefusedLogins(2, Timestamp.now())
    shared = Shared(grant(Timestamp.now()), Refusal.of(ME), Fingerprint.of(ME), logins)
    with store.locked():
        store.write(shared)
    other = TokenStore("https://x me", tmp_path / "cache")
    assert other.read() == shared
    assert TokenStore("https://x you", tmp_path / "cache").read() == Shared()
    assert "me" not in other.path.name


@given(st.floats(0, 1e6))
def test_age_is_time_since(seconds: float) -> None:
    assert ago(seconds).age_s() == pytest.approx(seconds, abs=5.0)


def test_a_moment_to_come_is_not_believed() -> None:
    assert ago(-100.0).age_s() == math.inf
    now = Timestamp.now()
    assert Timestamp("another", 0.0, now.unix_s + 100).age_s() == math.inf


def test_without_a_boot_the_wall_clock_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_store, "_BOOT", tmp_path / "missing")
    assert Timestamp("", 1e9, time.time() - 10).age_s() == pytest.approx(10.0, abs=5.0)


@pytest.mark.parametrize(
    ("age_s", "is_fresh", "can_refresh"),
    [(0, True, True), (500, True, True), (541, False, True), (3541, False, False)],
)
def test_tokens_count_as_old_before_their_end(
    age_s: float, is_fresh: bool, can_refresh: bool
) -> None:
    found = grant(ago(age_s))
    assert (found.is_fresh(), found.can_refresh()) == (is_fresh, can_refresh)


def test_a_refresh_token_may_have_no_end() -> None:
    assert grant(ago(1e6), None).can_refresh()
    assert not Grant("access", 600.0, None, None, ago(0)).can_refresh()


@pytest.mark.parametrize(("ahead_s", "holds"), [(30.0, True), (-30.0, True), (2000.0, False)])
def test_a_refusal_told_by_a_machine_with_another_clock_holds(ahead_s: float, holds: bool) -> None:
    own = Refusal.of(ME).fingerprint
    told = Refusal(own, Timestamp("another", 1.0, time.time() + ahead_s))
    assert told.holds_for(ME) is holds


def test_a_refusal_holds_for_the_same_credentials_only() -> None:
    refusal = Refusal.of(ME)
    assert refusal.holds_for(ME)
    for other in (
        Credentials("you", "hunter2", "s", "123456"),
        Credentials("me", "hunter3", "s", "123456"),
        Credentials("me", "hunter2", "s", "654321"),
        Credentials("me", "hunter2", "s"),
    ):
        assert not refusal.holds_for(other)
    assert refusal.fingerprint != Refusal.of(ME).fingerprint  # salted


def test_what_has_worked_is_known_again_except_one_time_codes() -> None:
    plain = Credentials("me", "hunter2", "here")
    shared = Shared(proven=Fingerprint.of(plain))
    assert shared.has_proven(Credentials("me", "hunter2", "elsewhere"))
    assert not shared.has_proven(Credentials("me", "hunter3", "here"))
    assert not Shared().has_proven(plain)
    assert not Shared(proven=Fingerprint.of(ME)).has_proven(ME)


@pytest.mark.parametrize("ahead_s", [-40.0, 40.0])
def test_the_distance_of_a_moment_of_another_machine_goes_by_the_wall_clock(ahead_s: float) -> None:
    told = Timestamp("another", 1.0, time.time() + ahead_s)
    assert told.distance_s() == pytest.approx(40.0, abs=5.0)


def test_no_secret_shows_in_texts() -> None:
    shared = Shared(grant(Timestamp.now()), Refusal.of(ME), Fingerprint.of(ME))
    assert "hunter2" not in repr(shared)
    assert "'access'" not in repr(shared)
    assert "'refresh'" not in repr(shared)


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("SSL4SAR_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path("/home/me/.cache/ssl4sar")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/ssl4sar")
    monkeypatch.setenv("SSL4SAR_CACHE", "~/own")
    assert cache_folder() == Path("/home/me/own")
