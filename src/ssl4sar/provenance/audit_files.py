"""The part of an audit that looks at files: are they there, and are they what was recorded?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import folder_files
from ssl4sar.core.progress import track
from ssl4sar.provenance.chain import Chain, Node, external_inputs
from ssl4sar.provenance.findings import Audit, Kind, listed, shown
from ssl4sar.provenance.record import InputRecord, OutputRecord


@dataclass(frozen=True)
class _Expected:
    """A file as a record has it, or a folder, of which only the list of files is compared."""

    job: str
    outside: bool
    temporary: bool = False
    folder: Path | None = None
    bytes: int = 0
    sha256: str = ""


def check_files(audit: Audit, quick: bool) -> None:
    """Compare every file that the records of a chain name with what is there."""
    expected, folders = _expected_files(audit.chain)
    sizes = {path: _size(path) for path in expected}
    worth = {p: size for p, size in sizes.items() if size == expected[p].bytes}
    hashes: dict[Path, str | OSError] = {} if quick else _hashes(worth)
    audit.files, audit.bytes = len(expected), sum(worth[path] for path in hashes)
    gone: dict[str, None] = {}
    for path, entry in expected.items():
        problem = _file_problem(entry, sizes[path], hashes.get(path))
        if problem is not None and problem[0] == "missing" and entry.temporary:
            gone[shown(entry.folder or path)] = None
        elif problem is not None:
            audit.add(problem[0], path, problem[1], entry.job)
    if gone:
        known = "its hash is known" if len(gone) == 1 else "their hashes are known"
        audit.note(f"{listed(list(gone))}: temporary, deleted after use; {known}")
    _check_added(audit, expected, folders)


def _check_added(
    audit: Audit, expected: Mapping[Path, _Expected], folders: Mapping[Path, _Expected]
) -> None:
    known = {path.parent for path in expected}
    for folder, entry in folders.items():
        try:
            # What is outside is not searched: a record may name any folder of the machine.
            names = sorted(_beside(folder, known) if entry.outside else folder_files(folder))
        except FileNotFoundError:
            continue  # its files are reported as missing
        except OSError as error:
            message = f"the folder cannot be listed ({error.strerror})"
            audit.add("unreadable", folder, message, entry.job)
            continue
        message = f"it was not among the files that {entry.job} read"
        if not entry.outside:
            message = f"{entry.job} did not write it, and it is in a folder of {entry.job}"
        for path in (folder / name for name in names):
            if path not in expected:
                audit.add("added", path, message, entry.job)


def _beside(folder: Path, known: set[Path]) -> Iterator[str]:
    """Yield the files beside those that were read, below a folder from outside."""
    for place in known:
        if folder in place.parents:
            files = (path for path in place.iterdir() if not path.is_dir())
            yield from (path.relative_to(folder).as_posix() for path in files)


def _expected_files(chain: Chain) -> tuple[dict[Path, _Expected], dict[Path, _Expected]]:
    """Return every file that the records name, and the folders that they are in."""
    files: dict[Path, _Expected] = {}
    folders: dict[Path, _Expected] = {}
    # Upstream first: the first fault is what a reader should see first.
    named: list[tuple[Node, InputRecord | OutputRecord]] = []
    for node in reversed(chain.nodes):
        named += [(node, output) for output in node.record.outputs]
    for node, entry in [*named, *external_inputs(chain)]:
        path, outside = node.path_of(entry), isinstance(entry, InputRecord)
        of_job = _Expected(node.record.job, outside, getattr(entry, "temporary", False))
        if entry.files is None:
            files.setdefault(path, replace(of_job, bytes=entry.bytes, sha256=entry.sha256))
            continue
        folders.setdefault(path, of_job)
        for name, (size, sha256) in entry.files.items():
            files.setdefault(path / name, replace(of_job, folder=path, bytes=size, sha256=sha256))
    return files, folders


def _size(path: Path) -> int | OSError:
    try:
        return path.stat().st_size
    except OSError as error:
        return error


def _hashes(sizes: Mapping[Path, int]) -> dict[Path, str | OSError]:
    """Hash files on all cores, the large ones first."""
    paths = sorted(sizes, key=lambda path: -sizes[path])

    def read(path: Path) -> str | OSError:
        try:
            return sha256_file(path)
        except OSError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = track(pool.map(read, paths), "hashing files", total=len(paths))
        return dict(zip(paths, done, strict=True))


def _file_problem(
    entry: _Expected, size: int | OSError, sha256: str | OSError | None
) -> tuple[Kind, str] | None:
    did = f"{entry.job} {'read' if entry.outside else 'wrote'}"
    for found in (size, sha256):
        if isinstance(found, FileNotFoundError | NotADirectoryError):
            return "missing", f"{did} it, it is not there"
        if isinstance(found, OSError):
            return "unreadable", f"cannot be read ({found.strerror})"
    if size != entry.bytes:
        return "altered", f"{did} {entry.bytes} bytes, it has {size}"
    if isinstance(sha256, str) and sha256 != entry.sha256:
        return "altered", f"{did} sha256 {entry.sha256[:12]}..., it has {sha256[:12]}..."
    return None
