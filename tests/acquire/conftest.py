"""A Copernicus Data Space on this machine, with the credentials of its account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cdse_server import CdseServer, serve_cdse

PASSWORD = "pa ss/wörd&secret"


@pytest.fixture
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Private folders for tokens and locks, and no credentials but those of the test."""
    folder = tmp_path_factory.mktemp("private")
    for name in ("cache", "locks"):
        (folder / name).mkdir(mode=0o700)
    monkeypatch.setenv("SSL4SAR_CACHE", str(folder / "cache"))
    monkeypatch.setenv("SSL4SAR_LOCKS", str(folder / "locks"))
    monkeypatch.setenv("NETRC", str(folder / "netrc"))
    monkeypatch.setenv("HOME", str(folder))
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_TOTP"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def cdse(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    """The service, running; the environment holds the credentials."""
    with serve_cdse(password=PASSWORD) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
