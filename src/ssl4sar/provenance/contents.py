"""What a file or folder holds: sizes and SHA-256, through links, regardless of time stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import FileRecord, folder_files


@dataclass(frozen=True)
class Content:
    """Size and hash of a file or of a folder with everything below it.

    Attributes:
        bytes: size, of a folder the sum over its files.
        sha256: hash of the content, of a folder over names and hashes of its files.
        files: the files of a folder by path relative to it, sorted; None for a file.
    """

    bytes: int
    sha256: str
    files: Mapping[str, FileRecord] | None = None

    @property
    def listing(self) -> dict[str, tuple[int, str]]:
        """Size and SHA-256 of each file of a folder; empty for a file."""
        return {name: (file.bytes, file.sha256) for name, file in (self.files or {}).items()}

    @classmethod
    def of_files(cls, files: Mapping[str, FileRecord]) -> Content:
        """Return the content of a folder that holds ``files``."""
        ordered = {name: files[name] for name in sorted(files)}
        digest = hashlib.sha256()
        for name, file in ordered.items():
            digest.update(f"{name}\0{file.sha256}\n".encode())
        return cls(sum(file.bytes for file in files.values()), digest.hexdigest(), ordered)


def content_of(
    path: str | Path, workers: int = 1, known: Mapping[Path, FileRecord] | None = None
) -> Content:
    """Read a file or folder and return its content.

    Links are followed: an entry of a shared cache counts like the file itself.

    Args:
        path: file or folder.
        workers: files hashed at the same time (hashing leaves the interpreter free).
        known: records of files in the folder that need not be read again.

    Raises:
        UserError: missing or not readable.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return Content(path.stat().st_size, sha256_file(path))
        names = sorted(folder_files(path))
        return Content.of_files(
            dict(zip(names, _hashed(path, names, workers, known or {}), strict=True))
        )
    except FileNotFoundError as error:
        raise UserError(
            error.filename or path, "does not exist", "run the workflow again"
        ) from error
    except OSError as error:
        raise UserError(
            error.filename or path, f"cannot be read ({error.strerror})", "check its permissions"
        ) from error


def _hashed(
    folder: Path, names: Iterable[str], workers: int, known: Mapping[Path, FileRecord]
) -> list[FileRecord]:
    def record_of(path: Path) -> FileRecord:
        return known.get(path) or FileRecord.of(path)

    paths = [folder / name for name in names]
    if workers == 1:
        return [record_of(path) for path in paths]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(record_of, paths))
