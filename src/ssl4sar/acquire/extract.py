"""Extracting archives that are not trusted: nothing leaves the folder, nothing fills the disk."""

from __future__ import annotations

import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Self

from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import track

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
#: What reading a damaged or truncated tar raises.
_TAR_DAMAGE: Final = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
_NOT_OURS: Final = "do not use this archive; get the official one"


@dataclass(frozen=True)
class ExtractedFile:
    """Size and checksum of an extracted file, as the archive states and the content confirms."""

    bytes: int
    crc32: int


@dataclass(frozen=True)
class ExtractionRecord:
    """What came out of an archive.

    Attributes:
        archive: file name of the archive.
        files: size and checksum by path relative to the folder, sorted.
    """

    archive: str
    files: dict[str, ExtractedFile]

    def write(self, path: str | Path) -> None:
        """Write the record as JSON, atomically."""
        write_json(path, asdict(self))


@dataclass(frozen=True)
class _Entry:
    """What the checks of all kinds of archives need to know of a member."""

    name: str
    is_dir: bool
    bytes: int

    @property
    def plain(self) -> str:
        return str(PurePosixPath(self.name))


def extract_archive(archive: str | Path, target: str | Path) -> ExtractionRecord:
    """Extract a zip or a tar, plain or gzip-compressed, told apart by its content.

    Args:
        archive: the file.
        target: folder; an older one is replaced.

    Returns:
        The extracted files.

    Raises:
        UserError: as :func:`extract_zip` and :func:`extract_tar`.
    """
    archive = Path(archive)
    _require_file(archive)
    # By its start: a tar may well end with a zip.
    if _starts_with(archive, _ZIP_START):
        return extract_zip(archive, target)
    return extract_tar(archive, target)


def extract_zip(archive: str | Path, target: str | Path) -> ExtractionRecord:
    """Extract a zip into a folder that appears complete or not at all.

    All names are checked before the first byte is written.

    Args:
        archive: zip file.
        target: folder; an older one is replaced.

    Returns:
        The extracted files.

    Raises:
        UserError: missing, truncated or damaged archive; a member with an absolute path, ``..``,
            a drive letter or a backslash, a link or device, a name used twice, encryption, an
            unknown compression; more data than the archive or the disk can hold.
    """
    archive, target = Path(archive), Path(target)
    _require_file(archive)
    with open_zip(archive) as opened:
        members = opened.infolist()
        _require_space(sum(member.file_size for member in members), target)
        files = [member for member in members if not member.is_dir()]
        with atomic_directory(target) as folder:
            for member in track(files, f"extracting {archive.name}"):
                _extract(opened, archive, member, folder)
    return _record(
        archive,
        {member.filename: ExtractedFile(member.file_size, member.CRC) for member in files},
    )


@contextmanager
def open_zip(archive: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose members could all be extracted without harm; nothing is written.

    The list of its members, which is read into memory, is limited.

    Args:
        archive: zip file.

    Raises:
        UserError: as :func:`extract_zip`, the space on the disk apart.
    """
    archive = Path(archive)
    _require_file(archive)
    try:
        with open_limited_zip(archive) as opened:
            members = opened.infolist()
            _check_names(archive, [_zip_entry(member) for member in members])
            _check_stored_names(archive, members)
            _check_kinds(archive, members)
            _check_places(archive, members)
            _refuse_bomb(archive, sum(member.file_size for member in members))
            yield opened
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        raise UserError(
            archive, f"the file is no complete zip archive ({error})", _AGAIN
        ) from error


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

    The libraries read a note or a list of any length at once, and keep it.

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


def extract_tar(archive: str | Path, target: str | Path) -> ExtractionRecord:
    """Extract a tar, plain or gzip-compressed, into a folder that appears complete or not at all.

    All names are checked before the first byte is written. Only files and folders are accepted,
    which is stricter than the filter ``data`` of :mod:`tarfile` (it admits links within the
    folder) and does not need a Python that has it. Owners, rights and times are not taken over.

    Args:
        archive: tar file.
        target: folder; an older one is replaced.

    Returns:
        The extracted files.

    Raises:
        UserError: missing, truncated or damaged archive; a member with an absolute path, ``..``,
            a drive letter or a backslash, a link or device, a sparse file, a name used twice;
            more data than the archive or the disk can hold.
    """
    archive, target = Path(archive), Path(target)
    _require_file(archive)
    try:
        with _open_tar(archive) as (opened, stream):
            members = _tar_members(opened, archive)
            stream.longest = None
            _check_rest(opened, archive)
            _check_names(archive, [_tar_entry(member) for member in members])
            _check_sizes(archive, [_tar_entry(member) for member in members], target)
            contents = [member for member in members if not member.isdir()]
            files: dict[str, ExtractedFile] = {}
            with atomic_directory(target) as folder:
                for member in track(contents, f"extracting {archive.name}"):
                    files[member.name] = _extract_from_tar(opened, archive, member, folder)
    except (*_TAR_DAMAGE, ValueError, RecursionError) as error:
        raise UserError(
            archive, f"the file is no complete zip or tar archive ({error})", _AGAIN
        ) from error
    return _record(archive, files)


def _require_file(archive: Path) -> None:
    if not archive.is_file():
        raise UserError(archive, "the archive does not exist", "download it first")


def _record(archive: Path, files: dict[str, ExtractedFile]) -> ExtractionRecord:
    return ExtractionRecord(archive.name, {name: files[name] for name in sorted(files)})


def _zip_entry(member: zipfile.ZipInfo) -> _Entry:
    # `is_dir` of Python 3.11 fails for a damaged entry without a name.
    return _Entry(member.filename, member.filename.endswith("/"), member.file_size)


def _tar_entry(member: tarfile.TarInfo) -> _Entry:
    return _Entry(member.name, member.isdir(), member.size)


def _check_names(archive: Path, entries: Sequence[_Entry]) -> None:
    if not entries:
        raise UserError(archive, "the archive is empty", _AGAIN)
    if len(entries) > _MAX_MEMBERS:
        raise UserError(archive, f"the archive has {len(entries)} members", _NOT_OURS)
    for entry in entries:
        _refuse_bad_name(archive, entry.name, entry.name)
    names = Counter(entry.plain for entry in entries)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise UserError(archive, f"member {name!r} is there {count} times", _NOT_OURS)
    files = {entry.plain for entry in entries if not entry.is_dir}
    for entry in entries:
        for parent in PurePosixPath(entry.plain).parents:
            if str(parent) in files:
                raise UserError(
                    archive, f"member {str(parent)!r} is both a file and a folder", _NOT_OURS
                )


def _check_stored_names(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    # zipfile itself cuts names at a zero byte and turns other separators into slashes: the name
    # as stored counts.
    for member in members:
        _refuse_bad_name(archive, member.filename, member.orig_filename)


def _refuse_bad_name(archive: Path, told: str, name: str) -> None:
    reason = _bad_name(name)
    if reason is not None:
        raise UserError(archive, f"member {told!r} {reason}", _NOT_OURS)


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


def _check_kinds(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if stat.S_ISLNK(kind):
            raise UserError(archive, f"member {member.filename!r} is a symbolic link", _NOT_OURS)
        if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise UserError(archive, f"member {member.filename!r} is no plain file", _NOT_OURS)
        if member.flag_bits & 0x1:
            raise UserError(archive, f"member {member.filename!r} is encrypted", _NOT_OURS)
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise UserError(
                archive,
                f"member {member.filename!r} has compression {member.compress_type}, which no "
                "official archive uses",
                _NOT_OURS,
            )


def _check_places(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    size = archive.stat().st_size
    for member in members:
        if not 0 <= member.header_offset < size:
            raise UserError(archive, f"member {member.filename!r} lies outside the archive", _AGAIN)
        if member.is_dir() and member.file_size:
            raise UserError(archive, f"folder {member.filename!r} has content", _NOT_OURS)


def _check_sizes(archive: Path, entries: Sequence[_Entry], target: Path) -> None:
    total = sum(entry.bytes for entry in entries)
    _refuse_bomb(archive, total)
    _require_space(total, target)


def _require_space(total: int, target: Path) -> None:
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if total > free:
        raise UserError(
            target,
            f"{total / 1e9:.2f} GB are to be extracted, {free / 1e9:.2f} GB are free on the disk",
            "free some space and rerun",
        )


def _refuse_bomb(archive: Path, total: int) -> None:
    if total > MAX_RATIO * archive.stat().st_size + _HARMLESS_BYTES:
        raise UserError(
            archive, f"it would unpack to {total / 1e9:.1f} GB, far more than images can", _NOT_OURS
        )


def _extract(opened: zipfile.ZipFile, archive: Path, member: zipfile.ZipInfo, folder: Path) -> None:
    path = folder.joinpath(*PurePosixPath(member.filename).parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The reader stops at the stated size, so a member cannot unpack to more than was counted.
        with opened.open(member) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        struct.error,
        ValueError,
    ) as error:
        raise UserError(
            archive, f"member {member.filename!r} is damaged ({error})", _AGAIN
        ) from error
    if path.stat().st_size != member.file_size:
        raise UserError(archive, f"member {member.filename!r} is cut off", _AGAIN)


@contextmanager
def _open_tar(archive: Path) -> Iterator[tuple[tarfile.TarFile, _LimitedReads]]:
    """Open a tar; while its headers are read, notes of members are limited, each and together."""
    packed = _starts_with(archive, _GZIP_START)
    with gzip.open(archive, "rb") if packed else archive.open("rb") as file:
        stream = _LimitedReads(file, _LONGEST_NOTE_BYTES, _LONGEST_LIST_BYTES)

        class Header(tarfile.TarInfo):
            """A header of a member, which is no note."""

            @classmethod
            def frombuf(cls, buf: Any, encoding: str, errors: str) -> Self:
                if stream.left is not None:
                    stream.left += len(buf)
                return super().frombuf(buf, encoding, errors)

        with tarfile.open(fileobj=stream, mode="r:", tarinfo=Header) as opened:  # type: ignore[call-overload]
            yield opened, stream


def _starts_with(archive: Path, start: bytes) -> bool:
    with archive.open("rb") as file:
        return file.read(len(start)) == start


def _tar_members(opened: tarfile.TarFile, archive: Path) -> list[tarfile.TarInfo]:
    """Read all headers; refuse a bomb before it is unpacked to its end."""
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in opened:
        if PurePosixPath(member.name) == PurePosixPath() and member.isdir():
            continue  # the folder itself, as "tar -C FOLDER ." stores it
        if member.issym() or member.islnk():
            raise UserError(archive, f"member {member.name!r} is a link", _NOT_OURS)
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise UserError(archive, f"member {member.name!r} is no plain file", _NOT_OURS)
        total += member.size
        _refuse_bomb(archive, total)
        members.append(member)
        if len(members) > _MAX_MEMBERS:
            break
    return members


def _check_rest(opened: tarfile.TarFile, archive: Path) -> None:
    """Check that the last member read is the last one, and read to the end.

    A bad header ends the list without an error, and gzip compares its checksum at the very end.

    Raises:
        tarfile.ReadError: no block of zeros follows the last member.
    """
    stream = opened.fileobj
    if stream is None:
        raise tarfile.ReadError("the archive is closed")
    stream.seek(opened.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("a header is damaged or the end is missing")
    read = 0
    while chunk := stream.read(_CHUNK_BYTES):
        read += len(chunk)
        _refuse_bomb(archive, read)


def _extract_from_tar(
    opened: tarfile.TarFile, archive: Path, member: tarfile.TarInfo, folder: Path
) -> ExtractedFile:
    path = folder.joinpath(*PurePosixPath(member.name).parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    source = opened.extractfile(member)
    if source is None:
        raise UserError(archive, f"member {member.name!r} is no plain file", _NOT_OURS)
    try:
        with source, path.open("xb") as file:
            crc32 = _copy(source, file)
    except _TAR_DAMAGE as error:
        raise UserError(archive, f"member {member.name!r} is damaged ({error})", _AGAIN) from error
    if path.stat().st_size != member.size:
        raise UserError(archive, f"member {member.name!r} is cut off", _AGAIN)
    return ExtractedFile(member.size, crc32)


def _copy(source: IO[bytes], file: IO[bytes]) -> int:
    """Copy a stream and return the CRC-32 of its bytes."""
    crc32 = 0
    while chunk := source.read(_CHUNK_BYTES):
        file.write(chunk)
        crc32 = zlib.crc32(chunk, crc32)
    return crc32
