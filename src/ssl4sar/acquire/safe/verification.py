"""Whether a product is what was published: a ladder of checks.

Catalogues list empty checksums and sizes of 0, so one check alone is not enough: size, then the
catalogue's checksums, then every file against the product's own manifest, then the checksums of a
zip archive.

What a catalogue lists of an archive need not be of the archive that comes: a service may keep
products unpacked and pack them when they are asked for. Then the files within are what counts.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import new
from pathlib import Path
from typing import Final, Literal

from ssl4sar.acquire.extract import open_limited_zip
from ssl4sar.acquire.safe.manifest import (
    LONGEST_BYTES,
    MANIFEST_NAME,
    ManifestFile,
    parse_manifest,
    read_manifest,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import CHECKSUM_DIGITS, Checksum, can_compute, file_digests
from ssl4sar.core.progress import tell

Step = Literal["size", "md5", "sha256", "sha512", "sha3-256", "blake3", "manifest", "zip"]
_CHUNK_BYTES: Final = 1 << 20
_FIX: Final = "remove it and fetch it again"


class DamagedProductError(UserError):
    """A product that is not what was published."""


@dataclass(frozen=True)
class Verification:
    """What held.

    Attributes:
        steps: checks that could be made, in their order; all of them held.
        files: number of files that agree with the manifest.
    """

    steps: tuple[Step, ...]
    files: int = 0

    def __str__(self) -> str:
        if not self.steps:
            return "nothing could be verified: no size, checksum or manifest"
        files = f" ({self.files} files)" if self.files else ""
        return f"verified by {', '.join(self.steps)}{files}"


def known_checksums(checksums: Mapping[str, str], *, computable: bool = True) -> list[Checksum]:
    """Return the checksums of a catalogue that can be compared; damaged ones are left out.

    Args:
        checksums: hexadecimal digests by algorithm.
        computable: leave out those whose library is missing.
    """
    known = []
    for algorithm, digits in sorted(checksums.items()):
        name = algorithm.lower()
        if name not in CHECKSUM_DIGITS or (computable and not can_compute(name)):
            continue
        try:
            known.append(Checksum(name, digits.lower()))
        except ValueError:
            tell(f"the catalogue's {algorithm} is no checksum and is not compared: {digits!r}")
    return known


def verify_product(
    path: str | Path,
    *,
    size_bytes: int | None = None,
    checksums: Mapping[str, str] | None = None,
    files: Sequence[ManifestFile] | None = None,
) -> Verification:
    """Verify a fetched product.

    Args:
        path: a folder ``NAME.SAFE``, an archive ``NAME.zip``, or a single file.
        size_bytes: size of the archive or file as listed; None or 0 is not compared.
        checksums: of the archive or file as listed, hexadecimal digests by algorithm.
        files: of a folder or archive, those that must be there; None means all of its manifest for
            an archive, and those that are there for a folder, which may hold a part of a product.

    Returns:
        The steps that held. Where there was nothing to compare with, it has no steps and a line
        tells it.

    Raises:
        DamagedProductError: a check failed.
        UserError: the manifest is damaged.
    """
    path = Path(path)
    if path.is_dir():
        verified = _verify_folder(path, files)
    else:
        steps: list[Step] = []
        if not path.is_file():
            raise DamagedProductError(path, "there is no such product", "fetch it")
        if size_bytes:
            steps.append(_verify_size(path, size_bytes))
        steps += _verify_checksums(path, known_checksums(checksums or {}))
        verified = Verification(tuple(steps))
        if zipfile.is_zipfile(path):
            verified = _verify_archive(path, files, tuple(steps))
        elif path.suffix.lower() == ".zip":
            raise DamagedProductError(path, "this is no zip archive", _FIX)
    if not verified.steps:
        tell(f"warning: {path.name}: {verified}")
    return verified


def verify_archive(
    path: str | Path,
    name: str,
    *,
    size_bytes: int | None = None,
    checksums: Mapping[str, str] | None = None,
) -> Verification:
    """Verify an archive that the service may have packed anew since the catalogue listed it.

    Args:
        path: a zip archive.
        name: of the product, without ``.SAFE``.
        size_bytes: size of the archive as listed; None or 0 is not compared.
        checksums: of the archive as listed, hexadecimal digests by algorithm.

    Returns:
        The steps that held. Without those of the catalogue, and with a warning, where they do not
        fit but the archive is whole, of this product, and every file of its manifest agrees by
        checksum.

    Raises:
        DamagedProductError: neither the catalogue nor the manifest proves it, or a check failed.
        UserError: the manifest is damaged.
    """
    path = Path(path)
    steps: list[Step] = []
    difference = None
    try:
        if size_bytes:
            steps.append(_verify_size(path, size_bytes))
        steps += _verify_checksums(path, known_checksums(checksums or {}))
    except DamagedProductError as error:
        difference = error.problem
    verified = verify_product(path)
    if difference is None:
        return Verification((*steps, *verified.steps), verified.files)
    if not _proves_itself(path, name):
        raise DamagedProductError(path, difference, _FIX)
    tell(
        f"warning: {path.name}: {difference}, as the catalogue lists; it is packed anew: all "
        f"{verified.files} files agree with the manifest"
    )
    return verified


def file_problem(path: Path, file: ManifestFile) -> str | None:
    """Return what is wrong with a file by its manifest; None if nothing is."""
    if not path.is_file():
        return "it is missing"
    size = path.stat().st_size
    if file.size_bytes is not None and size != file.size_bytes:
        return f"it has {size} bytes, not {file.size_bytes}"
    if file.checksum is None or not can_compute(file.checksum.algorithm):
        return None
    digest = file_digests(path, {file.checksum.algorithm})[file.checksum.algorithm]
    return _difference(digest, file.checksum)


def _difference(digest: str, checksum: Checksum) -> str | None:
    if digest == checksum.digits:
        return None
    return f"its {checksum.algorithm} is {digest}, not {checksum.digits}"


def _verify_size(path: Path, size_bytes: int) -> Step:
    size = path.stat().st_size
    if size != size_bytes:
        raise DamagedProductError(path, f"it has {size} bytes, not {size_bytes}", _FIX)
    return "size"


def _verify_checksums(path: Path, checksums: Sequence[Checksum]) -> list[Step]:
    if not checksums:
        return []
    digests = file_digests(path, {each.algorithm for each in checksums})
    steps: list[Step] = []
    for each in checksums:
        problem = _difference(digests[each.algorithm], each)
        if problem is not None:
            raise DamagedProductError(path, problem, _FIX)
        steps.append(each.algorithm)  # type: ignore[arg-type]
    return steps


def _verify_folder(folder: Path, files: Sequence[ManifestFile] | None) -> Verification:
    manifest = folder / MANIFEST_NAME
    if not manifest.is_file():
        raise DamagedProductError(folder, f"it has no {MANIFEST_NAME}", _FIX)
    if files is None:
        files = [file for file in read_manifest(manifest) if (folder / file.path).exists()]
    for file in files:
        problem = file_problem(folder / file.path, file)
        if problem is not None:
            raise DamagedProductError(folder / file.path, problem, _FIX)
    return Verification(("manifest",) if files else (), len(files))


def _verify_archive(
    path: Path, files: Sequence[ManifestFile] | None, steps: tuple[Step, ...]
) -> Verification:
    try:
        with open_limited_zip(path) as archive:
            compared = _compare_members(path, archive, files)
            # Reading a member to its end compares its CRC, too: those without an entry remain.
            rest = [name for name in archive.namelist() if name not in compared]
            broken = next((name for name in rest if not _is_whole(archive, name)), None)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise DamagedProductError(path, f"the archive is damaged ({error})", _FIX) from error
    if broken is not None:
        raise DamagedProductError(path, f"{broken} in the archive is damaged", _FIX)
    more: tuple[Step, ...] = ("manifest", "zip") if compared else ("zip",)
    return Verification(steps + more, len(compared))


def _compare_members(
    path: Path, archive: zipfile.ZipFile, files: Sequence[ManifestFile] | None
) -> set[str]:
    """Compare the members of an archive with its manifest; return the names of those."""
    packed = _packed_manifest(path, archive)
    if packed is None:
        return set()
    folder, listed = packed
    present = set(archive.namelist())
    for file in files or listed:
        if folder + file.path not in present:
            raise DamagedProductError(path, f"{file.path} is missing in the archive", _FIX)
        problem = _member_problem(archive, folder + file.path, file)
        if problem is not None:
            raise DamagedProductError(path, f"{file.path} in the archive: {problem}", _FIX)
    return {folder + file.path for file in files or listed}


def _packed_manifest(
    path: Path, archive: zipfile.ZipFile
) -> tuple[str, tuple[ManifestFile, ...]] | None:
    """Return the folder within an archive, with its slash, and the files that its manifest lists.

    None where there is no manifest, or more than one.
    """
    manifests = [n for n in archive.namelist() if n.split("/")[1:] == [MANIFEST_NAME]]
    if len(manifests) != 1:
        return None
    with archive.open(manifests[0]) as stream:
        listed = parse_manifest(stream.read(LONGEST_BYTES + 1), path / manifests[0])
    return manifests[0].removesuffix(MANIFEST_NAME), listed


def _proves_itself(path: Path, name: str) -> bool:
    """Return whether a verified archive is of a product, each file compared by a checksum."""
    with open_limited_zip(path) as archive:
        packed = _packed_manifest(path, archive)
    if packed is None:
        return False
    folder, files = packed
    return folder == f"{name}.SAFE/" and all(_has_checksum(file) for file in files)


def _has_checksum(file: ManifestFile) -> bool:
    """Return whether the checksum of a file can be compared within an archive."""
    return file.checksum is not None and file.checksum.algorithm != "blake3"


def _member_problem(archive: zipfile.ZipFile, name: str, file: ManifestFile) -> str | None:
    size = archive.getinfo(name).file_size
    if file.size_bytes is not None and size != file.size_bytes:
        return f"it has {size} bytes, not {file.size_bytes}"
    checksum = file.checksum
    if checksum is None or not _has_checksum(file):
        return None if _is_whole(archive, name) else "it is damaged"
    digest = new(checksum.algorithm.replace("-", "_"), usedforsecurity=False)
    with archive.open(name) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return _difference(digest.hexdigest(), checksum)


def _is_whole(archive: zipfile.ZipFile, name: str) -> bool:
    try:
        with archive.open(name) as stream:
            while stream.read(_CHUNK_BYTES):
                pass
    except zipfile.BadZipFile:
        return False
    return True
