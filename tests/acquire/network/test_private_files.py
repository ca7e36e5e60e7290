from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssl4sar.acquire.network.private_files import (
    private_folder,
    read_private,
    write_private,
)
from ssl4sar.core.errors import UserError


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        folder = private_folder(tmp_path / "a" / "b", "X_FOLDER")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert private_folder(folder, "X_FOLDER") == folder


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o777])
def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UserError, match=r"chmod 700 .* X_FOLDER"):
        private_folder(tmp_path, "X_FOLDER")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link", "file/below"):
        with pytest.raises(UserError, match="X_FOLDER"):
            private_folder(tmp_path / name, "X_FOLDER")


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UserError, match="belongs to another user"):
        private_folder(tmp_path, "X_FOLDER")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_private(path, "wörd")
    write_private(path, "wörd 2")
    assert read_private(path) == "wörd 2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620])
def test_a_file_open_to_others_counts_as_absent(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    write_private(path, "text")
    path.chmod(mode)
    assert read_private(path) is None


def test_links_pipes_and_folders_count_as_absent(tmp_path: Path) -> None:
    write_private(tmp_path / "x", "text")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", ".", "missing"):
        assert read_private(tmp_path / name) is None


def test_a_link_is_replaced_by_writing(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("old")
    (tmp_path / "x").symlink_to(tmp_path / "outside")
    write_private(tmp_path / "x", "new")
    assert (tmp_path / "outside").read_text() == "old"
    assert not (tmp_path / "x").is_symlink()


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_private(tmp_path / "missing" / "x", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_private(tmp_path / "folder", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]
