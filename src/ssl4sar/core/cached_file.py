"""A file that was fetched once and is reused: one mechanism for everything that is downloaded.

A rerun of a job must not fetch again what is there. A cached file is therefore not an output that
Snakemake deletes; where it came from and its hash are in ``.NAME.origin.json`` beside it. It is
reused if it has the checksums that are expected of it or, where none is known, if it came from the
same source and has not changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import Checksum, can_compute, file_digests
from ssl4sar.core.progress import log

T = TypeVar("T")


@dataclass(frozen=True)
class CachedFile(Generic[T]):
    """A file that is there and was checked.

    Attributes:
        path: the file.
        bytes: its size.
        sha256: hash of its content.
        facts: what the check returned.
        is_reused: whether it was there already.
    """

    path: Path
    bytes: int
    sha256: str
    facts: T
    is_reused: bool


def cached_file(
    path: str | Path,
    source: str,
    fetch: Callable[[Path], Any],
    check: Callable[[Path], T],
    expected: Iterable[Checksum] = (),
) -> CachedFile[T]:
    """Return a file: that of an earlier run if it still holds, else fetched and checked.

    Args:
        path: the file; it has this name only if it was checked.
        source: where it comes from: an address, or a service and an identifier.
        fetch: writes it to the path that it is given, in the same folder.
        check: reads it and returns its facts; raises UserError where it is not what is wanted.
        expected: checksums of its content; those that cannot be computed here do not count.

    Raises:
        UserError: of ``fetch``; or of ``check``, about the source.
    """
    path, expected = Path(path), tuple(expected)
    sha256 = _reusable(path, source, expected)
    if sha256 is not None:
        try:
            return CachedFile(path, path.stat().st_size, sha256, check(path), True)
        except UserError as error:
            log(f"{error}: fetching it again")
    # It gets its name when it is checked: a wrong file must never pass for the right one.
    fetched = path.with_name(f"fetched_{path.name}")
    fetch(fetched)
    try:
        facts = check(fetched)
    except UserError as error:
        fetched.unlink()
        if type(error) is not UserError:
            raise
        raise UserError(source, error.problem, error.fix) from error
    sha256 = file_digests(fetched, {"sha256"})["sha256"]
    fetched.replace(path)
    write_json(origin_path(path), {"url": source, "sha256": sha256})
    return CachedFile(path, path.stat().st_size, sha256, facts, False)


def matching_sha256(path: Path, expected: Iterable[Checksum]) -> str | None:
    """Return the SHA-256 of a file that has all expected checksums; None of another or none.

    Args:
        path: the file.
        expected: checksums; those that cannot be computed here do not count.
    """
    known = [each for each in expected if can_compute(each.algorithm)]
    if not path.is_file():
        return None
    digests = file_digests(path, {"sha256", *(each.algorithm for each in known)})
    agree = all(digests[each.algorithm] == each.digits for each in known)
    return digests["sha256"] if agree else None


def remove_cached(path: Path) -> None:
    """Remove a file and the note of its origin, where they are there."""
    path.unlink(missing_ok=True)
    origin_path(path).unlink(missing_ok=True)


def origin_path(path: Path) -> Path:
    """Return the file that notes where a cached file came from."""
    return path.with_name(f".{path.name}.origin.json")


def _reusable(path: Path, source: str, expected: tuple[Checksum, ...]) -> str | None:
    if not path.is_file():
        return None
    sha256 = matching_sha256(path, expected)
    if sha256 is not None:
        if any(can_compute(each.algorithm) for each in expected):
            return sha256
        if _origin(path) == {"url": source, "sha256": sha256}:
            return sha256
    log(f"{path.name}: it came from elsewhere or has changed: fetching it again")
    return None


def _origin(path: Path) -> Any:
    try:
        return read_json(origin_path(path))
    except (OSError, ValueError):
        return None
