"""Folders and files that no other user of the machine may read."""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError

_OTHERS: Final = 0o077


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
        raise UserError(path, "this is not a folder", fix)
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
