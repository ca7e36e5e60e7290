from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ssl4sar.core.hashing import sha256_file


@pytest.mark.parametrize("content", [b"", b"abc", bytes(3_000_001)])
def test_equals_the_hash_of_the_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()
