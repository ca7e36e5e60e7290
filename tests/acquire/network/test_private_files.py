from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ssl4sar.acquire.network import private_files
from ssl4sar.acquire.network.private_files import (
    exclusive,
    private_folder,
    read_private,
    release,
    try_hold,
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


def test_a_file_of_another_user_counts_as_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "x", "text")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert read_private(tmp_path / "x") is None


def test_bytes_that_are_no_text_count_as_absent(tmp_path: Path) -> None:
    write_private(tmp_path / "x", "")
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    assert read_private(tmp_path / "x") is None


def test_a_link_is_replaced_by_writing(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("old")
    (tmp_path / "x").symlink_to(tmp_path / "outside")
    write_private(tmp_path / "x", "new")
    assert (tmp_path / "outside").read_text() == "old"
    assert not (tmp_path / "x").is_symlink()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_private(tmp_path / "missing" / "x", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_private(tmp_path / "folder", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_lock_holds_between_threads(tmp_path: Path) -> None:
    inside = 0

    def work() -> None:
        nonlocal inside
        for _ in range(20):
            with exclusive(tmp_path / "lock", poll_s=0.001):
                inside += 1
                assert inside == 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == 0


def test_a_lock_is_freed_though_a_forked_child_has_it_open(tmp_path: Path) -> None:
    first = try_hold(tmp_path / "lock")
    assert first is not None
    copy = os.dup(first)  # what a forked child has
    assert try_hold(tmp_path / "lock") is None
    release(first)
    second = try_hold(tmp_path / "lock")
    assert second is not None
    release(second)
    os.close(copy)


def test_a_lock_whose_file_is_removed_before_it_is_held_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock, tries = tmp_path / "lock", private_files._try_lock, []

    def remove_first(descriptor: int) -> bool:
        tries.append(descriptor)
        if len(tries) == 1:
            path.unlink()
        return lock(descriptor)

    monkeypatch.setattr(private_files, "_try_lock", remove_first)
    held = try_hold(path)
    assert held is not None
    assert os.path.samestat(os.fstat(held), path.stat())
    assert try_hold(path) is None
    release(held)
    assert len(tries) == 3


def test_holding_renews_the_times_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(mode=0o600)
    os.utime(path, (0.0, 0.0))
    held = try_hold(path)
    assert held is not None
    release(held)
    assert min(path.stat().st_mtime, path.stat().st_atime) > 1e9


def test_a_link_in_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="cannot be opened"):
        try_hold(tmp_path / "lock")
    assert not (tmp_path / "outside").exists()


def test_a_long_wait_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(private_files, "_SILENT_WAIT_S", -1.0)
    held = try_hold(tmp_path / "lock")
    assert held is not None
    timer = threading.Timer(0.05, release, [held])
    timer.start()
    with exclusive(tmp_path / "lock", poll_s=0.001):
        pass
    assert capsys.readouterr().err.count("waiting for another job") == 1
