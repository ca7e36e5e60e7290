"""Extracting a zip that is not trusted: nothing leaves the folder, nothing fills the disk."""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import track

#: Images are compressed already, so a zip of them unpacks to little more than its own size.
MAX_RATIO: Final = 100
#: Below this size a high ratio does no harm, e.g. a zip of a few text files.
_HARMLESS_BYTES: Final = 100_000_000
_MAX_MEMBERS: Final = 1_000_000
_CHUNK_BYTES: Final = 1 << 20
_AGAIN: Final = "remove the archive and download it again"
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
    if not archive.is_file():
        raise UserError(archive, "the archive does not exist", "download it first")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check_names(archive, members)
            _check_kinds(archive, members)
            _check_sizes(archive, members, target)
            files = [member for member in members if not member.is_dir()]
            with atomic_directory(target) as folder:
                for member in track(files, f"extracting {archive.name}"):
                    _extract(opened, archive, member, folder)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        raise UserError(
            archive, f"the file is no complete zip archive ({error})", _AGAIN
        ) from error
    return ExtractionRecord(
        archive.name,
        {
            member.filename: ExtractedFile(member.file_size, member.CRC)
            for member in sorted(files, key=lambda member: member.filename)
        },
    )


def _check_names(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    if not members:
        raise UserError(archive, "the archive is empty", _AGAIN)
    if len(members) > _MAX_MEMBERS:
        raise UserError(archive, f"the archive has {len(members)} members", _NOT_OURS)
    for member in members:
        reason = _bad_name(member)
        if reason is not None:
            raise UserError(archive, f"member {member.filename!r} {reason}", _NOT_OURS)
    names = Counter(_plain(member) for member in members)
    name, count = names.most_common(1)[0]
    if count > 1:
        raise UserError(archive, f"member {name!r} is there {count} times", _NOT_OURS)
    files = {_plain(member) for member in members if not member.is_dir()}
    for member in members:
        for parent in PurePosixPath(_plain(member)).parents:
            if str(parent) in files:
                raise UserError(
                    archive, f"member {str(parent)!r} is both a file and a folder", _NOT_OURS
                )


def _plain(member: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(member.filename))


def _bad_name(member: zipfile.ZipInfo) -> str | None:
    # zipfile itself cuts names at a zero byte and turns other separators into slashes: the name
    # as stored counts.
    for name in (member.filename, member.orig_filename):
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


def _check_sizes(archive: Path, members: Sequence[zipfile.ZipInfo], target: Path) -> None:
    size = archive.stat().st_size
    for member in members:
        if not 0 <= member.header_offset < size:
            raise UserError(archive, f"member {member.filename!r} lies outside the archive", _AGAIN)
        if member.is_dir() and member.file_size:
            raise UserError(archive, f"folder {member.filename!r} has content", _NOT_OURS)
    total = sum(member.file_size for member in members)
    if total > MAX_RATIO * size + _HARMLESS_BYTES:
        raise UserError(
            archive, f"it would unpack to {total / 1e9:.1f} GB, far more than images can", _NOT_OURS
        )
    place = next(folder for folder in target.absolute().parents if folder.exists())
    free = shutil.disk_usage(place).free
    if total > free:
        raise UserError(
            target,
            f"{total / 1e9:.2f} GB are to be extracted, {free / 1e9:.2f} GB are free on the disk",
            "free some space and rerun",
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
