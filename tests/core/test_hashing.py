from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ssl4sar.core.hashing import Checksum, file_digests, sha256_file


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3_000_001)])
def test_equals_the_hash_of_the_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()
    both = file_digests(path, {"md5", "sha512"})
    assert both == {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha512")}


def test_a_checksum_is_read_as_published() -> None:
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    assert Checksum.parse(f"MD5:{empty.upper()}") == Checksum("md5", empty)
    assert str(Checksum("md5", empty)) == f"md5:{empty}"


@pytest.mark.parametrize(
    "text", ["", "md5", "md5:", "md5:12", "crc32:" + "0" * 32, "md5:" + "g" * 32]
)
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a checksum"):
        Checksum.parse(text)
