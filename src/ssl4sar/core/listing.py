"""Size and hash of every file of a folder, for Snakemake to track by content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ssl4sar.core.atomic import write_json
from ssl4sar.core.hashing import sha256_file

#: Snakemake puts it into a folder that a job has made. The job of a killed run that goes on may
#: find it there from the job that did the same work again.
_NOT_CONTENT: Final = ".snakemake_timestamp"


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

    Args:
        root: folder.

    Returns:
        Records by path relative to ``root``, POSIX, sorted.
    """
    return {name: FileRecord.of(root / name) for name in sorted(folder_files(root))}


def folder_files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it, POSIX; links are followed.

    Raises:
        OSError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    for place, _, names in os.walk(folder, followlinks=True, onerror=refuse):
        relative = Path(place).relative_to(folder)
        for name in names:
            if name != _NOT_CONTENT:
                yield (relative / name).as_posix()


def write_listing(root: Path, path: Path) -> None:
    """Write the records of all files below a folder as JSON, atomically; equal for equal files.

    Args:
        root: folder to list.
        path: JSON file.
    """
    write_json(path, {name: asdict(record) for name, record in record_files(root).items()})
