"""The files of a SAFE product by its ``manifest.safe``, with size and checksum of each.

The manifest (an XFDU package map) lists every measurement, annotation and picture of a product;
files around them (schemas, the report) have no entry of their own. Sentinel-1 gives MD5, newer
Sentinel-2 SHA3-256.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from xml.etree.ElementTree import Element

from ssl4sar.acquire.product import Mission
from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_xml, read_bounded
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.pair_layout import CHANNELS

MANIFEST_NAME: Final = "manifest.safe"
#: Those of Sentinel-2 with many files have some hundred kilobytes.
LONGEST_BYTES: Final = 1 << 25
_ALGORITHMS: Final = {
    "MD5": "md5",
    "SHA256": "sha256",
    "SHA512": "sha512",
    "SHA3256": "sha3-256",
    "BLAKE3": "blake3",
}
_FIX: Final = "remove it and fetch the product again"
#: Kind and polarisation of a file of Sentinel-1, by its path in lower case.
SAR_FILE: Final = re.compile(
    r"(annotation/|annotation/calibration/calibration-|annotation/calibration/noise-|measurement/)"
    r"s1[a-z]-[a-z0-9]+-[a-z]+-(hh|hv|vh|vv)-[^/]*\.(?:xml|tiff)"
)
#: Annotation, calibration, noise, measurement.
_SAR_KINDS: Final = 4
_OPTICAL_BAND: Final = re.compile(
    r"GRANULE/([^/]+)/IMG_DATA/(?:R\d+m/)?\w+_(B\d[\dA]|AOT|WVP|SCL)(?:_(\d+)m)?\.jp2"
)
_OPTICAL_METADATA: Final = re.compile(r"MTD_\w+\.xml|GRANULE/[^/]+/MTD_\w+\.xml")


@dataclass(frozen=True)
class ManifestFile:
    """A file of a product.

    Attributes:
        path: relative to the product's folder, with forward slashes.
        size_bytes: size; None where the manifest does not say.
        checksum: of the content; None where there is none, or of an unknown kind.
    """

    path: str
    size_bytes: int | None
    checksum: Checksum | None


def read_manifest(path: str | Path) -> tuple[ManifestFile, ...]:
    """Return the files that a manifest lists.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return parse_manifest(read_bounded(path, LONGEST_BYTES), path)
    except (OSError, ForeignTextError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(path, f"the manifest cannot be read ({reason})", _FIX) from error


def parse_manifest(content: bytes, subject: str | Path) -> tuple[ManifestFile, ...]:
    """Return the files that a manifest lists, in its order.

    Raises:
        UserError: it is not XML, has a document type (whose entities could grow without end or read
            other files), lists no files, one twice, or one outside of the product.
    """
    try:
        streams = parse_xml(content, LONGEST_BYTES).iterfind(".//{*}byteStream")
        files = tuple(map(_file, streams))
    except ValueError as error:
        raise UserError(subject, f"the manifest is damaged ({error})", _FIX) from error
    if not files:
        raise UserError(subject, "the manifest lists no files", _FIX)
    if len({file.path.casefold() for file in files}) != len(files):
        raise UserError(subject, "the manifest lists a file twice", _FIX)
    return files


def _file(stream: Element) -> ManifestFile:
    location, checksum = stream.find(".//{*}fileLocation"), stream.find(".//{*}checksum")
    href = None if location is None else location.get("href")
    if href is None:
        raise ValueError("a file has no location")
    size = stream.get("size", "")
    return ManifestFile(
        _safe_path(href),
        int(size) if size.isascii() and size.isdigit() else None,
        None
        if checksum is None
        else _checksum(checksum.get("checksumName", ""), (checksum.text or "").strip()),
    )


def _checksum(algorithm: str, digits: str) -> Checksum | None:
    known = _ALGORITHMS.get(re.sub(r"[-_]", "", algorithm.upper()))
    return None if known is None or not digits else Checksum(known, digits.lower())


def _safe_path(href: str) -> str:
    path = PurePosixPath(href)
    parts = path.parts
    outside = path.is_absolute() or ".." in parts or not parts
    if outside or "\\" in href or ":" in href or not href.isprintable():
        raise ValueError(f"the location {href!r} is not within the product")
    return str(path)


def needed_files(
    files: Iterable[ManifestFile], mission: Mission, selection: Selection, subject: str | Path
) -> tuple[ManifestFile, ...]:
    """Return the files of a selection, without the manifest itself.

    Sentinel-1: measurement, annotation, calibration and noise of one polarisation. Sentinel-2: the
    metadata and each band in its finest resolution, of the one granule. A product of
    several granules is refused: nothing here says which of them shows an area.

    Raises:
        MissingProductError: the product does not have what is wanted, or has it several times.
    """
    if mission == "sentinel-1":
        return _sar_files(files, selection.polarisation, subject)
    return _optical_files(files, selection.bands, subject)


def _sar_files(
    files: Iterable[ManifestFile], polarisation: str, subject: str | Path
) -> tuple[ManifestFile, ...]:
    by_polarisation: dict[str, list[ManifestFile]] = {}
    kinds: dict[str, set[str]] = {}
    for file in files:
        match = SAR_FILE.fullmatch(file.path)
        if match is not None:
            by_polarisation.setdefault(match[2].upper(), []).append(file)
            kinds.setdefault(match[2].upper(), set()).add(match[1])
    wanted = ("HH", "VV") if polarisation == "copolar" else (polarisation,)
    for each in wanted:
        if len(kinds.get(each, ())) == _SAR_KINDS:
            return tuple(by_polarisation[each])
    raise MissingProductError(
        subject,
        f"the product has no complete set of files in {' or '.join(wanted)}, "
        f"only {', '.join(sorted(by_polarisation)) or 'none'}",
        "choose another sentinel.polarisation",
    )


def _optical_files(
    files: Iterable[ManifestFile], bands: Sequence[str], subject: str | Path
) -> tuple[ManifestFile, ...]:
    metadata: list[ManifestFile] = []
    finest: dict[str, tuple[int, ManifestFile]] = {}
    granules: set[str] = set()
    for file in files:
        match = _OPTICAL_BAND.fullmatch(file.path)
        if match is not None:
            granules.add(match[1])
            band = (int(match[3] or 0), file)
            finest[match[2]] = min(band, finest.get(match[2], band), key=lambda each: each[0])
        elif _OPTICAL_METADATA.fullmatch(file.path):
            metadata.append(file)
    # As all products before December 2016 (ranghetti/sen2r#56, #117).
    if len(granules) > 1:
        raise MissingProductError(
            subject,
            f"it holds {len(granules)} granules ({', '.join(sorted(granules)[:3])})",
            "take products of one tile: those since December 2016, or processed again since",
        )
    wanted = [_band_name(band) for band in bands or CHANNELS]
    missing = [band for band in wanted if band not in finest]
    # Level 1C has no maps of water vapour and classes: a fault only where they are asked for.
    if (missing and bands) or len(missing) == len(wanted):
        raise MissingProductError(
            subject,
            f"the product has no band {missing[0]}, only {', '.join(sorted(finest)) or 'none'}",
            "choose other bands or another product type",
        )
    return (*metadata, *(finest[band][1] for band in wanted if band in finest))


def _band_name(band: str) -> str:
    """Return the name of a band as in file names: B1 is B01."""
    return f"B0{band[1]}" if re.fullmatch(r"B\d", band) else band
