"""Files and folders that are either complete or absent, whatever kills the process.

A killed job may leave an orphan that still writes, so nothing is ever written under its final
name: it is made beside it and moved with ``os.replace``, which POSIX guarantees to be atomic
within one file system.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssl4sar.core.errors import UserError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def _temporary_name(path: Path) -> Path:
    # The process id and a random part keep an orphan of an earlier run from sharing the name.
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_user_error(error: OSError, path: Path) -> UserError | None:
    if error.errno in _NO_SPACE:
        return UserError(path, "no space left on the disk or quota", "free some space and rerun")
    if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
        return UserError(path, "the folder cannot be written", "check its permissions and rerun")
    return None


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that becomes ``path`` when the block succeeds.

    Args:
        path: final file; its folder is created.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    final = Path(path)
    temporary = _temporary_name(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(final)
    except OSError as error:
        told = _as_user_error(error, final)
        if told is None:
            raise
        raise told from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that replaces ``path`` when the block succeeds.

    Args:
        path: final folder; an older one of that name is removed at the end.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    final = Path(path)
    temporary = _temporary_name(final)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if final.exists():
            # A folder cannot be replaced by rename while it has content: move it aside first.
            aside = _temporary_name(final)
            final.replace(aside)
            temporary.replace(final)
            shutil.rmtree(aside)
        else:
            temporary.replace(final)
    except OSError as error:
        told = _as_user_error(error, final)
        if told is None:
            raise
        raise told from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
