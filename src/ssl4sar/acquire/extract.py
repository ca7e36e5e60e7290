"""Extracting archives that are not trusted: nothing leaves the folder, nothing fills the disk.

Only files and folders come out, under the names of the archive, which are all checked before the
first byte is written: no links, no devices, no paths out of the folder.
"""

from __future__ import annotations

import gzip
import io
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Self

from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import track
from ssl4sar.core.space import require_space

#: Images are compressed already, so a zip of them unpacks to little more than its own size.
MAX_RATIO: Final = 100
#: Below this size a high ratio does no harm, e.g. a zip of a few text files.
_HARMLESS_BYTES: Final = 100_000_000
#: What the members of a tar say of themselves in notes (long names), or the list of a zip.
_LONGEST_LIST_BYTES: Final = 32_000_000
#: Longer names of files and folders no usual file system takes.
_LONGEST_NAME_BYTES: Final = 255
_NOTES: Final = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_CHUNK_BYTES: Final = 1 << 20
_AGAIN: Final = "remove the archive and download it again"
_NOT_OURS: Final = "do not use this archive; get the official one"
_TOO_LONG: Final = "what it says of its members is far too long"
#: What reading a damaged or truncated archive raises.
_DAMAGE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive; ``problem`` says why it is not a plain one."""

    name: str
    is_dir: bool
    size_bytes: int
    problem: str | None
    open: Callable[[], IO[bytes] | None]


def extract_archive(archive: str | Path, target: str | Path) -> list[str]:
    """Extract a zip or a tar, plain or gzip-compressed, recognised by its content.

    Args:
        archive: the file.
        target: folder, which appears complete or not at all; an older one is replaced.

    Returns:
        Names of the extracted files, sorted.

    Raises:
        UserError: missing, truncated or damaged archive; a path that leads out of the folder, a
            link or device, a name used twice, encryption, an unknown compression; more data than
            the archive or the disk can hold.
    """
    archive, target = Path(archive), Path(target)
    with _damage_reported(archive), _members(archive) as members:
        require_space(target, sum(member.size_bytes for member in members), "to be extracted")
        files = [member for member in members if not member.is_dir]
        with atomic_directory(target) as folder:
            for member in track(files, f"extracting {archive.name}"):
                _extract(archive, member, folder)
    return sorted(member.name for member in files)


@contextmanager
def open_zip(archive: str | Path, *, checked: bool = False) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose members could all be extracted without harm; nothing is written.

    Args:
        archive: the file.
        checked: its members were checked before.

    Raises:
        UserError: as :func:`extract_archive`, the space on the disk apart.
    """
    archive = Path(archive)
    _require_file(archive)
    with _damage_reported(archive), open_limited_zip(archive) as opened:
        if not checked:
            _check(archive, _zip_members(opened))
        yield opened


class _ShortReads(io.FileIO):
    """A file of which only so much is read at once while the list of a zip is read."""

    longest: int | None = _LONGEST_LIST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as the file does, within the limit."""
        if self.longest is not None and size is not None and size > self.longest:
            raise ValueError(_TOO_LONG)
        return super().read(size) or b""


@contextmanager
def open_limited_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip unless the list of its members is far too long; nothing else is checked.

    Raises:
        ValueError: it is.
        zipfile.BadZipFile: it is not a zip, or damaged.
        OSError: it cannot be read.
    """
    with _ShortReads(archive) as stream, zipfile.ZipFile(stream) as opened:
        stream.longest = None
        yield opened


def _require_file(archive: Path) -> None:
    if not archive.is_file():
        raise UserError(archive, "the archive does not exist", "download it first")


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise UserError(
            archive, f"the file is not a complete zip or tar archive ({error})", _AGAIN
        ) from error


@contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    """Yield the checked members of an archive, ready to be read."""
    _require_file(archive)
    with archive.open("rb") as file:
        start = file.read(2)
    if start == b"PK":  # by its start: a tar may well end with a zip
        with open_limited_zip(archive) as opened:
            members = _zip_members(opened)
            _check(archive, members)
            yield members
        return
    with (
        gzip.open(archive, "rb") if start == b"\x1f\x8b" else archive.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r:", tarinfo=_limited_header()) as tar,
    ):
        members = _tar_members(archive, tar)
        _check(archive, members)
        _check_rest(archive, tar)
        yield members


def _zip_members(opened: zipfile.ZipFile) -> list[_Member]:
    members = []
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        problem = None
        if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            problem = "is a link or not a plain file"
        elif info.flag_bits & 0x1:
            problem = "is encrypted"
        elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            problem = f"has compression {info.compress_type}, which no official archive uses"
        elif info.orig_filename != info.filename:  # the library cuts names at a zero byte
            problem = "has a name with a control character"
        elif info.header_offset < 0:
            problem = "is outside the archive"
        is_dir = info.filename.endswith("/")
        opener = lambda info=info: opened.open(info)  # noqa: E731 - binds the member of the loop
        members.append(_Member(info.filename, is_dir, info.file_size, problem, opener))
    return members


def _limited_header() -> type[tarfile.TarInfo]:
    """Return a class of headers whose notes are limited, for the library reads them at once."""
    noted = 0

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
            nonlocal noted
            header = super().frombuf(buf, encoding, errors)
            if header.size < 0:  # the library would read all, or go back for ever
                raise ValueError("a member has a negative size")
            noted += header.size if header.type in _NOTES else 0
            if noted > _LONGEST_LIST_BYTES:
                raise ValueError(_TOO_LONG)
            return header

    return Header


def _tar_members(archive: Path, opened: tarfile.TarFile) -> list[_Member]:
    """Return the members of a tar; a bomb is refused before it is unpacked to its end."""
    members: list[_Member] = []
    total = 0
    for info in opened:
        if info.isdir() and PurePosixPath(info.name) == PurePosixPath():
            continue  # the folder itself, as "tar -C FOLDER ." stores it
        if info.size < 0:  # by a note, which counts for more than the header
            raise ValueError("a member has a negative size")
        is_plain = (info.isreg() or info.isdir()) and not info.issparse()
        problem = None if is_plain else "is a link or not a plain file"
        total += info.size
        _refuse_bomb(archive, total)
        opener = lambda info=info: opened.extractfile(info)  # noqa: E731
        members.append(_Member(info.name, info.isdir(), info.size, problem, opener))
    return members


def _check_rest(archive: Path, opened: tarfile.TarFile) -> None:
    """Read to the end: a bad header ends the list silently, and gzip has its checksum there."""
    stream: Any = opened.fileobj
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("a header is damaged or the end is missing")
    read = 0
    while chunk := stream.read(_CHUNK_BYTES):
        read += len(chunk)
        _refuse_bomb(archive, read)


def _check(archive: Path, members: Sequence[_Member]) -> None:
    """Refuse an archive that is empty, a bomb, or has a member that must not come out."""
    if not members:
        raise UserError(archive, "the archive is empty", _AGAIN)
    _refuse_bomb(archive, sum(member.size_bytes for member in members))
    seen: set[PurePosixPath] = set()
    for member in members:
        path = PurePosixPath(member.name)
        problem = member.problem
        if not _is_within(member.name):
            problem = "leads out of the folder, or has a name that not every system can have"
        elif path in seen:
            problem = "is there twice"
        if problem is not None:
            raise UserError(archive, f"member {member.name!r} {problem}", _NOT_OURS)
        seen.add(path)


def _is_within(name: str) -> bool:
    """Return whether a name is a plain path below the folder, on any system."""
    path = PurePosixPath(name)
    return (
        path != PurePosixPath()
        and not path.is_absolute()
        and ".." not in path.parts
        and ":" not in path.parts[0]
        and "\\" not in name
        and name.isprintable()
        and all(len(part.encode()) <= _LONGEST_NAME_BYTES for part in path.parts)
    )


def _refuse_bomb(archive: Path, total: int) -> None:
    if total > MAX_RATIO * archive.stat().st_size + _HARMLESS_BYTES:
        raise UserError(
            archive, f"it would unpack to {total / 1e9:.1f} GB, far more than images can", _NOT_OURS
        )


def _extract(archive: Path, member: _Member, folder: Path) -> None:
    path = folder / member.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The readers stop at the stated size; that of a zip compares the checksum, too.
        source = member.open()
        if source is None:
            raise ValueError("it has no content")
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
    except (FileExistsError, NotADirectoryError, *_DAMAGE) as error:
        raise UserError(archive, f"member {member.name!r} is damaged ({error})", _AGAIN) from error
    if path.stat().st_size != member.size_bytes:
        raise UserError(archive, f"member {member.name!r} is cut off", _AGAIN)
