"""One holder at a time of a file, among all processes and threads that share its folder.

The kernel frees a lock when its holder ends, however that comes, and a forked child, such as a
loader process that outlives a killed training, does not hold the lock of its parent. Where a file
system has no locks, that is said and the work is done without one.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, FileLock, Timeout

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log

#: After so long a waiting job says what it waits for.
SILENT_WAIT_S: Final = 15.0
_LONGEST_OWNER_CHARS: Final = 300
#: What file systems without locks answer.
_NO_LOCKS: Final = frozenset(
    {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
)


def try_lock(path: Path) -> BaseFileLock | None:
    """Lock a file if it is free; None where somebody holds it. The holder calls ``release()``.

    The file is made with mode 0600 where it is missing and stays when it is released. Its times
    are renewed: whoever cleans folders of temporary files goes by them.

    Raises:
        UserError: it cannot be opened: a link, or a file of another user.
    """
    return _acquired(path, 0.0)


@contextmanager
def locked(path: Path, *, poll_s: float = 0.05) -> Iterator[BaseFileLock]:
    """Wait until a file is free and hold its lock during the block; a long wait is reported.

    Args:
        path: file of the lock, as for `try_lock`.
        poll_s: seconds between two tries.

    Yields:
        The lock; its ``is_locked`` is false where the file system has no locks.

    Raises:
        UserError: the file cannot be opened.
    """
    lock = _acquired(path, SILENT_WAIT_S, poll_s)
    if lock is None:
        log(f"waiting for {_owner(path)} that holds {path}")
        lock = _acquired(path, -1.0, poll_s)
    assert lock is not None
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def sole(path: Path, subject: str | Path, does: str, *, remove: bool = False) -> Iterator[None]:
    """Hold the lock of a file during the block, or refuse at once, naming who holds it.

    Args:
        path: file of the lock, as for `try_lock`; the holder writes process and host into it.
        subject: what is worked on, for the error.
        does: what the holder does with it, e.g. "is downloading this file".
        remove: whether the file is removed at the end.

    Raises:
        UserError: another process or thread holds it, or the file cannot be opened.
    """
    lock = try_lock(path)
    if lock is None:
        owner = _owner(path)
        end = f"end it with `kill {owner.split()[1]}`" if owner.startswith("process") else "end it"
        problem = f"{owner} {does} (perhaps left over from a killed workflow)"
        raise UserError(subject, problem, f"wait for it, or {end}, and rerun")
    try:
        with suppress(OSError):
            path.write_text(f"{os.getpid()} {socket.gethostname()}\n", encoding="utf-8")
        yield
    finally:
        if remove:
            path.unlink(missing_ok=True)
        lock.release()


def _acquired(path: Path, timeout_s: float, poll_s: float = 0.05) -> BaseFileLock | None:
    # Each call has a lock of its own, so that threads keep each other out, too. Markers in place of
    # locks would stay where a process on another host was killed.
    lock = FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout_s, poll_interval=poll_s)
        with suppress(OSError):
            os.utime(path)
    except Timeout:
        return None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            problem = f"the lock cannot be opened ({error.strerror})"
            raise UserError(
                path, problem, "remove the file, or check its folder, and rerun"
            ) from error
        log(f"{path}: the file system has no locks ({error.strerror}): working without one")
    return lock


def _owner(path: Path) -> str:
    """Return who wrote its name into a lock that is held."""
    try:
        with path.open(encoding="utf-8") as stream:
            pid, host = stream.read(_LONGEST_OWNER_CHARS).split()
    except (OSError, ValueError):  # it does not write it, or is about to
        return "another process"
    return f"process {pid} on {host}" if pid.isdecimal() else "another process"
