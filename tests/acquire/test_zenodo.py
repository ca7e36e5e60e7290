"""Fetching the archives of a record: understood, judged, resumed one by one, verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from loopback import QuietHandler, serving

from ssl4sar.acquire.zenodo import (
    archive_names,
    fetch_archives,
    parse_record,
)
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

TRAIN = np.random.default_rng(0).bytes(400_000)
OPTICAL = np.random.default_rng(1).bytes(150_000)
ADDRESS = "https://repository.example/api/records/7"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """A repository with one record; ``asked`` holds what it was asked for."""

    contents: dict[str, bytes] = field(
        default_factory=lambda: {"train.zip": TRAIN, "optical.tar.gz": OPTICAL, "readme.txt": b"x"}
    )
    #: Entries of the list of files that say something else than the contents.
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What the record is instead; None makes it from the contents.
    answer: bytes | None = None
    status: int = 200
    missing: set[str] = field(default_factory=set)
    #: By file: how many bytes of each answer are sent before the connection breaks.
    break_after: dict[str, list[int]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def record(self) -> bytes:
        files = [
            {
                "key": key,
                "size": len(content),
                "checksum": f"md5:{md5(content)}",
                "links": {"self": f"{self.url}/files/{key}/content"},
                **self.changes.get(key, {}),
            }
            for key, content in self.contents.items()
        ]
        metadata = {"title": "Pairs", "version": "2", "license": {"id": "cc-by-4.0"}}
        facts = {"id": 7, "doi": "10.5281/zenodo.7", "conceptdoi": "10.5281/zenodo.6"}
        return json.dumps({**facts, "metadata": metadata, "files": files}).encode()

    def asked_for(self, key: str) -> list[str | None]:
        return [given for path, given in self.asked if path.endswith(f"/files/{key}/content")]


class Handler(QuietHandler):
    repository: Repository

    def do_GET(self) -> None:
        way, asked = self.repository, self.headers.get("Range")
        way.asked.append((self.path, asked))
        parts = self.path.split("/")
        key = unquote(parts[-2]) if parts[-1] == "content" else "record"
        if key == "record":
            content = way.record() if way.answer is None else way.answer
        else:
            content = way.contents[key]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        status = way.status if key == "record" else 404 if key in way.missing else 200
        self.send_response(206 if asked else status)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{md5(content)}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if way.break_after.get(key):
            body = body[: way.break_after[key].pop(0)]
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def repository() -> Iterator[Repository]:
    made = Repository()
    with serving(Handler, repository=made) as url:
        made.url = f"{url}/api/records/7"
        yield made


def fetch(repository: Repository, folder: Path, attempts: int = 3) -> dict[str, Any]:
    return fetch_archives(repository.url, folder, patience=Patience(attempts, 0.01, 5))


def refused(repository: Repository, folder: Path, told: str) -> None:
    """Assert that nothing is fetched and one line says why."""
    with pytest.raises(UserError, match=told) as caught:
        fetch(repository, folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()
    assert [path for path in folder.parent.rglob("*") if path.is_file()] == []


def test_archives_are_fetched_verified_and_frozen(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "resources" / "archives"
    frozen = fetch(repository, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "train.zip": TRAIN,
        "optical.tar.gz": OPTICAL,
    }
    assert [path.name for path in folder.parent.iterdir()] == ["archives"]
    write_json(tmp_path / "archives.json", frozen)
    assert frozen["schema"] == "ssl4sar.fetched-record/1"
    assert frozen["address"] == repository.url
    assert (frozen["doi"], frozen["version"]) == ("10.5281/zenodo.7", "2")
    assert (frozen["id"], frozen["license"]) == ("7", "cc-by-4.0")
    assert frozen["archives"][1] == {
        "key": "train.zip",
        "bytes": len(TRAIN),
        "checksum": f"md5:{md5(TRAIN)}",
        "url": f"{repository.url}/files/train.zip/content",
        "sha256": hashlib.sha256(TRAIN).hexdigest(),
    }
    assert [file["key"] for file in frozen["not_fetched"]] == ["readme.txt"]
    assert archive_names(tmp_path / "archives.json") == ["optical.tar.gz", "train.zip"]
    assert repository.asked_for("readme.txt") == []


def test_each_archive_resumes_by_itself_after_a_failed_try(
    repository: Repository, tmp_path: Path
) -> None:
    folder = tmp_path / "archives"
    repository.break_after = {"train.zip": [200_000, *[0] * 9]}
    with pytest.raises(UserError, match="resumes where it stopped"):
        fetch(repository, folder)
    assert not folder.exists()
    repository.break_after = {}
    repository.asked.clear()
    fetch(repository, folder)
    # The finished one is compared, not fetched; the other one goes on.
    assert repository.asked_for("optical.tar.gz") == []
    (given,) = repository.asked_for("train.zip")
    assert given is not None
    assert int(given.removeprefix("bytes=").rstrip("-")) >= 131_072
    assert (folder / "train.zip").read_bytes() == TRAIN


def test_what_the_record_no_longer_has_or_has_changed_is_not_kept(
    repository: Repository, tmp_path: Path
) -> None:
    staging = tmp_path / "archives.part"
    staging.mkdir()
    (staging / "train.zip").write_bytes(OPTICAL)
    (staging / "older.zip").write_bytes(b"older")
    (staging / "older.zip.part").write_bytes(b"older")
    fetch(repository, tmp_path / "archives")
    assert {path.name for path in (tmp_path / "archives").iterdir()} == {
        "train.zip",
        "optical.tar.gz",
    }
    assert (tmp_path / "archives/train.zip").read_bytes() == TRAIN


def test_a_wrong_checksum_is_reported_and_the_file_not_left(
    repository: Repository, tmp_path: Path
) -> None:
    repository.changes = {"train.zip": {"checksum": "md5:" + "0" * 32}}
    with pytest.raises(UserError, match=rf"has MD5 {md5(TRAIN)}, expected 0{{32}}") as caught:
        fetch(repository, tmp_path / "archives")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "archives").exists()
    # The archive that came before it was right and is kept for the next try.
    assert [path.name for path in (tmp_path / "archives.part").iterdir()] == ["optical.tar.gz"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>sign in to this network</html>", "not a record of an API"),
        (b'{"files": [{"key": "a.zip"', "not a record of an API"),
        (b"[" * 100_000, "not a record of an API"),
        (b"[]", "not a record"),
        (b"{}", "has no files"),
        (b'{"files": {"enabled": false}}', "has no files"),
        (b'{"files": 7}', "not a record of an API"),
        (b'{"files": [7]}', "list of files is damaged"),
        (b'{"files": {"entries": {"a.zip": 7}}}', "not a record of an API"),
        (b'{"files": [{"size": 1}]}', "list of files is damaged .key"),
    ],
)
def test_a_damaged_or_empty_record_is_refused(
    repository: Repository, tmp_path: Path, answer: bytes, told: str
) -> None:
    repository.answer = answer
    refused(repository, tmp_path / "archives", told)


def test_a_record_without_archives_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.contents = {"readme.txt": b"x", "data.7z": b"x"}
    refused(repository, tmp_path / "archives", r"no zip or tar archive, only data\.7z, readme\.txt")


@pytest.mark.parametrize(
    "key",
    ["../a.zip", "a/b.zip", "/a.zip", "..\\a.zip", ".a.zip", "..", "", "a\n.zip", "a" * 300],
)
def test_a_name_that_is_no_plain_file_name_is_refused(
    repository: Repository, tmp_path: Path, key: str
) -> None:
    repository.changes = {"train.zip": {"key": key}}
    refused(repository, tmp_path / "archives", "file name|list of files is damaged")


def test_a_name_used_twice_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.changes = {"readme.txt": {"key": "TRAIN.zip"}}
    refused(repository, tmp_path / "archives", "two files of the record have the same name")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": None}, "damaged .size"),
        ({"size": -1}, "damaged .size"),
        ({"size": "400000"}, "damaged .size"),
        ({"checksum": None}, "damaged .checksum"),
        ({"checksum": "md5:12"}, "md5"),
        ({"links": {"self": "ftp://127.0.0.1/a.zip"}}, "not an http or https address"),
        ({"links": {"self": "http://elsewhere.example/a.zip"}}, "neither https nor the host"),
        ({"links": {"self": "https://user:secret@host.example/"}}, "user name or password"),
        ({"links": {"self": 7}}, "not a web address"),
    ],
)
def test_an_incomplete_or_unsafe_entry_is_refused(
    repository: Repository, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    repository.changes = {"train.zip": change}
    refused(repository, tmp_path / "archives", told)


ENTRY = {"key": "a b.zip", "size": 3, "checksum": "md5:" + "a" * 32}
METADATA_LINK = f"{ADDRESS}/files/a%20b.zip"


@pytest.mark.parametrize(
    "record",
    [
        {"files": [{**ENTRY, "links": {"self": f"{METADATA_LINK}/content"}}]},
        {"files": {"enabled": True, "count": 1, "entries": {"a b.zip": ENTRY}}},
        {
            "files": {
                "entries": [
                    {
                        **ENTRY,
                        "links": {"self": METADATA_LINK, "content": f"{METADATA_LINK}/content"},
                    }
                ]
            }
        },
    ],
    ids=["zenodo", "inveniordm", "list of contents"],
)
def test_all_forms_of_a_record_are_understood(record: dict[str, Any]) -> None:
    (file,) = parse_record(json.dumps(record).encode(), ADDRESS).files
    assert (file.key, file.bytes) == ("a b.zip", 3)
    assert file.checksum == Checksum("md5", "a" * 32)
    assert file.url == f"{METADATA_LINK}/content"


def test_facts_of_the_newer_form() -> None:
    record = {
        "id": "abc",
        "pids": {"doi": {"identifier": "10.5281/zenodo.7"}},
        "metadata": {"title": "Pairs", "rights": [{"id": "cc-by-4.0"}], "version": None},
        "files": [ENTRY],
    }
    facts = parse_record(json.dumps(record).encode(), ADDRESS).facts
    assert (facts["id"], facts["doi"]) == ("abc", "10.5281/zenodo.7")
    assert (facts["license"], facts["version"]) == ("cc-by-4.0", None)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"schema": "other/1", "archives": []}'])
def test_what_is_no_frozen_record_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "archives.json").write_text(text)
    with pytest.raises(UserError, match=r"archives\.json: this is not a record of a download"):
        archive_names(tmp_path / "archives.json")
