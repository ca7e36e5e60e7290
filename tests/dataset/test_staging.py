"""A store is read from a disk of the node, shared, checked, and gone in the end."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.staging import staged

CONTENT = bytes(range(256)) * 40


def write_store(folder, content=CONTENT):
    folder.mkdir(parents=True)
    files = {"images.u8": content, "zones.u8": content[::-1], "fronts.u8": b""}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (folder / "index.json").write_text(json.dumps({"sha256": hashes}))
    return folder


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "store")


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def own(scratch):
    return scratch / f"ssl4sar-{os.getuid()}"


def left(scratch):
    return sorted(path.name for path in own(scratch).iterdir() if path.name != "gate")


def test_without_scratch_the_store_itself_is_read(store):
    with staged(store, "") as folder:
        assert folder == store


def test_a_copy_is_used_and_removed(store, scratch, monkeypatch):
    monkeypatch.setenv("NODE_DISK", str(scratch))
    with staged(store, "$NODE_DISK") as folder:
        assert folder.is_relative_to(scratch)
        assert (folder / "images.u8").read_bytes() == CONTENT
        assert own(scratch).stat().st_mode & 0o777 == 0o700
    assert left(scratch) == []
    assert (store / "images.u8").read_bytes() == CONTENT


def unusable(scratch, monkeypatch, case):
    if case == "missing":
        return str(scratch / "no"), "there is no such folder"
    if case == "variable":
        return "$NO_SUCH_VARIABLE/x", "a variable that is not set"
    if case == "full":
        usage = shutil.disk_usage(scratch)._replace(free=1000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        return str(scratch), "0.00 GB are free"
    if case == "foreign":
        (scratch / "elsewhere").mkdir()
        own(scratch).symlink_to(scratch / "elsewhere")
        return str(scratch), "belongs to somebody else"
    if case in {"lockless", "locked out"}:
        number = errno.ENOLCK if case == "lockless" else errno.EIO

        def refuse_lock(*arguments):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", refuse_lock)
        return str(scratch), "has no locks" if case == "lockless" else "the lock cannot be opened"
    if case == "unwritable":

        def refuse(*arguments, **options):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)
        return str(scratch), "Permission denied"

    def quota(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", quota)
    return str(scratch), "No space left"


@pytest.mark.parametrize(
    "case",
    ["missing", "variable", "full", "foreign", "lockless", "locked out", "unwritable", "quota"],
)
def test_where_no_copy_can_be_made_one_line_says_so(store, scratch, monkeypatch, caplog, case):
    place, reason = unusable(scratch, monkeypatch, case)
    with caplog.at_level(logging.INFO, logger="ssl4sar"), staged(store, place) as folder:
        assert folder == store
    told = [record.message for record in caplog.records if "original is read" in record.message]
    assert len(told) == 1
    assert reason in told[0]
    if case in {"full", "quota"}:
        assert left(scratch) == []


def test_a_damaged_original_is_an_error_with_its_name(store, scratch):
    (store / "zones.u8").write_bytes(b"poison")
    with pytest.raises(UserError, match=r"zones\.u8: the file does not have the content"):
        with staged(store, str(scratch)):
            pass
    assert left(scratch) == []


def test_an_index_cannot_name_files_elsewhere(store, scratch):
    (store / "index.json").write_text(json.dumps({"sha256": {"../secret": "0" * 64}}))
    with staged(store, str(scratch)) as folder:
        assert folder == store
    assert left(scratch) == []


USER = """
import sys
from pathlib import Path
from ssl4sar.dataset.staging import staged
with staged(Path(sys.argv[1]), sys.argv[2]) as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def start_user(store, scratch):
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", USER, str(store), str(scratch)]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def finish(user):
    _, told = user.communicate(timeout=60)
    assert user.returncode == 0, told
    return told


def test_processes_share_one_copy_and_the_last_removes_it(store, scratch):
    users = [start_user(store, scratch) for _ in range(3)]
    places = {user.stdout.readline().strip() for user in users}
    assert len(places) == 1
    place = Path(places.pop())
    assert place.is_relative_to(scratch)
    told = ""
    for user in users[:2]:
        told += finish(user)
        assert (place / "images.u8").read_bytes() == CONTENT
    told += finish(users[2])
    assert told.count("copying") == 1
    assert left(scratch) == []


def leftover(store, scratch):
    """What a killed job leaves."""
    user = start_user(store, scratch)
    place = Path(user.stdout.readline().strip())
    user.kill()
    user.communicate()
    assert user.returncode == -signal.SIGKILL
    assert place.is_dir()
    return place


def test_what_a_killed_job_left_is_made_again(store, scratch):
    place = leftover(store, scratch)
    (place / "images.u8").write_bytes(b"poison")
    with staged(store, str(scratch)) as folder:
        assert (folder / "images.u8").read_bytes() == CONTENT
    assert left(scratch) == []


def test_leftovers_of_other_stores_are_removed_but_not_copies_in_use(tmp_path, store, scratch):
    abandoned = leftover(write_store(tmp_path / "old", CONTENT * 2), scratch)
    user = start_user(write_store(tmp_path / "used", CONTENT * 3), scratch)
    used = Path(user.stdout.readline().strip())
    assert abandoned.parent == used.parent
    with staged(store, str(scratch)) as folder:
        assert folder.is_dir()
        assert not abandoned.exists()
        assert (used / "images.u8").read_bytes() == CONTENT * 3
    finish(user)
    assert left(scratch) == []


SHORT_USER = """
import sys
from pathlib import Path
from ssl4sar.dataset.staging import staged
for _ in range(10):
    with staged(Path(sys.argv[1]), sys.argv[2]) as folder:
        print(folder)
        assert (folder / "images.u8").read_bytes() == bytes(range(256)) * 40
"""


def test_many_short_users_never_see_a_half_made_copy(store, scratch):
    """Copies are made and removed again and again while others come."""
    command = [sys.executable, "-c", SHORT_USER, str(store), str(scratch)]
    pipe = subprocess.PIPE
    users = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    end_s = time.monotonic() + 120
    for user in users:
        places, told = user.communicate(timeout=end_s - time.monotonic())
        assert user.returncode == 0, told
        assert all(str(scratch) in place for place in places.splitlines())
        assert "original is read" not in told
    assert left(scratch) == []
