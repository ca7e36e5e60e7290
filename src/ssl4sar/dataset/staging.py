"""A copy of a store on a disk of the node, for as long as somebody there reads it.

Crops are read at random places of memory-mapped arrays, which strains a network file system that
many trainings share. The processes of a node share one copy. Whoever comes first makes it and
checks it against the hashes of the index; whoever goes last removes it. Locks end with their
process, so what a killed job left is seen to be nobody's, and removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.lock import locked
from ssl4sar.core.progress import log
from ssl4sar.core.space import free_bytes
from ssl4sar.dataset.flat_arrays import INDEX_NAME

_PIECE_BYTES: Final = 16 * 2**20
#: Left free on the disk, which others use too.
_SPARE_BYTES: Final = 256 * 2**20
#: The gate is held for moments, but while a copy is made.
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
            log(f"no copy of {folder} in {scratch}: {_reason(problem)}; the original is read")
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
        try:
            with _gate(own):
                _remove_unused(own)
                in_use.enter_context(_user(copy))
                if copy.is_dir():
                    log(f"sharing the copy {copy} with another process")
                else:
                    _make_copy(folder, copy, hashes)
            yield copy
        finally:
            # Not being able to tidy up must not fail a finished training.
            with suppress(OSError, UserError, _NotStagedError), _gate(own):
                in_use.close()
                _remove_unused(own)


@contextmanager
def _gate(own: Path) -> Iterator[None]:
    """Be the only one that makes or removes copies, and that comes to use one or leaves it."""
    with locked(own / "gate", poll_s=_POLL_S) as lock:
        if not lock.is_locked:
            raise _NotStagedError("its file system has no locks")
        yield


@contextmanager
def _user(copy: Path) -> Iterator[None]:
    """Count as a user of a copy, by a lock that all users share."""
    with copy.with_suffix(".users").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        try:
            yield
        finally:
            # Loader processes may have the file open, too.
            fcntl.flock(file, fcntl.LOCK_UN)


def _remove_unused(own: Path) -> None:
    """Remove copies that nobody reads, also of killed jobs and other stores; the gate is held."""
    for users in own.glob("store-*.users"):
        with users.open() as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for rest in (users.with_suffix(""), users.with_suffix(".part")):
                shutil.rmtree(rest, ignore_errors=True)
            users.unlink()


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


def _make_copy(folder: Path, copy: Path, hashes: Mapping[str, str]) -> None:
    needed = sum((folder / name).stat().st_size for name in hashes)
    free = free_bytes(copy.parent)
    if free < needed + _SPARE_BYTES:
        raise _NotStagedError(
            f"{needed / 1e9:.2f} GB are needed and {_SPARE_BYTES / 1e9:.2f} GB to spare, "
            f"{free / 1e9:.2f} GB are free"
        )
    log(f"copying {folder} ({needed / 1e9:.2f} GB) to {copy}")
    part = copy.with_suffix(".part")
    part.mkdir(mode=0o700)
    for name, sha256 in hashes.items():
        _copy_file(folder / name, part / name, sha256)
    part.replace(copy)


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
