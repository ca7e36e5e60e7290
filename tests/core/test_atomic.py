from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ssl4sar.core import atomic
from ssl4sar.core.atomic import (
    atomic_directory,
    atomic_file,
    atomic_files_into,
    json_text,
    write_json,
    write_text,
)
from ssl4sar.core.errors import UserError


def test_file_appears_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("x")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert target.read_text() == "x"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_directory_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for content in ("one", "two"):
        with atomic_directory(target) as temporary:
            (temporary / content).write_text(content)
    assert [p.name for p in target.iterdir()] == ["two"]
    with pytest.raises(ValueError, match="stop"), atomic_directory(target) as temporary:
        (temporary / "three").write_text("x")
        raise ValueError("stop")
    assert [p.name for p in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_one_clear_line(tmp_path: Path, code: int) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(UserError, match=r"a\.txt: no space left .*; free some space"):
        with atomic_file(target) as temporary:
            temporary.write_text("half")
            raise OSError(code, os.strerror(code))
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None]}


KINDS = pytest.mark.parametrize("make", [atomic_file, atomic_directory, atomic_files_into])


def killed_while_writing(target: Path, kind: str) -> list[Path]:
    """Kill a process in the middle of its work; return what it left beside ``target``."""
    program = (
        "import os, signal, sys\n"
        f"from ssl4sar.core.atomic import {kind} as make\n"
        "with make(sys.argv[1]) as path:\n"
        "    (path / 'a' if path.is_dir() else path).write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    return [path for path in target.parent.iterdir() if path.name.endswith(".part")]


def enter_and_fill(make, target: Path) -> None:
    with make(target) as temporary:
        (temporary / "b" if temporary.is_dir() else temporary).write_text("whole")


@KINDS
def test_what_a_killed_process_left_is_removed_by_the_next_one(make, tmp_path: Path) -> None:
    target = tmp_path / "name"
    assert len(killed_while_writing(target, make.__name__)) == 1
    enter_and_fill(make, target)
    assert list(tmp_path.iterdir()) == [target]


@KINDS
def test_what_others_may_still_write_is_kept(make, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "name"
    (foreign,) = killed_while_writing(target, make.__name__)
    host = foreign.name.split(".")[2].split("-")[0]
    assert host == atomic.HOST
    # The same dead process number on another host, a living process here, another name.
    kept = {
        foreign.name.replace(host, "0" * len(host)),
        f".name.{host}-{os.getppid()}-0123abcd.part",
        foreign.name.replace("name", "name.png"),
        f".name.{host}-mine.part",
    }
    foreign.rename(tmp_path / foreign.name.replace(host, "0" * len(host)))
    for name in kept:
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text("x")
    enter_and_fill(make, target)
    assert {path.name for path in tmp_path.iterdir()} == {"name", *kept}


def test_a_folder_of_that_name_is_reported_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match=r"a\.json: a folder has this name"):
        with atomic_file(tmp_path / "a.json"):
            pytest.fail("the work was begun")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@KINDS
@pytest.mark.parametrize("below", ["x.json", "y/x.json"])
def test_a_file_where_a_folder_is_needed(make, tmp_path: Path, below: str) -> None:
    (tmp_path / "afile").write_text("old")
    with pytest.raises(UserError, match=r"x\.json: a file stands where a folder is needed"):
        with make(tmp_path / "afile" / below):
            pytest.fail("the work was begun")
    assert (tmp_path / "afile").read_text() == "old"


@pytest.mark.parametrize("make", [atomic_directory, atomic_files_into])
def test_a_folder_never_takes_the_place_of_a_file(make, tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(UserError, match="a file stands where a folder is needed"):
        with make(tmp_path / "a"):
            pytest.fail("the work was begun")
    assert (tmp_path / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_an_unreadable_input_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_file(tmp_path / "out" / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else.png")


def test_files_join_a_folder_only_after_success(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "fronts"
    with pytest.raises(ValueError, match="stop"), atomic_files_into(folder) as temporary:
        (temporary / "a").write_text("half")
        raise ValueError("stop")
    assert not folder.exists()
    folder.mkdir()
    (folder / "notes").write_text("mine")
    (folder / "a").write_text("old")
    with atomic_files_into(folder) as temporary:
        (temporary / "a").write_text("new")
        (temporary / "b").write_text("new")
        assert temporary.name.startswith(".")
        assert temporary.parent == folder.parent
        assert (folder / "a").read_text() == "old"
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"a": "new", "b": "new", "notes": "mine"}
    assert list(folder.parent.iterdir()) == [folder]


def test_the_form_of_json_is_pinned() -> None:
    """No digest of code sees it, and it is in the bytes of results."""
    assert json_text({"b": [1, 2.5, None], "a": {"é": "x"}}) == (
        '{\n "b": [\n  1,\n  2.5,\n  null\n ],\n "a": {\n  "\\u00e9": "x"\n }\n}\n'
    )
