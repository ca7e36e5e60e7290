"""Files and folders that are either complete or absent, whatever kills the process.

A killed job may leave an orphan that still writes, so nothing is ever written under its final
name: it is made beside it and moved with ``os.replace``, which POSIX guarantees to be atomic
within one file system. What a killed process leaves half-written is removed by the next one that
writes the same name on the same host.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.errors import UserError

#: The disk or the quota is full.
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_PERMISSION: Final = frozenset({errno.EACCES, errno.EROFS, errno.EPERM})


def _host() -> str:
    # Containers of one host may share its name, but not its process numbers.
    namespace = Path("/proc/self/ns/pid")
    numbers = str(namespace.readlink()) if namespace.is_symlink() else ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


#: Names the set of process numbers that this process can look up; part of temporary names.
HOST: Final = _host()


def full_disk(subject: str | Path) -> UserError:
    """Return the error of a full disk, about ``subject``."""
    return UserError(subject, "no space left on the disk or quota", "free some space and rerun")


def _temporary_name(path: Path) -> Path:
    # The process id and a random part keep an orphan of an earlier run from sharing the name.
    return path.with_name(f".{path.name}.{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.part")


def _is_dead(process: str) -> bool:
    if not (process.isascii() and process.isdigit()):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes of this host left half-written for ``path``."""
    start = f".{path.name}.{HOST}-"
    for other in list(path.parent.iterdir()):
        if not (other.name.startswith(start) and other.name.endswith(".part")):
            continue
        if _is_dead(other.name.removeprefix(start).split("-")[0]):
            _remove(other)


def _remove(path: Path) -> None:
    # Another process may remove it at the same time, and what cannot be removed (a leftover of
    # another user, a place that never existed) must not hide how the work itself ended.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_user_error(error: OSError, path: Path) -> UserError | None:
    if error.errno in NO_SPACE:
        return full_disk(path)
    if not _is_about(error, path):
        return None
    if error.errno in _NO_PERMISSION:
        return UserError(path, "the folder cannot be written", "check its permissions and rerun")
    if error.errno == errno.EISDIR:
        return UserError(path, "a folder has this name", "remove it or choose another name")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return UserError(
            path, "a file stands where a folder is needed", "remove it or choose another path"
        )
    return None


def _is_about(error: OSError, path: Path) -> bool:
    """Return whether the error is about writing ``path``, not about a file read meanwhile."""
    if not isinstance(error.filename, str | os.PathLike):
        return True
    named = Path(error.filename)
    return named.is_relative_to(path.parent) or path.is_relative_to(named)


@contextmanager
def _user_errors(path: Path, temporary: Path) -> Iterator[None]:
    """Turn failures of writing ``path`` into user errors; always remove ``temporary``."""
    try:
        yield
    except OSError as error:
        found = _as_user_error(error, path)
        if found is None:
            raise
        raise found from error
    finally:
        _remove(temporary)


def _refuse_file(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that becomes ``path`` when the block succeeds.

    Args:
        path: final file; its folder is created.

    Raises:
        UserError: the disk is full, the folder cannot be written, or a folder has this name.
    """
    final = Path(path)
    temporary = _temporary_name(final)
    with _user_errors(final, temporary):
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(final))
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(final)
        yield temporary
        sync(temporary)
        temporary.replace(final)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that replaces ``path`` when the block succeeds.

    Args:
        path: final folder; an older one of that name is removed at the end.

    Raises:
        UserError: the disk is full, the folder cannot be written, or a file has this name.
    """
    final = Path(path)
    temporary = _temporary_name(final)
    with _user_errors(final, temporary):
        _refuse_file(final)
        temporary.mkdir(parents=True)
        _remove_leftovers(final)
        yield temporary
        if final.exists():
            # A folder cannot be replaced by rename while it has content: move it aside first.
            aside = _temporary_name(final)
            final.replace(aside)
            temporary.replace(final)
            # It may be a link into a shared cache, whose content is not ours to remove.
            _remove(aside)
        else:
            temporary.replace(final)


@contextmanager
def atomic_files_into(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder whose files join the folder ``path`` when the block succeeds.

    Files of the same name are replaced one by one, all others in ``path`` stay.

    Args:
        path: final folder; created where it is missing.

    Raises:
        UserError: the disk is full, the folder cannot be written, or a file has this name.
    """
    # Files move by rename, so the temporary folder must be on the file system of the final one.
    final = Path(path).resolve()
    temporary = _temporary_name(final / final.name if final.is_mount() else final)
    with _user_errors(final, temporary):
        _refuse_file(final)
        temporary.mkdir(parents=True)
        _remove_leftovers(temporary.with_name(final.name))
        yield temporary
        final.mkdir(exist_ok=True)
        for file in sorted(temporary.iterdir()):
            file.replace(final / file.name)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically; NaN and infinity are refused."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return ``value`` as indented JSON; NaN and infinity are refused."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
