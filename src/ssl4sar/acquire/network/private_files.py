"""Folders and files that no other user of the machine may read, and locks in them."""

from __future__ import annotations

import fcntl
import os
import random
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell

_OTHERS: Final = 0o077
#: After so long a waiting job says what it waits for.
_SILENT_WAIT_S: Final = 15.0


def private_folder(path: Path, variable: str) -> Path:
    """Return a folder for this user alone, made with mode 0700 where it is missing.

    Args:
        path: the folder.
        variable: environment variable that chooses another one, for the message.

    Raises:
        UserError: it belongs to another user, is open to others, is a link, or cannot be made.
    """
    fix = f"choose another folder in {variable}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UserError(path, f"the folder cannot be made ({error.strerror})", fix) from error
    if not stat.S_ISDIR(found.st_mode):
        raise UserError(path, "this is no folder", fix)
    if found.st_uid != os.getuid():
        raise UserError(path, "the folder belongs to another user", fix)
    if found.st_mode & _OTHERS:
        raise UserError(path, "other users may enter this folder", f"run chmod 700 on it, or {fix}")
    return path


def read_private(path: Path) -> str | None:
    """Return the text of a file that only this user may read; None where there is no such file.

    A link, a file of another user, and one that others may read or write are treated as absent:
    its content may have been put there by somebody else.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(descriptor)
    safe = stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()
    if not safe or found.st_mode & _OTHERS:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, encoding="utf-8") as stream:
        try:
            return stream.read()
        except (OSError, UnicodeDecodeError):
            return None


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, atomically; a link of that name is replaced, not followed.

    Raises:
        UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            path, f"the file cannot be written ({error.strerror})", "check its folder and the disk"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def exclusive(path: Path, *, poll_s: float = 0.05) -> Iterator[None]:
    """Hold a lock among the processes and threads of this user; a killed holder frees it.

    Args:
        path: file of the lock, in a private folder; created where it is missing.
        poll_s: seconds between two tries.
    """
    start, told = time.monotonic(), False
    while (descriptor := try_hold(path)) is None:
        if not told and time.monotonic() - start > _SILENT_WAIT_S:
            told = True
            tell(f"waiting for another job that holds {path}")
        time.sleep(poll_s * random.uniform(0.5, 1.5))
    try:
        yield
    finally:
        release(descriptor)


def try_hold(path: Path) -> int | None:
    """Lock a file if it is free, and return its open descriptor; None where somebody holds it.

    The file is made with mode 0600 where it is missing, and its times are renewed: whoever cleans
    folders of temporary files goes by them, and a lock whose file is gone keeps nobody away.

    Raises:
        UserError: it cannot be opened.
    """
    while True:
        # An own descriptor each time: the lock then holds between threads, too.
        descriptor = _open_lock(path)
        if not _try_lock(descriptor):
            os.close(descriptor)
            return None
        if is_still(descriptor, path, follow_symlinks=False):
            with suppress(OSError):
                os.utime(descriptor)
            return descriptor
        release(descriptor)  # removed between opening and locking: others lock another file


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(
            path, f"the lock cannot be opened ({error.strerror})", "remove the file and rerun"
        ) from error


def _try_lock(descriptor: int) -> bool:
    # On file systems without locks this always succeeds.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Without locks a few tokens more are fetched, and the server's own limit remains.
        return True
    return True


def is_still(descriptor: int, path: Path, *, follow_symlinks: bool = True) -> bool:
    """Tell whether an open file still lies under the name it was opened by.

    Args:
        descriptor: of the open file.
        path: the name.
        follow_symlinks: whether the name may be a link to it.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=follow_symlinks))
    except FileNotFoundError:
        return False


def release(descriptor: int) -> None:
    """Free a lock and close its file."""
    with suppress(OSError):
        # A forked child may still have the file open: closing alone would keep the lock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
