"""One training per resume folder, also where an earlier one was orphaned.

Whatever kills a workflow may leave its training alive; a second one in the same folder would mix
its checkpoints with those of the first.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell

LOCK: Final = "training.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a resume folder.

    The kernel takes the lock back when the process ends, however it ends. It belongs to the
    process (POSIX ``lockf``), not to the open file (``flock``): loader processes, forked from the
    training, would share the latter and hold it for some seconds after the training was killed.

    Args:
        folder: resume folder; is created. The file with the lock stays in it.

    Raises:
        UserError: another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # POSIX lets a system report a lock that is held as either of the two.
        except (BlockingIOError, PermissionError) as error:
            raise _in_use(folder, stream) from error
        except OSError as error:
            # Some network file systems know no locks; training itself works there.
            tell(f"{folder}: the folder cannot be locked ({error.strerror})")
        stream.truncate(0)
        stream.write(f"{os.getpid()} {socket.gethostname()}\n")
        stream.flush()
        yield


def _in_use(folder: Path, stream: TextIO) -> UserError:
    stream.seek(0)
    owner = stream.read().split()
    if len(owner) != 2:  # it has locked the file and is about to write its name
        return UserError(folder, "another process trains here", "wait for it, or end it and rerun")
    pid, host = owner
    return UserError(
        folder,
        f"process {pid} on {host} trains here (perhaps left over from a killed workflow)",
        f"wait for it, or end it with `kill {pid}`, and rerun",
    )
