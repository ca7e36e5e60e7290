from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.workflow import fingerprint
from ssl4sar.workflow.fingerprint import folder_fingerprint


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "zones").mkdir(parents=True)
    (root / "zones" / "a.png").write_bytes(b"a")
    (root / "b.txt").write_bytes(b"b")
    return root


def test_content_counts_time_and_place_do_not(tree: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    before = folder_fingerprint(tree, memory)
    os.utime(tree / "b.txt", (1, 1))
    assert folder_fingerprint(tree, memory) == before
    moved = tree.rename(tmp_path / "moved")
    assert folder_fingerprint(moved, memory) == before
    (moved / "b.txt").write_bytes(b"c")
    changed = folder_fingerprint(moved, memory)
    assert changed != before
    (moved / "b.txt").write_bytes(b"b")
    assert folder_fingerprint(moved, memory) == before
    (moved / "b.txt").rename(moved / "d.txt")
    assert folder_fingerprint(moved, memory) not in {before, changed}


def test_second_look_reads_no_file(tree: Path, tmp_path: Path, monkeypatch) -> None:
    memory = tmp_path / "memory.json"
    first = folder_fingerprint(tree, memory)

    def fail(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(fingerprint, "sha256_file", fail)
    assert folder_fingerprint(tree, memory) == first


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_memory_is_only_slower(tree: Path, tmp_path: Path, damage: str) -> None:
    memory = tmp_path / "memory.json"
    first = folder_fingerprint(tree, memory)
    memory.write_text(damage)
    assert folder_fingerprint(tree, memory) == first


def test_missing_and_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"caffe\.root.*does not exist"):
        folder_fingerprint(tmp_path / "no", tmp_path / "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        folder_fingerprint(tmp_path / "empty", tmp_path / "m")
