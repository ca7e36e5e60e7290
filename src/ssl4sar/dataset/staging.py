"""A copy of a store on a disk of the node, for as long as somebody there reads it.

Crops are read at random places of memory-mapped arrays, which strains a network file system that
many trainings share. The processes of a node share one copy. Whoever comes first makes it and
checks it against the hashes of the index; whoever goes last removes it. Locks end with their
process, so what a killed job left is seen to be nobody's: it is checked and used, or removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.lock import locked, try_lock
from ssl4sar.core.progress import tell
from ssl4sar.core.space import free_bytes
from ssl4sar.dataset.flat_arrays import INDEX_NAME

_PIECE_BYTES: Final = 16 * 2**20
#: Left free on the disk, which others use too.
_SPARE_BYTES: Final = 256 * 2**20
_CHECKED: Final = "checked.json"
#: Gates are held for moments, but while a copy is made.
_POLL_S: Final = 0.01


class _NotStagedError(Exception):
    """Why the original is read instead."""


class _DamagedStoreError(UserError):
    """The original itself does not have the content that its index says."""


@contextmanager
def staged(folder: Path, scratch: str) -> Iterator[Path]:
    """Yield a copy of a store on a disk of this node, or the store itself where that fails.

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
        except _DamagedStoreError:
            raise
        except (_NotStagedError, OSError, UserError) as problem:
            tell(f"no copy of {folder} in {scratch}: {_reason(problem)}; the original is read")
            place = folder
        yield place


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return problem.strerror or type(problem).__name__
    return problem.problem if isinstance(problem, UserError) else str(problem)


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
    copy = own / f"store-{hashes[INDEX_NAME][:16]}"
    with ExitStack() as in_use:
        with _gate(copy):
            _remove_abandoned(own, copy)
            if not _is_good(copy, hashes):
                _make_copy(folder, copy, hashes)
            in_use.enter_context(_user(copy))
        try:
            yield copy
        finally:
            # Not being able to tidy up must not fail a finished training.
            with suppress(OSError, UserError, _NotStagedError):
                in_use.close()
                with _gate(copy):
                    _remove_unused(copy)


@contextmanager
def _gate(copy: Path) -> Iterator[None]:
    """Be the only one that makes, checks or removes a copy, and that comes to use it."""
    path = copy.with_name(f"{copy.name}.gate")
    with ExitStack() as held:
        lock = held.enter_context(locked(path, poll_s=_POLL_S))
        if not lock.is_locked:
            raise _NotStagedError("its file system has no locks")
        # Whoever waits for it finds it removed, and locks a new one.
        held.callback(path.unlink, missing_ok=True)
        yield


@contextmanager
def _user(copy: Path) -> Iterator[None]:
    """Count as a user of a copy, by a locked file of one's own; the gate is held at the start."""
    descriptor, name = tempfile.mkstemp(prefix=f"{copy.name}.user-", dir=copy.parent)
    os.close(descriptor)
    with locked(Path(name)):
        yield
        Path(name).unlink(missing_ok=True)


def _is_used(copy: Path) -> bool:
    """Return whether a copy has users, and remove what killed ones left; its gate is held."""
    locks = {path: try_lock(path) for path in copy.parent.glob(f"{copy.name}.user-*")}
    for path, lock in locks.items():
        if lock is not None:
            path.unlink(missing_ok=True)
            lock.release()
    return None in locks.values()


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


def _state(copy: Path, hashes: Mapping[str, str]) -> list[list[int]]:
    files = [(copy / name).stat() for name in hashes]
    return [[file.st_ino, file.st_size, file.st_mtime_ns] for file in files]


def _is_good(copy: Path, hashes: Mapping[str, str]) -> bool:
    """Check a copy: by its hashes, or by its times where another process reads it just now."""
    try:
        state = _state(copy, hashes)
        if _is_used(copy) and read_json(copy / _CHECKED) == state:
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
    free = free_bytes(copy.parent)
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
        raise _DamagedStoreError(
            source,
            f"the file does not have the content that {INDEX_NAME} says",
            "remove the store and rerun the workflow",
        )


def _remove_abandoned(own: Path, copy: Path) -> None:
    """Remove copies of other stores whose users are all gone."""
    for path in own.glob("store-*"):
        other = own / path.name.split(".")[0]
        if other == copy or not path.exists():
            continue
        gate = other.with_name(f"{other.name}.gate")
        with suppress(OSError, UserError):
            lock = try_lock(gate)
            if lock is not None:
                _remove_unused(other)
                gate.unlink(missing_ok=True)
                lock.release()


def _remove_unused(copy: Path) -> None:
    """Remove a copy that nobody reads; its gate is held."""
    if not _is_used(copy):
        _remove(copy)
        _remove(copy.with_name(f"{copy.name}.part"))


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
