"""Extracting archives that are not trusted: nothing leaves the folder, nothing fills the disk.

Only files and folders come out, under the names of the archive, which are all checked before the
first byte is written. That is stricter than the filter ``data`` of :mod:`tarfile`, which admits
links within the folder, and it holds for both kinds of archives alike. Owners, rights and times are
not taken over.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
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
_MAX_MEMBERS: Final = 1_000_000
#: Longer names of files and folders no usual file system takes.
_LONGEST_NAME_BYTES: Final = 255
#: What one member says of itself besides its content: a long name, owners, times.
_LONGEST_NOTE_BYTES: Final = 1_000_000
#: All such notes of a tar, or the list of members of a zip: those of 300,000 files.
_LONGEST_LIST_BYTES: Final = 32_000_000
_CHUNK_BYTES: Final = 1 << 20
_AGAIN: Final = "remove the archive and download it again"
_GZIP_START: Final = b"\x1f\x8b"
_ZIP_START: Final = b"PK"
#: What reading a damaged or truncated archive raises.
_DAMAGE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
_NOT_OURS: Final = "do not use this archive; get the official one"


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive.

    Attributes:
        name: path in the archive.
        is_dir: whether it is a folder.
        size_bytes: size that the archive states.
        open: opens its content.
    """

    name: str
    is_dir: bool
    size_bytes: int
    open: Callable[[], IO[bytes] | None]

    @property
    def path(self) -> PurePosixPath:
        """Its path in one spelling."""
        return PurePosixPath(self.name)


def extract_archive(archive: str | Path, target: str | Path) -> list[str]:
    """Extract a zip or a tar, plain or gzip-compressed, recognised by its content.

    Args:
        archive: the file.
        target: folder, which appears complete or not at all; an older one is replaced.

    Returns:
        Names of the extracted files, sorted.

    Raises:
        UserError: missing, truncated or damaged archive; a member with an absolute path, ``..``,
            a drive letter or a backslash, a link, device or sparse file, a name used twice,
            encryption, an unknown compression; more data than the archive or the disk can hold.
    """
    archive, target = Path(archive), Path(target)
    _require_file(archive)
    # By its start: a tar may well end with a zip.
    opened = _zip_members if _starts_with(archive, _ZIP_START) else _tar_members
    with _damage_reported(archive), opened(archive) as members:
        _check(archive, members)
        require_space(target, sum(member.size_bytes for member in members), "to be extracted")
        files = [member for member in members if not member.is_dir]
        with atomic_directory(target) as folder:
            for member in track(files, f"extracting {archive.name}"):
                _extract(archive, member, folder)
    return sorted(member.name for member in files)


@contextmanager
def open_zip(archive: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose members could all be extracted without harm; nothing is written.

    Args:
        archive: zip file.

    Raises:
        UserError: as :func:`extract_archive`, the space on the disk apart.
    """
    archive = Path(archive)
    _require_file(archive)
    with _damage_reported(archive), open_limited_zip(archive) as opened:
        _check(archive, _checked_zip(archive, opened))
        yield opened


@contextmanager
def open_limited_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip unless the list of its members is far too long; nothing else is checked.

    Raises:
        ValueError: it is.
        zipfile.BadZipFile: it is not a zip, or damaged.
        OSError: it cannot be read.
    """
    with archive.open("rb") as file:
        stream = _LimitedReads(file, _LONGEST_LIST_BYTES)
        with zipfile.ZipFile(stream) as opened:
            stream.longest = None
            yield opened


class _LimitedReads:
    """A stream of which only so much is read while the lists of an archive are read.

    The libraries read a note or a list of any length at once, and hold it in memory.

    Attributes:
        longest: bytes that may be read at once; None once the content of members is read.
        left: bytes that may be read in all until then; None without a limit.
    """

    def __init__(self, stream: Any, longest: int, left: int | None = None) -> None:
        self.longest: int | None = longest
        self.left = left
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable
        self.close = stream.close

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does, within the limits."""
        if self.longest is None:
            return bytes(self._stream.read(size))
        # Asked for in vain at the end of a file, which is its whole rest.
        wanted = self.longest + 1 if size < 0 else size
        if wanted <= self.longest and self.left is not None:
            self.left -= wanted
        content = b"" if wanted > self.longest and size >= 0 else self._stream.read(wanted)
        if max(len(content), size) > self.longest or (self.left is not None and self.left < 0):
            raise ValueError("what it says of its members is far too long")
        return content


def _require_file(archive: Path) -> None:
    if not archive.is_file():
        raise UserError(archive, "the archive does not exist", "download it first")


def _starts_with(archive: Path, start: bytes) -> bool:
    with archive.open("rb") as file:
        return file.read(len(start)) == start


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise UserError(
            archive, f"the file is not a complete zip or tar archive ({error})", _AGAIN
        ) from error


@contextmanager
def _zip_members(archive: Path) -> Iterator[list[_Member]]:
    with open_limited_zip(archive) as opened:
        yield _checked_zip(archive, opened)


def _checked_zip(archive: Path, opened: zipfile.ZipFile) -> list[_Member]:
    """Return the members of a zip; refuse what only a zip can have."""
    size = archive.stat().st_size
    members = []
    for info in opened.infolist():
        # The library cuts names at a zero byte and turns other separators into slashes: the name
        # as stored counts, too.
        _refuse_bad_name(archive, info.filename, info.orig_filename)
        # `is_dir` of Python 3.11 fails for a damaged entry without a name.
        is_dir = info.filename.endswith("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        problem = None
        if stat.S_ISLNK(kind):
            problem = "is a link"
        elif kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            problem = "is not a plain file"
        elif info.flag_bits & 0x1:
            problem = "is encrypted"
        elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            problem = f"has compression {info.compress_type}, which no official archive uses"
        elif not 0 <= info.header_offset < size:
            problem = "is outside the archive"
        elif is_dir and info.file_size:
            problem = "is a folder with content"
        if problem is not None:
            raise UserError(archive, f"member {info.filename!r} {problem}", _NOT_OURS)
        members.append(
            _Member(info.filename, is_dir, info.file_size, lambda info=info: opened.open(info))  # type: ignore[misc]
        )
    return members


@contextmanager
def _tar_members(archive: Path) -> Iterator[list[_Member]]:
    """Read all headers of a tar; notes of members are limited, each and together."""
    packed = _starts_with(archive, _GZIP_START)
    with gzip.open(archive, "rb") if packed else archive.open("rb") as file:
        stream = _LimitedReads(file, _LONGEST_NOTE_BYTES, _LONGEST_LIST_BYTES)

        class Header(tarfile.TarInfo):
            """A header of a member, which is not a note."""

            @classmethod
            def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
                if stream.left is not None:
                    stream.left += len(buf)
                return super().frombuf(buf, encoding, errors)

        with tarfile.open(fileobj=stream, mode="r:", tarinfo=Header) as opened:  # type: ignore[call-overload]
            members = _checked_tar(archive, opened)
            stream.longest = None
            _check_rest(archive, opened)
            yield members


def _checked_tar(archive: Path, opened: tarfile.TarFile) -> list[_Member]:
    """Return the members of a tar; refuse links, and a bomb before it is unpacked to its end."""
    members: list[_Member] = []
    total = 0
    for info in opened:
        member = _Member(
            info.name, info.isdir(), info.size, lambda info=info: opened.extractfile(info)  # type: ignore[misc]
        )  # fmt: skip
        if member.is_dir and member.path == PurePosixPath():
            continue  # the folder itself, as "tar -C FOLDER ." stores it
        if not (info.isreg() or info.isdir()) or info.issparse():
            problem = "is a link" if info.issym() or info.islnk() else "is not a plain file"
            raise UserError(archive, f"member {info.name!r} {problem}", _NOT_OURS)
        total += info.size
        _refuse_bomb(archive, total)
        members.append(member)
        if len(members) > _MAX_MEMBERS:
            break
    return members


def _check_rest(archive: Path, opened: tarfile.TarFile) -> None:
    """Check that the last member read is the last one, and read to the end.

    A bad header ends the list without an error, and gzip compares its checksum at the very end.

    Raises:
        tarfile.ReadError: no block of zeros follows the last member.
    """
    stream: Any = opened.fileobj
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("a header is damaged or the end is missing")
    read = 0
    while chunk := stream.read(_CHUNK_BYTES):
        read += len(chunk)
        _refuse_bomb(archive, read)


def _check(archive: Path, members: Sequence[_Member]) -> None:
    if not members:
        raise UserError(archive, "the archive is empty", _AGAIN)
    if len(members) > _MAX_MEMBERS:
        raise UserError(archive, f"the archive has {len(members)} members", _NOT_OURS)
    for member in members:
        _refuse_bad_name(archive, member.name, member.name)
    path, count = Counter(member.path for member in members).most_common(1)[0]
    if count > 1:
        raise UserError(archive, f"member {str(path)!r} is there {count} times", _NOT_OURS)
    files = {member.path for member in members if not member.is_dir}
    both = next((each for m in members for each in m.path.parents if each in files), None)
    if both is not None:
        raise UserError(archive, f"member {str(both)!r} is both a file and a folder", _NOT_OURS)
    _refuse_bomb(archive, sum(member.size_bytes for member in members))


def _refuse_bad_name(archive: Path, shown: str, name: str) -> None:
    reason = _bad_name(name)
    if reason is not None:
        raise UserError(archive, f"member {shown!r} {reason}", _NOT_OURS)


def _bad_name(name: str) -> str | None:
    parts = name.split("/")
    if not name.strip("/"):
        return "has no name"
    if name.startswith("/"):
        return "has an absolute path"
    if len(parts[0]) >= 2 and parts[0][1] == ":":
        return "has a drive letter"
    if "\\" in name:
        return "has a backslash in its path"
    if ".." in parts:
        return "leads out of the folder"
    if any(ord(character) < 32 for character in name):
        return "has a control character in its name"
    if max(len(part.encode("utf-8", "surrogatepass")) for part in parts) > _LONGEST_NAME_BYTES:
        return f"has a name of more than {_LONGEST_NAME_BYTES} bytes"
    return None


def _refuse_bomb(archive: Path, total: int) -> None:
    if total > MAX_RATIO * archive.stat().st_size + _HARMLESS_BYTES:
        raise UserError(
            archive, f"it would unpack to {total / 1e9:.1f} GB, far more than images can", _NOT_OURS
        )


def _extract(archive: Path, member: _Member, folder: Path) -> None:
    path = folder.joinpath(*member.path.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The readers stop at the stated size, so a member cannot unpack to more than was counted;
        # that of a zip compares the checksum, too.
        source = member.open()
        if source is None:
            raise ValueError("it has no content")
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
    except _DAMAGE as error:
        raise UserError(archive, f"member {member.name!r} is damaged ({error})", _AGAIN) from error
    if path.stat().st_size != member.size_bytes:
        raise UserError(archive, f"member {member.name!r} is cut off", _AGAIN)
