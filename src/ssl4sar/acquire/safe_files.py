"""Taking over a product in SAFE format from another folder: linked or copied, and verified.

What belongs to a product, with size and MD5, stands in its manifest (Sentinel-1 Product
Specification S1-RS-MDA-52-7441, section 3.3; the manifest of Sentinel-2 has the same form).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final
from xml.etree import ElementTree

from ssl4sar.acquire.extract import open_zip
from ssl4sar.acquire.providers.base import MissingProductError
from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import tell, track

_MANIFEST: Final = "manifest.safe"
_MAX_MANIFEST_BYTES: Final = 32_000_000
_CHUNK_BYTES: Final = 1 << 20
_MENDED: Final = "replace it at its source, then refresh the inventory"
#: Polarisation within the name of a file, e.g. s1a-iw-grd-hh-2021...-001.tiff.
_POLARISATION: Final = re.compile(r"-(hh|hv|vv|vh)-")
#: Other disk, other owner (protected hard links), too many links, no links at all.
_NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
)
#: What reading a damaged product raises.
_DAMAGE: Final = (
    FileNotFoundError,
    ValueError,
    KeyError,
    ElementTree.ParseError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
)


@dataclass(frozen=True)
class _Listed:
    """A file as the manifest lists it."""

    path: str
    bytes: int
    md5: str | None


def take_folder(source: Path, target: Path, polarisation: str) -> Path:
    """Take over a folder ``NAME.SAFE``.

    Args:
        source: the folder.
        target: folder to write; files that an earlier try brought are kept.
        polarisation: HH, HV, VV, VH or copolar; measurements of others are left out.

    Returns:
        ``target``.

    Raises:
        MissingProductError: a file of the manifest is missing, or is another one.
        UserError: the disk is full or the target cannot be written.
    """
    with _reading(source):
        data = (source / _MANIFEST).read_bytes()
        wanted = _wanted(_read_manifest(data), polarisation)
    for listed in track(wanted, f"taking over {source.name}"):
        origin = source / listed.path
        if not origin.is_file():
            raise MissingProductError(source, f"{listed.path} is missing", _MENDED)
        _link_or_copy(origin, target / listed.path)
        with (target / listed.path).open("rb") as stream:
            _compare(source, listed, stream)
    # The manifest last: where it is, all is there.
    _link_or_copy(source / _MANIFEST, target / _MANIFEST)
    return target


def take_zip(source: Path, target: Path, folder_name: str) -> Path:
    """Take over a zip that holds a folder ``NAME.SAFE``, without unpacking it.

    Args:
        source: the zip.
        target: file to write.
        folder_name: name of the folder in it.

    Returns:
        ``target``.

    Raises:
        MissingProductError: the zip is damaged or not safe to unpack, or a file of the manifest is
            missing in it or is another one.
        UserError: the disk is full or the target cannot be written.
    """
    _link_or_copy(source, target)
    with _reading(source), open_zip(target) as opened:
        members = {member.filename: member for member in opened.infolist() if not member.is_dir()}
        manifest = members.get(f"{folder_name}/{_MANIFEST}")
        if manifest is None or manifest.file_size > _MAX_MANIFEST_BYTES:
            raise ValueError(f"there is no {folder_name}/{_MANIFEST} in it")
        listed = {
            f"{folder_name}/{each.path}": each for each in _read_manifest(opened.read(manifest))
        }
        lacking = sorted(set(listed) - set(members))
        if lacking:
            raise ValueError(f"{lacking[0]} is missing")
        for name, member in track(sorted(members.items()), f"verifying {source.name}"):
            with opened.open(member) as stream:
                # Reading to the end also compares the checksum of the member.
                _compare(source, listed.get(name), stream)
    return target


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    """Tell what is wrong with a product as its fault, not the user's."""
    try:
        yield
    except MissingProductError:
        raise
    except UserError as error:
        raise MissingProductError(source, error.problem, _MENDED) from error
    except _DAMAGE as error:
        raise MissingProductError(source, f"the product is damaged ({error})", _MENDED) from error


def _read_manifest(data: bytes) -> list[_Listed]:
    # No product declares a document type; entities in one could unpack to gigabytes.
    if len(data) > _MAX_MANIFEST_BYTES or b"<!DOCTYPE" in data:
        raise ValueError("this is no manifest")
    listed = []
    for stream in ElementTree.fromstring(data).iterfind(".//{*}dataObject/{*}byteStream"):
        location, checksum = stream.find("{*}fileLocation"), stream.find("{*}checksum")
        path = PurePosixPath("" if location is None else location.get("href", ""))
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in str(path):
            raise ValueError(f"its manifest lists {str(path)!r}")
        md5 = None
        if checksum is not None and checksum.get("checksumName", "").upper() == "MD5":
            md5 = (checksum.text or "").strip().lower() or None
        listed.append(_Listed(str(path), int(stream.get("size", "")), md5))
    if not listed:
        raise ValueError("its manifest lists no files")
    return listed


def _wanted(listed: Iterable[_Listed], polarisation: str) -> list[_Listed]:
    """Return the files without those that are of other polarisations only."""
    listed = list(listed)
    there = {found for each in listed if (found := _polarisation(each.path)) is not None}
    chosen = polarisation.lower()
    if chosen == "copolar":
        chosen = "hh" if "hh" in there else "vv"
    if there and chosen not in there:
        raise ValueError(f"it has no polarisation {chosen.upper()}")
    return [each for each in listed if _polarisation(each.path) in {None, chosen}]


def _polarisation(path: str) -> str | None:
    match = _POLARISATION.search(PurePosixPath(path).name.lower())
    return None if match is None else match[1]


def _compare(source: Path, listed: _Listed | None, stream: IO[bytes]) -> None:
    """Read a file to its end and compare it with the manifest."""
    # MD5 tells damage here, nothing else; some systems allow it for that purpose only.
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    if listed is None:
        return
    if size != listed.bytes:
        problem = f"{listed.path} has {size} bytes, the manifest says {listed.bytes}"
        raise MissingProductError(source, problem, _MENDED)
    if listed.md5 is not None and digest.hexdigest() != listed.md5:
        problem = f"{listed.path} has MD5 {digest.hexdigest()}, the manifest says {listed.md5}"
        raise MissingProductError(source, problem, _MENDED)


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a file appear under another name, without copying it where the disk allows."""
    origin = source.resolve()
    if _is_same(origin, target):
        return
    with atomic_file(target) as temporary:
        try:
            os.link(origin, temporary)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            tell(f"copying {source.name} (it cannot be linked: {error.strerror})")
            shutil.copy2(origin, temporary)


def _is_same(origin: Path, target: Path) -> bool:
    """Return whether an earlier try brought the file: a copy keeps the time of change."""
    if not target.is_file():
        return False
    one, other = origin.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
