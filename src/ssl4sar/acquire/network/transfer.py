"""One try of a download: ask for what is missing of a file, and append what comes.

A part is only ever continued with bytes of the same version of the file: the server's validator
(ETag, Last-Modified) is sent back as If-Range (RFC 9110, 13.1.5).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Self

import requests

from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.error_answer import LONGEST_BYTES, message_kind
from ssl4sar.acquire.network.exchange import TRANSIENT_STATUS, failing_line, pieces, transient_error
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_json
from ssl4sar.core.progress import tell, track_bytes
from ssl4sar.core.retry import TransientError

#: Encodings that are undone on the way (RFC 9110, 8.4.1); a file is asked for without any.
_UNDONE: Final = frozenset({"gzip", "x-gzip", "deflate"})
_PACKED_AGAIN_BYTES: Final = 64_000_000
#: Of a file of unknown size the disk is not filled to the last byte.
_LEFT_FREE_BYTES: Final = 200_000_000
#: Numbers of more digits are no sizes, and too long ones are an error of the language.
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_UNSATISFIED_RANGE: Final = re.compile(r"bytes \*/([0-9]{1,18})")


class NotThereError(UserError):
    """The server says that there is no such file (any more)."""


class OverlongError(Exception):
    """The server sends more than a file can have; the message is a phrase for people."""


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
        longest_bytes: size at which a file of no listed size is given up; None: any that the disk
            holds.
    """

    url: str
    access: Access
    size_bytes: int | None = None
    checked: bool = False
    is_binding: bool = True
    longest_bytes: int | None = None

    @property
    def required_bytes(self) -> int | None:
        """Size that the content must have; None where it may have any."""
        return self.size_bytes if self.is_binding else None

    @property
    def most_bytes(self) -> int | None:
        """Bytes beyond which nothing is written; None where only the disk sets a limit."""
        if self.size_bytes is None:
            return self.longest_bytes
        # A product that was packed again differs by its compression, not by its kind of size.
        return self.size_bytes if self.is_binding else 2 * self.size_bytes + _PACKED_AGAIN_BYTES


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
            return cls(**read_json(path))
        except (OSError, ForeignTextError, TypeError):
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
        OverlongError: it is longer than it can be.
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
    with (
        failing_line(source.url, "check the address"),
        source.access.open(session, source.url, headers, timeout_s=timeout_s) as response,
    ):
        total = _accept(response, source, target, part, version)
        if total == part_size(part):
            return
        _require_space(target, total, part_size(part))
        _receive(response, source, target, part, total)


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
    is_encoded = _is_encoded(response, source.url)
    if response.status_code == 206:
        # A range of an encoded file is none of the file itself.
        total = None if is_encoded else _continued(response, source, start, version)
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
    length = _LENGTH.fullmatch(response.headers.get("Content-Length", ""))
    # The length of an encoded answer is not that of the file.
    announced = None if length is None or is_encoded else int(length[0])
    content = b""
    if start:
        content = _small_content(response, announced)
        tell(f"{target.name}: starting anew: the file has changed or the server cannot resume")
    part.truncate(0)
    current = _Version(source.url, None if is_encoded else _validator(response), announced)
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
    content = b"".join(pieces(response))
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


def _is_encoded(response: requests.Response, url: str) -> bool:
    """Return whether an answer is encoded though nobody asked for it; it is decoded on the way.

    Raises:
        UserError: the encoding is not known here.
    """
    named = response.headers.get("Content-Encoding", "").lower()
    encodings = {each.strip() for each in named.split(",")} - {"", "identity"}
    if not encodings <= _UNDONE:
        raise UserError(
            url, f"the server sends it encoded as {named}, unasked", "report it to the service"
        )
    return bool(encodings)


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
    response: requests.Response,
    source: Source,
    target: Path,
    part: BinaryIO,
    total_bytes: int | None,
) -> None:
    present = part_size(part)
    written = _written(response, part, _room(source, target, present), total_bytes)
    track_bytes(written, f"downloading {target.name}", total_bytes, present)
    size = part_size(part)
    if size == 0:
        raise TransientError("the server sent nothing")
    if total_bytes is None or size == total_bytes:
        return
    raise TransientError(f"{size} of {total_bytes} bytes arrived")


@dataclass(frozen=True)
class _Room:
    """How long a file may become, and what it means if it would be longer."""

    most_bytes: int
    refusal: Exception

    def require(self, size_bytes: int) -> None:
        if size_bytes > self.most_bytes:
            raise self.refusal


def _room(source: Source, target: Path, present_bytes: int) -> _Room:
    """Return the limit of written bytes: the size that is listed, else the free disk."""
    if source.most_bytes is not None:
        problem = f"the server sends more than {source.most_bytes} bytes"
        listed = "" if source.size_bytes is None else f", {source.size_bytes} are listed"
        return _Room(source.most_bytes, OverlongError(problem + listed))
    free = shutil.disk_usage(target.parent).free
    full = UserError(
        target,
        f"{free / 1e9:.2f} GB were free on the disk, and the file has no end yet",
        "free some space and rerun",
    )
    return _Room(present_bytes + max(free - _LEFT_FREE_BYTES, 0), full)


def _written(
    response: requests.Response, part: BinaryIO, room: _Room, total_bytes: int | None
) -> Iterator[int]:
    """Write what arrives and yield the size of each piece.

    Raises:
        OverlongError, UserError: it is more than there is room for.
        TransientError: it is more than the server announced; nothing of it is kept.
    """
    size = part_size(part)
    for piece in pieces(response):
        size += len(piece)
        room.require(size)
        if total_bytes is not None and size > total_bytes:
            part.truncate(0)
            raise TransientError(f"more than the {total_bytes} bytes announced arrived")
        part.write(piece)
        part.flush()
        yield len(piece)
