"""What a product in SAFE format says of itself: footprint, pass, track, processor, clouds, name.

A folder ``NAME.SAFE`` and a zip that holds one are read alike; of a zip only the needed members are
unpacked, in memory. Sources: Sentinel-1 Product Specification (S1-RS-MDA-52-7441), the manifest;
Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD), manifest and product metadata.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from shapely import to_geojson
from shapely.geometry import MultiPolygon, Polygon

from ssl4sar.acquire.areas import cut_at_antimeridian
from ssl4sar.acquire.catalogue.product_name import plain_version
from ssl4sar.acquire.extract import open_limited_zip
from ssl4sar.acquire.product import OrbitDirection, orbit_direction
from ssl4sar.acquire.safe.manifest import MANIFEST_NAME
from ssl4sar.acquire.safe.verification import BROKEN_ZIP
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_json, parse_xml, read_bounded

#: Real manifests have some tens of kilobytes, product metadata up to some megabytes.
_MAX_XML_BYTES: Final = 32_000_000
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_METADATA: Final = re.compile(r"MTD_MSIL[12][AC]\.xml")
_CLOUDS: Final = "Cloud_Coverage_Assessment"
_GRANULE: Final = re.compile(r"(?:\./)?GRANULE/([^/]+)/")
_CORRUPT: Final = "get the product again, or take it out of the folder"


@dataclass(frozen=True)
class SafeOverview:
    """What the manifest of a product says.

    Attributes:
        footprint: GeoJSON geometry in degrees, cut at the antimeridian.
        orbit_direction: of the satellite at the start of the datatake; None where the manifest does
            not say.
        node_ms: time since the ascending node at the first and last line, milliseconds; None where
            the manifest does not say.
        relative_orbit: track, from 1; None where the manifest does not say.
        processor_version: of the Sentinel-1 processor; None for Sentinel-2, whose name has it.
        cloud_percent: clouds in the whole product, 0 to 100; None for Sentinel-1.
        granules: names of the granules (tiles) that the manifest lists, sorted; none of Sentinel-1.
        official_name: name as published, by the metadata of Sentinel-2; None where it is not said.
    """

    footprint: Mapping[str, Any]
    orbit_direction: OrbitDirection | None
    relative_orbit: int | None
    processor_version: str | None
    cloud_percent: float | None
    node_ms: tuple[float | None, float | None] = (None, None)
    granules: tuple[str, ...] = ()
    official_name: str | None = None


def read_overview(path: Path) -> SafeOverview:
    """Read the overview of a product.

    Args:
        path: folder ``NAME.SAFE``, or a zip that holds one.

    Raises:
        UserError: there is no manifest, it is damaged, or it has no footprint.
    """
    reader = _read_zip if path.is_file() else _read_folder
    try:
        return parse_overview(*reader(path))
    except (OSError, *BROKEN_ZIP) as error:
        raise UserError(path, f"its manifest cannot be read ({error})", _CORRUPT) from error


def parse_overview(manifest: bytes, metadata: bytes | None = None) -> SafeOverview:
    """Return what a manifest says.

    Args:
        manifest: XML.
        metadata: XML of Sentinel-2, ``MTD_MSI*.xml``.

    Raises:
        ValueError: one of them is damaged, or there is no footprint.
    """
    root = parse_xml(manifest, _MAX_XML_BYTES)
    track = _text(root, "relativeOrbitNumber")
    details = None if metadata is None else parse_xml(metadata, _MAX_XML_BYTES)
    return SafeOverview(
        footprint=_footprint(root),
        orbit_direction=orbit_direction(_text(root, "pass")),
        relative_orbit=None if track is None else int(track),
        processor_version=_processor(root),
        cloud_percent=None if details is None else _number(details, _CLOUDS),
        node_ms=(_number(root, "startTimeANX"), _number(root, "stopTimeANX")),
        granules=_granules(root),
        official_name=None if details is None else _text(details, "PRODUCT_URI"),
    )


def _read_folder(path: Path) -> tuple[bytes, bytes | None]:
    manifest = read_bounded(path / MANIFEST_NAME, _MAX_XML_BYTES)
    found = sorted(entry for entry in path.iterdir() if _METADATA.fullmatch(entry.name))
    return manifest, read_bounded(found[0], _MAX_XML_BYTES) if found else None


def _read_zip(path: Path) -> tuple[bytes, bytes | None]:
    with open_limited_zip(path) as opened:
        manifest = metadata = None
        for member in opened.infolist():
            folder, _, name = member.filename.partition("/")
            if not folder.upper().endswith(".SAFE"):
                continue
            if name == MANIFEST_NAME:
                manifest = _read_member(opened, member)
            elif _METADATA.fullmatch(name):
                metadata = _read_member(opened, member)
    if manifest is None:
        raise ValueError(f"there is no {MANIFEST_NAME} in it")
    return manifest, metadata


def _read_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > _MAX_XML_BYTES:
        raise ValueError(f"{member.filename} has {member.file_size} bytes")
    return opened.read(member)


def _text(root: ElementTree.Element, name: str) -> str | None:
    # The namespaces differ between the missions and their versions, the names do not.
    element = root.find(f".//{{*}}{name}")
    return None if element is None or element.text is None else element.text.strip()


def _footprint(root: ElementTree.Element) -> dict[str, Any]:
    text = _text(root, "coordinates")
    if text is None:
        raise ValueError("it has no footprint")
    # Sentinel-1 writes "lat,lon lat,lon", Sentinel-2 "lat lon lat lon".
    numbers = [float(number) for number in _NUMBER.findall(text)]
    points = list(zip(numbers[1::2], numbers[0::2], strict=True))
    if len(points) < 3 or not all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in points):
        raise ValueError(f"its footprint is {text[:60]!r}")
    parts = cut_at_antimeridian(Polygon(points))
    shape = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    if not shape.area:
        raise ValueError("its footprint is empty")
    geometry: dict[str, Any] = parse_json(to_geojson(shape))
    return geometry


def _processor(root: ElementTree.Element) -> str | None:
    for software in root.iterfind(".//{*}software"):
        if software.get("name") == "Sentinel-1 IPF":
            return plain_version(software.get("version"))
    return None


def _number(root: ElementTree.Element, name: str) -> float | None:
    text = _text(root, name)
    return None if text is None else float(text)


def _granules(root: ElementTree.Element) -> tuple[str, ...]:
    places = (each.get("href", "") for each in root.iterfind(".//{*}fileLocation"))
    return tuple(sorted({match[1] for each in places if (match := _GRANULE.match(each))}))
