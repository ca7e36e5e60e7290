"""Fetching weights from a hub: pinned to a commit, verified, resumable."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from loopback import QuietHandler, serving

from ssl4sar.acquire.weights import WeightsRecord, fetch_weights
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def safetensors(payload: bytes = bytes(range(256)) * 4000) -> bytes:
    """Return a file with one tensor, made by hand from the description of the format."""
    entry = {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": entry}).encode()
    return struct.pack("<Q", len(header)) + header + payload


@dataclass
class Hub:
    """A hub at one address that sends content from another one, as the real one does."""

    content: bytes = field(default_factory=safetensors)
    commit: str | None = COMMIT
    announce_hash: bool = True
    #: Answers before the first proper one.
    statuses: list[int] = field(default_factory=list)
    break_after: list[int] = field(default_factory=list)
    renamed: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""
    store_url: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class HubHandler(QuietHandler):
    hub: Hub

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": headers.get("length", "0")}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.hub
        hub.asked.append((self.command, self.path, self.headers.get("Range")))
        if hub.statuses:
            self._answer(hub.statuses.pop(0))
        elif hub.renamed and self.path.startswith("/old/"):
            self._answer(307, Location=self.path.replace("/old/", "/timm/"))
        else:
            named = {"X_Repo_Commit": hub.commit} if hub.commit else {}
            hashed = {"X_Linked_Etag": f'"{hub.sha256}"'} if hub.announce_hash else {}
            self._answer(302, Location=f"{hub.store_url}/blob", **named, **hashed)


class StoreHandler(HubHandler):
    def do_GET(self) -> None:
        hub = self.hub
        hub.asked.append((self.command, self.path, self.headers.get("Range")))
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body, total = hub.content[start:], len(hub.content)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("ETag", f'"{hub.sha256[:16]}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: hub.break_after.pop(0)] if hub.break_after else body)
        self.close_connection = True


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    with (
        serving(HubHandler, hub=made) as url,
        serving(StoreHandler, "localhost", hub=made) as store,
    ):
        made.url, made.store_url = f"{url}/timm/net/resolve/main/w.safetensors", store
        yield made


def fetch(hub: Hub, target: Path, sha256: str | None = None) -> WeightsRecord:
    return fetch_weights(hub.url, target, sha256, patience=Patience(3, 0.01, 5))


def test_weights_are_pinned_verified_and_recorded(hub: Hub, tmp_path: Path) -> None:
    target = tmp_path / "new" / "w.safetensors"
    record = fetch(hub, target)
    pinned = hub.url.replace("/main/", f"/{COMMIT}/")
    assert target.read_bytes() == hub.content
    assert record == WeightsRecord(pinned, COMMIT, len(hub.content), hub.sha256, "hub")
    # The content itself is asked for at the commit, not at the branch, which may move meanwhile.
    assert [path for command, path, _ in hub.asked if command == "GET"] == [
        f"/timm/net/resolve/{COMMIT}/w.safetensors",
        "/blob",
    ]
    assert [path.name for path in target.parent.iterdir()] == ["w.safetensors"]
    record.write(tmp_path / "record.json")
    assert json.loads((tmp_path / "record.json").read_text())["revision"] == COMMIT


def test_a_broken_transfer_is_resumed_through_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = [500_000, 200_000]
    assert fetch(hub, tmp_path / "w.safetensors").sha256 == hub.sha256
    starts = [given for command, path, given in hub.asked if path == "/blob"]
    assert starts[0] is None
    assert all(given is not None for given in starts[1:])
    assert len(starts) == 3


def test_the_hash_that_the_hub_announces_counts(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "sha256", property(lambda self: "a" * 64))
    with pytest.raises(UserError, match=f"expected {'a' * 64}"):
        fetch(hub, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert fetch(hub, tmp_path / "w.safetensors", hub.sha256).verified_by == "config"


def test_a_server_that_announces_nothing_is_used_as_it_is(hub: Hub, tmp_path: Path) -> None:
    hub.commit, hub.announce_hash = None, False
    record = fetch(hub, tmp_path / "w.safetensors")
    assert (record.url, record.revision, record.verified_by) == (hub.url, None, "nothing")
    assert record.sha256 == hashlib.sha256(hub.content).hexdigest()


def test_a_renamed_repository_is_followed(hub: Hub, tmp_path: Path) -> None:
    hub.renamed = True
    hub.url = hub.url.replace("/timm/", "/old/")
    record = fetch(hub, tmp_path / "w.safetensors")
    assert record.revision == COMMIT
    assert f"/timm/net/resolve/{COMMIT}/" in record.url


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_missing_file_is_reported(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.statuses = [status] * 9
    with pytest.raises(UserError, match=rf"HTTP {status}.*model\.weights_file") as caught:
        fetch(hub, tmp_path / "w.safetensors")
    assert hub.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"<html>sign in to this network</html>" * 9,
        b"\x80\x02}q\x00." * 50,
        b"",
        safetensors()[:-1],
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
    ],
    ids=["web page", "pickle", "empty", "cut", "no tensor", "no table"],
)
def test_what_is_no_safetensors_file_is_refused(hub: Hub, tmp_path: Path, content: bytes) -> None:
    hub.content = content
    with pytest.raises(UserError, match="not a safetensors file"):
        fetch(hub, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []
