"""Files that nobody touched are not read again; any touch is seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssl4sar.acquire.stamps import record_untouched
from ssl4sar.core.listing import record_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "a").write_bytes(b"first")
    (tmp_path / "root" / "deep" / "b").write_bytes(b"second")
    return tmp_path / "root"


def test_records_are_those_of_reading_everything(folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert record_untouched(folder, tmp_path / "stamps") == record_files(folder)


def test_a_change_that_keeps_size_and_time_is_seen(folder: Path, tmp_path: Path) -> None:
    record_untouched(folder, tmp_path / "stamps")
    times = (folder / "a").stat()
    (folder / "a").write_bytes(b"FIRST")
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert record_untouched(folder, tmp_path / "stamps") == record_files(folder)


def test_a_file_put_in_place_of_another_is_seen(folder: Path, tmp_path: Path) -> None:
    record_untouched(folder, tmp_path / "stamps")
    (tmp_path / "other").write_bytes(b"OTHER")
    (tmp_path / "other").replace(folder / "a")
    (folder / "deep" / "b").unlink()
    assert record_untouched(folder, tmp_path / "stamps") == record_files(folder)


def test_files_are_found_again_after_their_folder_was_renamed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = record_untouched(folder, tmp_path / "stamps")
    monkeypatch.setattr("ssl4sar.core.listing.sha256_file", lambda path: f"read {path}")
    assert record_untouched(folder.rename(tmp_path / "moved"), tmp_path / "stamps") == expected


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"a": 1}', b'{"a": {"stamp": 1}}', b"\xff"], ids=repr
)
def test_damaged_stamps_are_read_as_none(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stamps").write_bytes(content)
    assert record_untouched(folder, tmp_path / "stamps") == record_files(folder)
