from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from loopback import QuietHandler, serving
from waiting import wait_until

from ssl4sar.acquire.network.download import DownloadRecord, NotThereError, download, message_kind
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

CONTENT = np.random.default_rng(0).bytes(3_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does; ``requests`` holds the headers it got."""

    content: bytes = CONTENT
    etag: str | None = '"v1"'
    last_modified: str | None = None
    ranges: bool = True
    #: How many bytes of each answer are sent before the connection breaks; later ones are whole.
    break_after: list[int] = field(default_factory=list)
    #: Answers before the content, e.g. 503.
    statuses: list[int] = field(default_factory=list)
    retry_after: str | None = None
    length: int | None = None
    wrong_range: bool = False
    #: Most bytes of a range, whose whole size is then not said.
    longest_range: int | None = None
    pause_s: float = 0.0
    requests: list[dict[str, str]] = field(default_factory=list)


class Handler(QuietHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        way = self.behaviour
        way.requests.append(dict(self.headers))
        if way.statuses:
            self.send_response(way.statuses.pop(0))
            if way.retry_after:
                self.send_header("Retry-After", way.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self._begin(way)
        if way.break_after:
            body = body[: way.break_after.pop(0)]
        for start in range(0, len(body), 100_000):
            self.wfile.write(body[start : start + 100_000])
            if way.pause_s:
                time.sleep(way.pause_s)
        self.close_connection = True

    def _begin(self, way: Behaviour) -> bytes:
        asked = self.headers.get("Range")
        current = self.headers.get("If-Range") in {None, way.etag or way.last_modified}
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        partial = bool(asked) and way.ranges and current
        if partial and start >= len(way.content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return b""
        self.send_response(206 if partial else 200)
        body = way.content[start:] if partial else way.content
        if partial:
            end = len(way.content)
            first = start + 5 if way.wrong_range else start
            if way.longest_range:
                body = body[: way.longest_range]
                self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/*")
            else:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{end}")
        if way.etag:
            self.send_header("ETag", way.etag)
        if way.last_modified:
            self.send_header("Last-Modified", way.last_modified)
        self.send_header("Content-Length", str(way.length or len(body)))
        self.end_headers()
        return body


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    behaviour = Behaviour()
    with serving(Handler, behaviour=behaviour) as url:
        yield SimpleNamespace(url=f"{url}/data.zip", way=behaviour)


def fetch(
    url: str, target: Path, expected_sha256: str | None = None, attempts: int = 3
) -> DownloadRecord:
    expected = Checksum.parse(f"sha256:{expected_sha256}") if expected_sha256 else None
    return download(url, target, expected, patience=Patience(attempts, 0.01, 5))


def leave_part(target: Path, url: str, size: int, validator: str | None = '"v1"') -> None:
    target.with_name(target.name + ".part").write_bytes(CONTENT[:size])
    version = {"url": url, "validator": validator, "total_bytes": len(CONTENT)}
    target.with_name(target.name + ".part.json").write_text(json.dumps(version))


def test_a_file_is_fetched_verified_and_recorded(server: SimpleNamespace, tmp_path: Path) -> None:
    target = tmp_path / "new" / "data.zip"
    record = fetch(server.url, target, SHA256.upper())
    assert target.read_bytes() == CONTENT
    assert record == DownloadRecord(server.url, len(CONTENT), SHA256)
    assert [path.name for path in target.parent.iterdir()] == ["data.zip"]
    assert "ssl4sar" in server.way.requests[0]["User-Agent"]
    record.write(tmp_path / "record.json")
    written = json.loads((tmp_path / "record.json").read_text())
    assert written == {"url": server.url, "bytes": len(CONTENT), "sha256": SHA256}


def test_an_older_file_is_replaced_only_by_a_good_one(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    target = tmp_path / "data.zip"
    target.write_bytes(b"old")
    with pytest.raises(UserError, match="SHA256"):
        fetch(server.url, target, "0" * 64)
    assert target.read_bytes() == b"old"
    fetch(server.url, target)
    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_resumed(server: SimpleNamespace, tmp_path: Path) -> None:
    server.way.break_after = [1_300_000, 700_000, 1]
    # Progress counts against giving up: four answers are one failure in a row.
    fetch(server.url, tmp_path / "data.zip", SHA256, attempts=2)
    starts = [request.get("Range") for request in server.way.requests]
    assert starts[0] is None
    assert len(starts) == 4
    # Little that arrived is asked for again.
    assert int(starts[-1].removeprefix("bytes=").rstrip("-")) >= 2_000_000 - 2 * 65536
    assert server.way.requests[1]["If-Range"] == '"v1"'


def test_a_file_that_changed_meanwhile_is_fetched_again(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    target = tmp_path / "data.zip"
    leave_part(target, server.url, 1_000_000, '"v0"')
    (tmp_path / "data.zip.part").write_bytes(b"\0" * 1_000_000)
    fetch(server.url, target, SHA256)
    assert server.way.requests[0]["If-Range"] == '"v0"'


@pytest.mark.parametrize(
    "memory",
    [
        *(None, "{", "[]", '{"url": 1}'),
        '{"url": "http://elsewhere/data.zip", "validator": "1", "total_bytes": 3500000}',
    ],
)
def test_a_part_of_another_origin_is_not_used(
    server: SimpleNamespace, tmp_path: Path, memory: str | None
) -> None:
    (tmp_path / "data.zip.part").write_bytes(b"\0" * 1000)
    if memory is not None:
        (tmp_path / "data.zip.part.json").write_text(memory)
    fetch(server.url, tmp_path / "data.zip", SHA256)
    assert "Range" not in server.way.requests[0]


def test_without_a_strong_version_nothing_is_resumed(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    server.way.etag = 'W/"v1"'
    server.way.break_after = [1_500_000]
    fetch(server.url, tmp_path / "data.zip", SHA256)
    assert "Range" not in server.way.requests[1]


def test_the_date_of_change_serves_as_version(server: SimpleNamespace, tmp_path: Path) -> None:
    server.way.etag, server.way.last_modified = None, "Wed, 21 Oct 2015 07:28:00 GMT"
    server.way.break_after = [1_500_000]
    fetch(server.url, tmp_path / "data.zip", SHA256)
    assert server.way.requests[1]["If-Range"] == server.way.last_modified


def test_a_wrong_part_from_the_server_is_not_appended(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    server.way.wrong_range = True
    leave_part(tmp_path / "data.zip", server.url, 1_000_000)
    fetch(server.url, tmp_path / "data.zip", SHA256)
    assert "Range" not in server.way.requests[1]


def test_a_range_that_says_no_whole_size_is_not_taken_for_the_end(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    server.way.longest_range = 1_000_000
    leave_part(tmp_path / "data.zip", server.url, 1_000_000)
    fetch(server.url, tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (404, NotThereError, "not there"),
        (410, NotThereError, "not there"),
        (403, UserError, "refuses access"),
        (401, UserError, "refuses access"),
        (400, UserError, "answered 400"),
    ],
)
def test_a_final_refusal_is_reported_at_once(
    server: SimpleNamespace, tmp_path: Path, status: int, kind: type[UserError], told: str
) -> None:
    server.way.statuses = [status] * 9
    with pytest.raises(kind, match=told) as caught:
        fetch(server.url, tmp_path / "data.zip")
    assert server.url in str(caught.value)
    assert len(server.way.requests) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stays_busy_is_given_up_in_the_end(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    server.way.statuses = [429] * 99
    with pytest.raises(UserError, match=r"busy for 0\.0 h .*429"):
        download(
            server.url, tmp_path / "data.zip", patience=Patience(first_wait_s=0.01, busy_s=0.05)
        )
    assert 3 <= len(server.way.requests) <= 5
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_host_is_reported(tmp_path: Path) -> None:
    # Port 9 of the loopback device has no listener.
    with pytest.raises(UserError, match="host cannot be reached") as caught:
        fetch("http://127.0.0.1:9/data.zip", tmp_path / "data.zip", attempts=2)
    assert "http://127.0.0.1:9/data.zip" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_always_breaks_keeps_its_part(
    server: SimpleNamespace, tmp_path: Path
) -> None:
    server.way.break_after = [1_200_000, *[0] * 20]
    with pytest.raises(UserError, match="resumes where it stopped"):
        fetch(server.url, tmp_path / "data.zip")
    assert not (tmp_path / "data.zip").exists()
    assert (tmp_path / "data.zip.part").stat().st_size >= 1_000_000
    server.way.break_after = []
    fetch(server.url, tmp_path / "data.zip", SHA256)


@pytest.mark.parametrize("url", ["ftp://host/x.zip", "/data/x.zip", "http:///x.zip", "x"])
def test_a_bad_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not an http or https address"):
        download(url, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_reported_before_the_transfer(
    server: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(UserError, match=r"data\.zip: 0\.00 GB are to come, 0\.00 GB are free"):
        fetch(server.url, tmp_path / "data.zip")
    assert list(tmp_path.iterdir()) == []


def test_two_downloads_of_one_file_do_not_mix(server: SimpleNamespace, tmp_path: Path) -> None:
    server.way.pause_s = 0.03
    target = tmp_path / "data.zip"
    records: list[DownloadRecord] = []
    thread = threading.Thread(target=lambda: records.append(fetch(server.url, target)))
    thread.start()
    wait_until(lambda: server.way.requests, "the first request", poll_s=0.005)
    with pytest.raises(UserError, match=r"data\.zip: process \d+ on \S+ is downloading"):
        fetch(server.url, target)
    thread.join(60)
    assert records[0].sha256 == SHA256
    assert target.read_bytes() == CONTENT


XML_ERROR = (
    b'<?xml version="1.0"?><!-- odd --><error xmlns="http://schemas.microsoft.com/ado/metadata">'
    b"<code/><message>An exception occurred while creating a stream</message></error>"
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (XML_ERROR, "an XML error message"),
        (b"\xef\xbb\xbf\n <m:error xmlns:m='x'/>", "an XML error message"),
        (b"<ows:ExceptionReport/>", "an XML error message"),
        (b'{"detail":"Max session number 4 exceeded."}', "a JSON error message"),
        (b'{"Error": {"code": 1}}', "a JSON error message"),
        (b"<!DOCTYPE html><html>Sign in", "a web page"),
        (b"<HTML><head>", "a web page"),
        (b"<?xml version='1.0'?><product><error>no</error></product>", None),
        (b"<xfdu:XFDU><metadataSection/></xfdu:XFDU>", None),
        (b'{"type": "FeatureCollection"}', None),
        (b'{"error": ', None),
        (b"[1]", None),
        (b"PK\x03\x04<error/>", None),
        (b"", None),
        (XML_ERROR + b" " * 70_000, None),
        (b"<", None),
    ],
)
def test_messages_are_distinguished_from_files(content: bytes, kind: str | None) -> None:
    assert message_kind(content) == kind
