"""Hashes of files that need not be read again, because nobody touched the files since.

An archive of Sentinel scenes has terabytes: to read it whole after every upgrade of the program
would take a day. As Snakemake and git do, a rerun trusts the size and the times of a file; decay of
the disk is found by ``ssl4sar audit``, which reads everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssl4sar.core.atomic import write_json
from ssl4sar.core.foreign import read_json
from ssl4sar.core.listing import FileRecord, folder_files


def record_untouched(root: Path, stamps: Path) -> dict[str, FileRecord]:
    """Record all files below a folder, reading those that were touched since the last time.

    Args:
        root: folder.
        stamps: file with the stamps of the last time, written again; read as far as it can be.

    Returns:
        Records by path relative to ``root``, POSIX, sorted.
    """
    known = _read(stamps)
    found, records = {}, {}
    for name in sorted(folder_files(root)):
        stamp = _stamp(root / name)  # before reading: a change meanwhile must not go unseen
        before = known.get(name)
        record = before[1] if before and before[0] == stamp else FileRecord.of(root / name)
        records[name] = record
        found[name] = {"stamp": stamp, **asdict(record)}
    write_json(stamps, found)
    return records


def stamp(root: Path, stamps: Path, records: Mapping[str, FileRecord]) -> None:
    """Write the stamps of files that were only moved or linked since they were recorded.

    Args:
        root: folder.
        stamps: file to write.
        records: records by path relative to ``root``.
    """
    found = {name: {"stamp": _stamp(root / name), **asdict(each)} for name, each in records.items()}
    write_json(stamps, found)


def _stamp(path: Path) -> list[int]:
    """Return what changes whenever somebody writes to a file or puts another one in its place."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(stamps: Path) -> dict[str, tuple[Any, FileRecord]]:
    try:
        listed = read_json(stamps)
        return {
            name: (each["stamp"], FileRecord(each["bytes"], each["sha256"]))
            for name, each in listed.items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}  # everything is read
