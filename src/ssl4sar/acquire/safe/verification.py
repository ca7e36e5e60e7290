"""Whether a product is what was published: a ladder of checks.

Catalogues list empty checksums and sizes of 0, so one check alone is not enough: size, then the
catalogue's checksums, then every file against the product's own manifest, then the checksums of the
zip archive.

What a catalogue lists of an archive need not be of the archive that comes: a service may store
products unpacked and pack them when they are asked for. Then the files within are what counts.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ssl4sar.acquire.extract import open_limited_zip
from ssl4sar.acquire.safe.manifest import (
    LONGEST_BYTES,
    MANIFEST_NAME,
    ManifestFile,
    parse_manifest,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import (
    CHECKSUM_DIGITS,
    Checksum,
    can_compute,
    file_digests,
    stream_digests,
)
from ssl4sar.core.progress import tell

_FIX: Final = "remove it and fetch it again"
#: What a zip archive may raise that is damaged, or made to do harm.
BROKEN_ZIP: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class DamagedProductError(UserError):
    """A product that is not what was published."""


@dataclass(frozen=True)
class Verification:
    """What held."""

    steps: tuple[str, ...]
    files: int = 0

    def __str__(self) -> str:
        files = f" ({self.files} files)" if self.files else ""
        return f"verified by {', '.join(self.steps)}{files}"


def known_checksums(checksums: Mapping[str, str]) -> list[Checksum]:
    """Return the checksums of a catalogue that can be compared.

    Damaged ones are left out, and those whose library is missing.

    Args:
        checksums: hexadecimal digests by algorithm.
    """
    known = []
    for algorithm, digits in sorted(checksums.items()):
        name = algorithm.lower()
        if name not in CHECKSUM_DIGITS or not can_compute(name):
            continue
        try:
            known.append(Checksum(name, digits.lower()))
        except ValueError:
            tell(f"the catalogue's {algorithm} is not a checksum and not compared: {digits!r}")
    return known


def verify_product(
    path: str | Path, *, size_bytes: int | None = None, checksums: Mapping[str, str] | None = None
) -> Verification:
    """Verify a fetched archive, strictly as its catalogue lists it.

    Args:
        path: a zip archive.
        size_bytes: size as listed; None or 0 is not compared.
        checksums: as listed, hexadecimal digests by algorithm.

    Returns:
        The steps that held.

    Raises:
        DamagedProductError: a check failed.
        UserError: the manifest is damaged.
    """
    return _verified(Path(path), None, size_bytes, checksums or {})


def verify_archive(
    path: str | Path,
    name: str,
    *,
    size_bytes: int | None = None,
    checksums: Mapping[str, str] | None = None,
) -> Verification:
    """Verify an archive that the service may have packed again since the catalogue listed it.

    Args:
        path: a zip archive.
        name: of the product, without ``.SAFE``.
        size_bytes: size as listed; None or 0 is not compared.
        checksums: as listed, hexadecimal digests by algorithm.

    Returns:
        The steps that held. Without those of the catalogue, and with a warning, where they do not
        fit but the archive is whole, of this product, and every file of its manifest agrees by
        checksum.

    Raises:
        DamagedProductError: neither the catalogue nor the manifest proves it, or a check failed.
        UserError: the manifest is damaged.
    """
    return _verified(Path(path), name, size_bytes, checksums or {})


def file_problem(path: Path, file: ManifestFile) -> str | None:
    """Return what is wrong with a file by its manifest; None if nothing is."""
    if not path.is_file():
        return "it is missing"
    return _problem(file, path.stat().st_size, lambda: path.open("rb"))


def _verified(
    path: Path, name: str | None, size_bytes: int | None, checksums: Mapping[str, str]
) -> Verification:
    if not path.is_file():
        raise DamagedProductError(path, "the product does not exist", "fetch it")
    listed = known_checksums(checksums)
    difference = _difference_from_catalogue(path, size_bytes, listed)
    if difference is not None and name is None:
        raise DamagedProductError(path, difference, _FIX)
    folder, files = _verify_content(path)
    steps = ("manifest", "zip") if files else ("zip",)
    if difference is None:
        size = ("size",) if size_bytes else ()
        return Verification((*size, *(each.algorithm for each in listed), *steps), len(files))
    if folder != f"{name}.SAFE/" or not all(map(_has_checksum, files)):
        raise DamagedProductError(path, difference, _FIX)
    tell(
        f"warning: {path.name}: {difference}, as the catalogue lists; it is packed again: all "
        f"{len(files)} files agree with the manifest"
    )
    return Verification(steps, len(files))


def _difference_from_catalogue(
    path: Path, size_bytes: int | None, listed: list[Checksum]
) -> str | None:
    size = path.stat().st_size
    if size_bytes and size != size_bytes:
        return f"it has {size} bytes, not {size_bytes}"
    digests = file_digests(path, {each.algorithm for each in listed}) if listed else {}
    differences = (_difference(digests[each.algorithm], each) for each in listed)
    return next((each for each in differences if each is not None), None)


def _difference(digest: str, checksum: Checksum) -> str | None:
    if digest == checksum.digits:
        return None
    return f"its {checksum.algorithm} is {digest}, not {checksum.digits}"


def _verify_content(path: Path) -> tuple[str | None, tuple[ManifestFile, ...]]:
    """Compare all members of an archive with its manifest and with their CRC.

    Returns:
        The folder within it, with its slash, and the files that its manifest lists; None and
        nothing where there is no manifest, or more than one.
    """
    try:
        with open_limited_zip(path) as archive:
            folder, files = _packed_manifest(path, archive)
            present = set(archive.namelist())
            for file in files:
                member = f"{folder}{file.path}"
                if member not in present:
                    raise DamagedProductError(path, f"{file.path} is missing in the archive", _FIX)
                problem = _member_problem(archive, member, file)
                if problem is not None:
                    raise DamagedProductError(path, f"{file.path} in the archive: {problem}", _FIX)
            compared = {f"{folder}{file.path}" for file in files if _has_checksum(file)}
            # Reading a member to its end compares its CRC, too.
            for member in sorted(present - compared):
                with archive.open(member) as stream:
                    stream_digests(stream, ())
    except BROKEN_ZIP as error:
        raise DamagedProductError(path, f"the archive is damaged ({error})", _FIX) from error
    return folder, files


def _packed_manifest(
    path: Path, archive: zipfile.ZipFile
) -> tuple[str | None, tuple[ManifestFile, ...]]:
    manifests = [n for n in archive.namelist() if n.split("/")[1:] == [MANIFEST_NAME]]
    if len(manifests) != 1:
        return None, ()
    with archive.open(manifests[0]) as stream:
        listed = parse_manifest(stream.read(LONGEST_BYTES + 1), path / manifests[0])
    return manifests[0].removesuffix(MANIFEST_NAME), listed


def _member_problem(archive: zipfile.ZipFile, member: str, file: ManifestFile) -> str | None:
    return _problem(file, archive.getinfo(member).file_size, lambda: archive.open(member))


def _problem(file: ManifestFile, size: int, opened: Callable[[], IO[bytes]]) -> str | None:
    if file.size_bytes is not None and size != file.size_bytes:
        return f"it has {size} bytes, not {file.size_bytes}"
    if file.checksum is None or not _has_checksum(file):
        return None
    algorithm = file.checksum.algorithm
    with opened() as stream:
        return _difference(stream_digests(stream, {algorithm})[algorithm], file.checksum)


def _has_checksum(file: ManifestFile) -> bool:
    return file.checksum is not None and can_compute(file.checksum.algorithm)
