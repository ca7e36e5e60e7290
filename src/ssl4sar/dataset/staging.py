"""A copy of a store on a disk of the node, for as long as somebody there reads it.

Crops are read at random places of memory-mapped arrays, which strains a network file system that
many trainings share. The processes of a node share one copy. Whoever comes first makes it and
checks it against the hashes of the index; whoever goes last removes it. Locks end with their
process, so what a killed job left is seen to be nobody's: it is checked and used, or removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import tell
from ssl4sar.dataset.flat_arrays import INDEX_NAME

_PIECE_BYTES: Final = 16 * 2**20
#: Left free on the disk, which others use too.
_SPARE_BYTES: Final = 256 * 2**20
_CHECKED: Final = "checked.json"


class _NotStagedError(Exception):
    """Why the original is read instead."""


@contextmanager
def staged(folder: Path, scratch: str) -> Iterator[Path]:
    """Yield a copy of a store on a disk of this node, or the store itself where that fails.

    A process must stage a store once at a time: locks of one process do not exclude each other.

    Args:
        folder: store, with ``index.json`` whose ``sha256`` maps the names of all other files to
            their hashes.
        scratch: folder of this node; variables of the environment and ``~`` are replaced here, on
            the node. Empty: yield the store itself.

    Raises:
        UserError: a file of the store does not have the content that its index says.
    """
    if not scratch:
        yield folder
        return
    with ExitStack() as stack:
        try:
            place = stack.enter_context(_used_copy(folder, _own_folder(scratch)))
        except (_NotStagedError, OSError) as problem:
            tell(f"no copy of {folder} in {scratch}: {_reason(problem)}; the original is read")
            place = folder
        yield place


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return str(problem)


def _own_folder(scratch: str) -> Path:
    expanded = os.path.expandvars(scratch)
    if "$" in expanded:
        raise _NotStagedError("it names a variable that is not set on this node")
    root = Path(expanded).expanduser()
    if not root.is_dir():
        raise _NotStagedError("there is no such folder on this node")
    own = root / f"ssl4sar-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    status = own.lstat()
    # In a folder that all may write to, somebody else could have made it, to swap the data.
    if own.is_symlink() or not own.is_dir() or status.st_uid != os.getuid():
        raise _NotStagedError(f"{own} belongs to somebody else")
    own.chmod(0o700)
    return own


@contextmanager
def _used_copy(folder: Path, own: Path) -> Iterator[Path]:
    hashes = _hashes(folder)
    name = f"store-{hashes[INDEX_NAME][:16]}"
    copy, gate, users = own / name, own / f"{name}.gate", own / f"{name}.users"
    with ExitStack() as in_use:
        with _locked(gate, fcntl.LOCK_EX):
            _remove_abandoned(own, name)
            if not _is_good(copy, hashes, users):
                try:
                    _make_copy(folder, copy, hashes)
                except BaseException:
                    gate.unlink(missing_ok=True)
                    raise
            in_use.enter_context(_locked(users, fcntl.LOCK_SH))
        try:
            yield copy
        finally:
            in_use.close()
            # Not being able to tidy up must not fail a finished training.
            with suppress(OSError), _locked(gate, fcntl.LOCK_EX):
                _remove_unused(copy, users)
                gate.unlink(missing_ok=True)


def _hashes(folder: Path) -> dict[str, str]:
    """Return the hashes of all files of a store, that of the index first."""
    path = folder / INDEX_NAME
    try:
        arrays: Mapping[str, str] = read_json(path)["sha256"]
        hashes = {INDEX_NAME: sha256_file(path), **arrays}
    except (OSError, ValueError, KeyError, TypeError):
        # Whoever opens the store says precisely what is wrong with it.
        raise _NotStagedError("its index cannot be read") from None
    if any(Path(name).name != name for name in hashes):
        raise _NotStagedError("its index names files outside the store")
    return hashes


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[TextIO]:
    """Hold a lock that ends with this process, on a file that may be removed at any time.

    Raises:
        BlockingIOError: ``kind`` asks not to wait, and another process holds the lock.
    """
    while True:
        with path.open("a+", encoding="utf-8") as stream:
            fcntl.lockf(stream, kind)
            try:
                current = path.stat()
            except FileNotFoundError:
                continue
            # Who held it before may have removed the file: others lock the new one.
            if os.path.samestat(current, os.fstat(stream.fileno())):
                yield stream
                return


def _is_free(users: Path) -> bool:
    with suppress(BlockingIOError, PermissionError), _locked(users, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return True
    return False


def _state(copy: Path, hashes: Mapping[str, str]) -> list[list[int]]:
    files = [(copy / name).stat() for name in hashes]
    return [[file.st_ino, file.st_size, file.st_mtime_ns] for file in files]


def _is_good(copy: Path, hashes: Mapping[str, str], users: Path) -> bool:
    """Check a copy: by its hashes, or by its times where another process reads it just now."""
    try:
        state = _state(copy, hashes)
        if not _is_free(users) and read_json(copy / _CHECKED) == state:
            tell(f"sharing the copy {copy} with another process")
            return True
        good = all(sha256_file(copy / name) == sha256 for name, sha256 in hashes.items())
    except (OSError, ValueError):
        return False
    if good:
        tell(f"using the copy {copy} of an earlier job")
        (copy / _CHECKED).write_text(json.dumps(state))
    return good


def _make_copy(folder: Path, copy: Path, hashes: Mapping[str, str]) -> None:
    _remove(copy)
    part = copy.with_name(f"{copy.name}.part")
    _remove(part)
    needed = sum((folder / name).stat().st_size for name in hashes)
    free = shutil.disk_usage(copy.parent).free
    if free < needed + _SPARE_BYTES:
        raise _NotStagedError(
            f"{needed / 1e9:.2f} GB are needed and {_SPARE_BYTES / 1e9:.2f} GB to spare, "
            f"{free / 1e9:.2f} GB are free"
        )
    tell(f"copying {folder} ({needed / 1e9:.2f} GB) to {copy}")
    try:
        part.mkdir(mode=0o700)
        for name, sha256 in hashes.items():
            _copy_file(folder / name, part / name, sha256)
        (part / _CHECKED).write_text(json.dumps(_state(part, hashes)))
        part.replace(copy)
    except BaseException:
        _remove(part)
        raise


def _copy_file(source: Path, target: Path, sha256: str) -> None:
    """Copy a file and compare the hash of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while piece := reader.read(_PIECE_BYTES):
            digest.update(piece)
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    if digest.hexdigest() != sha256:
        raise UserError(
            source,
            f"the file does not have the content that {INDEX_NAME} says",
            "remove the store and rerun the workflow",
        )


def _remove_abandoned(own: Path, name: str) -> None:
    """Remove copies of other stores whose users are all gone."""
    for path in own.glob("store-*"):
        other = own / path.name.split(".")[0]
        if other.name == name or not path.exists():
            continue
        gate, users = own / f"{other.name}.gate", own / f"{other.name}.users"
        with suppress(OSError), _locked(gate, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _remove_unused(other, users)
            gate.unlink(missing_ok=True)


def _remove_unused(copy: Path, users: Path) -> None:
    """Remove a copy that nobody reads; its gate is held."""
    if _is_free(users):
        _remove(copy)
        _remove(copy.with_name(f"{copy.name}.part"))
        users.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
