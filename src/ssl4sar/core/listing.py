"""Size and hash of every file of a folder, for Snakemake to track by content."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file

#: Snakemake puts it into a folder that a job has made. The job of a killed run that continues may
#: find it there from the job that did the same work again.
_NOT_CONTENT: Final = ".snakemake_timestamp"
#: How Snakemake names the files and folders of one entry of a shared cache.
CACHE_KEY: Final = re.compile(r"[0-9a-f]{64}_")
#: The largest folders, of scenes or pairs, have some ten thousand.
_MOST_ENTRIES: Final = 2_000_000


@dataclass(frozen=True)
class FileRecord:
    """Size and content hash of a file."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileRecord:
        """Read a file and return its record."""
        return cls(path.stat().st_size, sha256_file(path))


def record_files(root: Path) -> dict[str, FileRecord]:
    """Hash all files below a folder, Snakemake's own time stamp apart.

    Returns:
        Records by path relative to ``root``, POSIX, sorted.
    """
    return {name: FileRecord.of(root / name) for name in sorted(folder_files(root))}


def folder_files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it, POSIX; links are followed.

    Raises:
        OSError: a folder cannot be read, a link leads to a folder above it, or there are far too
            many files.
    """
    # Each folder with those that it was reached through: links may go in circles.
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    entries = 0
    while waiting:
        place, above = waiting.pop()
        status = place.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            raise OSError(errno.ELOOP, "a link leads back to a folder above it", str(place))
        for entry in sorted(place.iterdir()):
            entries += 1
            if entries > _MOST_ENTRIES:
                raise OSError(errno.E2BIG, f"more than {_MOST_ENTRIES:,} files", str(folder))
            if entry.is_dir() and is_doubled_entry(entry):
                continue
            if entry.is_dir():
                waiting.append((entry, above | {here}))
            elif entry.name != _NOT_CONTENT:
                yield entry.relative_to(folder).as_posix()


def is_doubled_entry(path: Path) -> bool:
    """Return whether a folder is an entry of Snakemake's shared cache within the same entry.

    Where two runs store a folder at the same time, Snakemake moves the second into the first. It
    is the same content once more, which nobody reads.
    """
    real = path.resolve()
    return real.name == real.parent.name and CACHE_KEY.match(real.name) is not None


def write_listing(root: Path, path: Path) -> None:
    """Write the records of all files below a folder as JSON, atomically; equal for equal files."""
    write_json(path, {name: asdict(record) for name, record in record_files(root).items()})
