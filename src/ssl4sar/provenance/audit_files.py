"""The part of an audit that looks at files: are they there, and are they what was recorded?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import folder_files
from ssl4sar.core.progress import track
from ssl4sar.provenance.chain import Chain, Node, external_inputs
from ssl4sar.provenance.problem import Problem, shown
from ssl4sar.provenance.record import InputRecord, OutputRecord


@dataclass
class FilesFound:
    """What looking at the files of a chain gave.

    Attributes:
        problems: what does not hold, upstream first.
        notes: temporary files that were deleted.
        files: files looked at.
        bytes: bytes hashed.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class _Expected:
    """A file as a record tells it."""

    bytes: int
    sha256: str
    job: str
    outside: bool
    temporary: bool


@dataclass(frozen=True)
class _Folder:
    """A folder as a record tells it."""

    job: str
    outside: bool


def check_files(chain: Chain, quick: bool) -> FilesFound:
    """Compare every file that the records of a chain tell with what is there.

    Args:
        chain: the records of a file.
        quick: compare sizes only.
    """
    expected, folders = _expected_files(chain)
    found = FilesFound(files=len(expected))
    sizes = {path: _size(path) for path in expected}
    worth = {p: size for p, size in sizes.items() if size == expected[p].bytes}
    hashes: dict[Path, str | OSError] = {} if quick else _hashes(worth)
    found.bytes = sum(worth[path] for path in hashes)
    for path, told in expected.items():
        problem = _file_problem(path, told, sizes[path], hashes.get(path))
        if problem is None:
            continue
        if told.temporary and problem.kind == "missing":
            found.notes.append(f"{shown(path)}: temporary, deleted after use; its hash is known")
        else:
            found.problems.append(problem)
    found.problems += _added(expected, folders)
    return found


def _added(expected: Mapping[Path, _Expected], folders: Mapping[Path, _Folder]) -> list[Problem]:
    problems = []
    known = {path.parent for path in expected}
    for folder, told in folders.items():
        try:
            # What lies outside is not searched: a record may name any folder of the machine.
            names = sorted(_beside(folder, known) if told.outside else folder_files(folder))
        except FileNotFoundError:
            continue  # its files are told as missing
        except OSError as error:
            what = f"the folder cannot be listed ({error.strerror})"
            problems.append(Problem("unreadable", shown(folder), what, (told.job,)))
            continue
        for path in (folder / name for name in names):
            if path in expected:
                continue
            what = f"it was not among the files that {told.job} read"
            if not told.outside:
                what = f"{told.job} did not write it, and it lies in a folder of {told.job}"
            problems.append(Problem("added", shown(path), what, (told.job,)))
    return problems


def _beside(folder: Path, known: set[Path]) -> Iterator[str]:
    """Yield the files beside those that were read, below a folder from outside.

    A note in the folder itself, beside someone's own data, is no part of them.
    """
    for place in known:
        if folder in place.parents:
            files = (path for path in place.iterdir() if not path.is_dir())
            yield from (path.relative_to(folder).as_posix() for path in files)


def _expected_files(chain: Chain) -> tuple[dict[Path, _Expected], dict[Path, _Folder]]:
    """Return every file that the records tell, and the folders that they lie in."""
    files: dict[Path, _Expected] = {}
    folders: dict[Path, _Folder] = {}
    # Upstream first: the first fault is what a reader should see first.
    for node in reversed(chain.nodes):
        for entry in node.record.outputs:
            _expect(files, folders, node, entry, outside=False)
    for node, outside in external_inputs(chain):
        _expect(files, folders, node, outside, outside=True)
    return files, folders


def _expect(
    files: dict[Path, _Expected],
    folders: dict[Path, _Folder],
    node: Node,
    entry: InputRecord | OutputRecord,
    outside: bool,
) -> None:
    path, job = node.path_of(entry), node.record.job
    temporary = isinstance(entry, OutputRecord) and entry.temporary
    if entry.files is None:
        files.setdefault(path, _Expected(entry.bytes, entry.sha256, job, outside, temporary))
        return
    folders.setdefault(path, _Folder(job, outside))
    for name, (size, sha256) in entry.files.items():
        files.setdefault(path / name, _Expected(size, sha256, job, outside, temporary))


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
    path: Path, told: _Expected, size: int | OSError, sha256: str | OSError | None
) -> Problem | None:
    verb, job = "read" if told.outside else "wrote", (told.job,)
    for found in (size, sha256):
        if isinstance(found, FileNotFoundError | NotADirectoryError):
            return Problem("missing", shown(path), f"{told.job} {verb} it, it is not there", job)
        if isinstance(found, OSError):
            return Problem("unreadable", shown(path), f"cannot be read ({found.strerror})", job)
    if size != told.bytes:
        what = f"{told.job} {verb} {told.bytes} bytes, it has {size}"
    elif isinstance(sha256, str) and sha256 != told.sha256:
        what = f"{told.job} {verb} sha256 {told.sha256[:12]}..., it has {sha256[:12]}..."
    else:
        return None
    return Problem("altered", shown(path), what, job)
