"""A resume folder has one owner, whose death frees it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.resume_lock import LOCK, locked

# The owner leaves a forked child behind, as a training does with its loader processes.
OWNER = """
import os, sys
from pathlib import Path
from ssl4sar.train.operations.resume_lock import locked
with locked(Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
    sys.stdin.read()
    os._exit(0)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "resume")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        yield process
        assert process.stdin is not None
        os.kill(child, 0)  # still alive
        process.stdin.close()


def test_the_owner_is_named_and_its_death_frees_the_folder(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught, locked(tmp_path / "resume"):
        pass
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'resume'}: process {owner.pid} on ")
    assert f"`kill {owner.pid}`" in text
    assert "\n" not in text
    owner.kill()
    owner.wait()
    with locked(tmp_path / "resume"):
        assert (tmp_path / "resume" / LOCK).read_text().split()[0] == str(os.getpid())


def test_an_owner_that_has_not_yet_written_its_name(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "resume" / LOCK).write_text("")
    with pytest.raises(UserError, match="another process trains here"), locked(tmp_path / "resume"):
        pass


def test_an_error_frees_the_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "new" / "resume"):
            raise KeyError


def test_a_file_system_without_locks_is_told_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with caplog.at_level(logging.INFO, logger="ssl4sar"), locked(tmp_path):
        pass
    assert "No locks available" in caplog.text
