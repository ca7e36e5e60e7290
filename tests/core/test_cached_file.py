"""A file that was fetched is reused while it is the one that was fetched, or is expected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ssl4sar.core.cached_file import CachedFile, cached_file, origin_path, remove_cached
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum


class Server:
    """Answers with a content and counts how often it was asked."""

    def __init__(self, content: bytes = b"right") -> None:
        self.content, self.asked = content, 0

    def get(
        self, path: Path, source: str = "http://here/file", md5_of: bytes | None = None
    ) -> CachedFile[int]:
        digits = None if md5_of is None else hashlib.md5(md5_of, usedforsecurity=False).hexdigest()
        expected = () if digits is None else (Checksum("md5", digits),)
        return cached_file(path, source, self._fetch, self._check, expected)

    def _fetch(self, path: Path) -> None:
        self.asked += 1
        path.write_bytes(self.content)

    @staticmethod
    def _check(path: Path) -> int:
        if path.read_bytes().startswith(b"wrong"):
            raise UserError(path, "it is wrong", "give another address")
        return path.stat().st_size


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "file"

    first, second = server.get(path), server.get(path)

    assert (first.is_reused, second.is_reused, server.asked) == (False, True, 1)
    assert first.sha256 == second.sha256 == hashlib.sha256(b"right").hexdigest()
    assert (second.bytes, second.facts) == (5, 5)


@pytest.mark.parametrize("what", ["changed", "elsewhere", "no origin", "removed", "checksum"])
def test_another_file_is_fetched_again(tmp_path: Path, what: str) -> None:
    server, path = Server(), tmp_path / "file"
    server.get(path)
    if what == "changed":
        path.write_bytes(b"other")
    if what == "no origin":
        origin_path(path).unlink()
    if what == "removed":
        remove_cached(path)

    again = server.get(
        path,
        source="http://there/file" if what == "elsewhere" else "http://here/file",
        md5_of=b"another version" if what == "checksum" else None,
    )

    assert (again.is_reused, server.asked, path.read_bytes()) == (False, 2, b"right")


def test_a_file_with_the_expected_checksum_is_reused_wherever_it_came_from(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "file"
    path.write_bytes(b"right")

    assert server.get(path, md5_of=b"right").is_reused
    assert server.asked == 0


def test_a_file_that_fails_its_check_never_gets_its_name(tmp_path: Path) -> None:
    server, path = Server(b"wrong"), tmp_path / "file"

    with pytest.raises(UserError, match="http://here/file: it is wrong; give another address"):
        server.get(path)

    assert list(tmp_path.iterdir()) == []


def test_a_reused_file_is_checked_too(tmp_path: Path) -> None:
    server, path = Server(), tmp_path / "file"
    path.write_bytes(b"wrong")

    assert not server.get(path, md5_of=b"wrong").is_reused
    assert path.read_bytes() == b"right"
