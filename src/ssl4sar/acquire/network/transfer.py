"""One try of a download: ask for what is missing of a file, and append what comes.

A part is only ever continued with bytes of the same version of the file: the server's validator
(ETag, Last-Modified) is sent back as If-Range (RFC 9110, 13.1.5).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Self

import requests
import urllib3

from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.error_answer import LONGEST_BYTES, message_kind
from ssl4sar.acquire.network.patience import (
    TRANSIENT_STATUS,
    TransientError,
    line_problem,
    transient_error,
)
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track_bytes

_CHUNK_BYTES: Final = 1 << 16
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_UNSATISFIED_RANGE: Final = re.compile(r"bytes \*/(\d+)")


class NotThereError(UserError):
    """The server says that there is no such file (any more)."""


class WrongContentError(UserError):
    """The server delivers, repeatedly and completely, something else than was announced."""


@dataclass(frozen=True)
class Source:
    """What is downloaded.

    Attributes:
        url: address.
        access: how it is opened.
        size_bytes: size that is listed; None where it is not known.
        checked: whether the complete content can be compared with a checksum.
        is_binding: whether listed size and checksum must hold.
    """

    url: str
    access: Access
    size_bytes: int | None = None
    checked: bool = False
    is_binding: bool = True

    @property
    def required_bytes(self) -> int | None:
        """Size that the content must have; None where it may have any."""
        return self.size_bytes if self.is_binding else None


@dataclass(frozen=True)
class _Version:
    """What the server said of the file that a part belongs to.

    Attributes:
        is_pieced: whether the part was continued without the server vouching for its version.
    """

    url: str
    validator: str | None
    total_bytes: int | None
    is_pieced: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None  # without it the part is of an unknown version: start anew


def part_path(target: Path) -> Path:
    """Return where the bytes of an unfinished file lie."""
    return target.with_name(target.name + ".part")


def version_path(target: Path) -> Path:
    """Return where it is kept what the server said about the version of an unfinished file."""
    return target.with_name(target.name + ".part.json")


def is_pieced(target: Path) -> bool:
    """Return whether the pieces of an unfinished file may be of different versions."""
    version = _Version.read(version_path(target))
    return version is None or version.is_pieced


def fetch_once(
    session: requests.Session, source: Source, target: Path, part: BinaryIO, timeout_s: float
) -> None:
    """Ask for what is missing and append it; the part is complete if nothing is raised.

    Raises:
        TransientError: not complete; another try may help.
        NotThereError: there is no such file.
        UserError: refused, or no space left.
    """
    start, version = _resumable(source, target, part)
    if _is_complete(source, start, version):
        return
    headers = {}
    if start:
        headers["Range"] = f"bytes={start}-"
    if start and version is not None and version.validator is not None:
        headers["If-Range"] = version.validator
    try:
        with source.access.open(session, source.url, headers, timeout_s=timeout_s) as response:
            total = _accept(response, source, target, part, version)
            if total == part_size(part):
                return
            _require_space(target, total, part_size(part))
            _receive(response, target, part, total)
    except requests.RequestException as error:
        problem = line_problem(error)
        if problem is None:
            raise UserError(
                source.url, "the download failed: this cannot be asked for", "check the address"
            ) from error
        raise TransientError(problem) from error


def part_size(part: BinaryIO) -> int:
    """Return the size of an open file."""
    return os.fstat(part.fileno()).st_size


def _is_complete(source: Source, size: int, version: _Version | None) -> bool:
    if version is None:
        return False
    return size == (source.required_bytes or version.total_bytes)


def _resumable(source: Source, target: Path, part: BinaryIO) -> tuple[int, _Version | None]:
    """Return how much is there and of which version; a useless rest is thrown away."""
    size = part_size(part)
    version = _Version.read(version_path(target)) if size else None
    if version is None or version.url != source.url or not _is_useful(source, size, version):
        part.truncate(0)
        return 0, None
    return size, version


def _is_useful(source: Source, size: int, version: _Version) -> bool:
    total = source.required_bytes or version.total_bytes
    if total is not None and size >= total:
        return size == total
    # Products never change under their identifier. Where the server names no version of such a
    # file, size and checksum tell at the end whether the parts belong together.
    is_listed = total is not None and total == source.size_bytes
    return version.validator is not None or (source.checked and is_listed)


def _accept(
    response: requests.Response,
    source: Source,
    target: Path,
    part: BinaryIO,
    version: _Version | None,
) -> int | None:
    """Bring the part in line with an answer; return the size of the whole file if it is told."""
    start = part_size(part)
    if response.status_code == 206:
        total = _continued(response, source, start, version)
        if total is not None and version is not None:
            if not _is_vouched(response, version):
                write_json(version_path(target), asdict(replace(version, is_pieced=True)))
            tell(f"{target.name}: going on after {start / 1e6:.1f} MB")
            return total
        part.truncate(0)
        raise TransientError("the server sent another part than asked for")
    if response.status_code == 416:
        end = _UNSATISFIED_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if end is not None and int(end[1]) == start and source.required_bytes in {None, start}:
            return start  # the announced length was a lie: all of it is here
        part.truncate(0)
        raise TransientError("the file on the server is shorter than what is here")
    _refuse(response, source.url)
    length = response.headers.get("Content-Length", "")
    announced = int(length) if length.isascii() and length.isdigit() else None
    content = b""
    if start:
        content = _small_content(response, announced)
        tell(f"{target.name}: starting anew: the file has changed or the server cannot resume")
    part.truncate(0)
    current = _Version(source.url, _validator(response), announced)
    write_json(version_path(target), asdict(current))
    part.write(content)
    part.flush()
    return announced


def _small_content(response: requests.Response, announced: int | None) -> bytes:
    """Return the content of a small answer in place of the rest of a file; nothing of others.

    Raises:
        TransientError: it is an error message: what is here must not be thrown away for it.
    """
    if announced is None or announced > LONGEST_BYTES:
        return b""
    content: bytes = response.content
    kind = message_kind(content)
    if kind is not None:
        raise TransientError(f"the server sent {kind} instead of the file")
    return content


def _continued(
    response: requests.Response, source: Source, start: int, version: _Version | None
) -> int | None:
    """Return the size of the whole file if an answer goes on where the part ends."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or version is None or int(match[1]) != start:
        return None
    if version.validator is not None and _validator(response) not in {version.validator, None}:
        return None
    # That pieces are of two versions shows at the end only where the listed content is meant.
    is_listed = source.checked and match[3] == str(source.size_bytes)
    if not (source.is_binding or is_listed or _is_vouched(response, version)):
        return None
    if match[3] == "*":
        return source.required_bytes or version.total_bytes
    return int(match[3])


def _is_vouched(response: requests.Response, version: _Version) -> bool:
    """Return whether the server says that an answer is of the version that is here."""
    return version.validator is not None and _validator(response) == version.validator


def _refuse(response: requests.Response, url: str) -> None:
    """Raise where the answer is not the file."""
    status = response.status_code
    if status in TRANSIENT_STATUS:
        raise transient_error(response, f"the server answered {status} {response.reason}")
    if status in {404, 410}:
        raise NotThereError(url, f"the file is not there (HTTP {status})", "correct the address")
    if status in {401, 403}:
        raise UserError(
            url, f"the server refuses access (HTTP {status})", "check address and access rights"
        )
    if status != 200:
        raise UserError(
            url, f"the server answered {status} {response.reason}", "correct the address"
        )


def _validator(response: requests.Response) -> str | None:
    """Return what tells this version of the file from others, for the header If-Range."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):  # a weak tag does not promise equal bytes
        return etag
    return response.headers.get("Last-Modified")


def _require_space(target: Path, total_bytes: int | None, present_bytes: int) -> None:
    if total_bytes is None:
        return
    missing = total_bytes - present_bytes
    free = shutil.disk_usage(target.parent).free
    if missing > free:
        raise UserError(
            target,
            f"{missing / 1e9:.2f} GB are to come, {free / 1e9:.2f} GB are free on the disk",
            "free some space and rerun",
        )


def _receive(
    response: requests.Response, target: Path, part: BinaryIO, total_bytes: int | None
) -> None:
    present = part_size(part)
    track_bytes(_write(response, part), f"downloading {target.name}", total_bytes, present)
    size = part_size(part)
    if size == 0:
        raise TransientError("the server sent nothing")
    if total_bytes is None or size == total_bytes:
        return
    if size > total_bytes:
        part.truncate(0)
    raise TransientError(f"{size} of {total_bytes} bytes arrived")


def _write(response: requests.Response, part: BinaryIO) -> Iterator[int]:
    """Write what arrives and yield the size of each piece."""
    # Reading on until a piece is full would lose a begun one when the connection breaks.
    read = getattr(response.raw, "read1", response.raw.read)
    while True:
        try:
            piece = read(_CHUNK_BYTES, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise TransientError("the server fell silent") from error
        except urllib3.exceptions.HTTPError as error:
            raise TransientError("the connection broke off") from error
        if not piece:
            return
        part.write(piece)
        part.flush()
        yield len(piece)
