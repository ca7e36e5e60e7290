"""A lock has one holder, whose death frees it."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ssl4sar.core import lock as module
from ssl4sar.core.errors import UserError
from ssl4sar.core.lock import locked, sole, try_lock

# The owner leaves a forked child behind, as a training does with its loader processes.
OWNER = """
import os, sys
from pathlib import Path
from ssl4sar.core.lock import sole
with sole(Path(sys.argv[1]), "x", "trains here"):
    if not os.fork():  # only then has the child let go of what it inherited
        print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "resume" / "lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process
        assert process.stdin is not None
        os.kill(child, 0)  # still alive
        process.stdin.close()


def test_the_owner_is_named_and_its_death_frees_the_lock(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    path = tmp_path / "resume" / "lock"
    with pytest.raises(UserError) as caught, sole(path, "the folder", "trains here"):
        pass
    text = str(caught.value)
    assert text.startswith(f"the folder: process {owner.pid} on {socket.gethostname()} trains here")
    assert f"`kill {owner.pid}`" in text
    owner.kill()
    owner.wait()
    with sole(path, "the folder", "trains here"):
        assert path.read_text().split()[0] == str(os.getpid())


@pytest.mark.parametrize("content", ["", "x y", "1 2 3", "\0" * 400])
def test_an_owner_that_has_not_written_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lock"
    with sole(path, "x", "works here"):
        path.write_text(content)
        with (
            pytest.raises(UserError, match="another process works here"),
            sole(path, "x", "works here"),
        ):
            pass


def test_an_error_frees_the_lock_and_removes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    for remove in (True, True, False):
        with pytest.raises(KeyError), sole(path, "x", "works here", remove=remove):
            assert path.stat().st_mode & 0o777 == 0o600
            raise KeyError
        assert path.exists() is not remove


def test_a_lock_holds_between_threads(tmp_path: Path) -> None:
    inside = 0

    def work() -> None:
        nonlocal inside
        for _ in range(20):
            with locked(tmp_path / "lock", poll_s=0.001):
                inside += 1
                assert inside == 1
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == 0


def test_a_lock_whose_file_is_removed_keeps_nobody_away(tmp_path: Path) -> None:
    with sole(tmp_path / "lock", "x", "works here"):
        (tmp_path / "lock").unlink()
        with sole(tmp_path / "lock", "x", "works here"), pytest.raises(UserError):
            with sole(tmp_path / "lock", "x", "works here"):
                pass


def test_holding_renews_the_times_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch(mode=0o600)
    os.utime(path, (0.0, 0.0))
    with locked(path):
        assert min(path.stat().st_mtime, path.stat().st_atime) > 1e9


def test_a_link_in_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="cannot be opened"):
        try_lock(tmp_path / "lock")
    assert not (tmp_path / "outside").exists()


def test_a_file_system_without_locks_is_reported_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    with sole(tmp_path / "a", "x", "works here"), locked(tmp_path / "b"):
        pass
    assert "No locks available" in capsys.readouterr().err


def test_a_long_wait_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SILENT_WAIT_S", 0.01)
    is_held = threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock"):
            is_held.set()
            time.sleep(0.1)

    threading.Thread(target=hold).start()
    assert is_held.wait(60)
    with locked(tmp_path / "lock", poll_s=0.001):
        pass
    assert capsys.readouterr().err.count("waiting for another process") == 1
