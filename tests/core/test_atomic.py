from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssl4sar.core.atomic import atomic_directory, atomic_file, write_json, write_text
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_really_full_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no space left"), atomic_file(tmp_path / "a"):
        with open("/dev/full", "w") as stream:  # noqa: PTH123
            stream.write("x" * 100_000)


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None]}


def test_sigkill_while_writing_never_shows_a_half_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    program = (
        "import sys\n"
        "from ssl4sar.core.atomic import atomic_file\n"
        "with atomic_file(sys.argv[1]) as path, path.open('wb') as stream:\n"
        "    print('open', flush=True)\n"
        "    while True:\n"
        "        stream.write(b'x' * 4096); stream.flush()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
