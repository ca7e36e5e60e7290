"""Opening a GRD product of Sentinel-1: a folder ``NAME.SAFE``, or a zip that holds one.

What a product is follows from its manifest and annotations (S1-RS-MDA-52-7441, Sentinel-1 Product
Specification 3/9), not from its name or a list of satellites. Twins whose images are
cloud-optimized (GRD-COG) have the same form. Names of files count in any case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from xml.etree.ElementTree import Element

from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.product import OrbitDirection, utc_time
from ssl4sar.acquire.safe.manifest import LONGEST_BYTES, MANIFEST_NAME, SAR_FILE, parse_manifest
from ssl4sar.acquire.safe.overview import parse_overview
from ssl4sar.acquire.safe.package import SafePackage, open_package
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_xml
from ssl4sar.core.wording import printable
from ssl4sar.sar.annotation import Annotation, read_annotation
from ssl4sar.sar.calibration import Calibration, read_calibration
from ssl4sar.sar.noise import Noise, read_noise
from ssl4sar.sar.orbit_file import with_orbit_file

#: Copolar first.
_POLARISATIONS: Final = ("HH", "VV", "HV", "VH")
_MODES: Final = ("IW", "EW", "SM")
_RESOLUTION: Final = re.compile(r"_GRD([FHM])_")
_GIVE: Final = "give the folder NAME.SAFE of a Sentinel-1 GRD product, or its zip"
_AGAIN: Final = "get the product again"
#: In the header of every file.
_STATED: Final = re.compile(rb"<polarisation>\s*([HV]{2})\s*</polarisation>")
Kind = Literal["annotation", "calibration", "noise", "measurement"]
#: Kinds of files by how their paths begin.
_KINDS: Final[dict[str, Kind]] = {
    "annotation/": "annotation",
    "annotation/calibration/calibration-": "calibration",
    "annotation/calibration/noise-": "noise",
    "measurement/": "measurement",
}
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class GrdProduct:
    """A GRD product of Sentinel-1; each of its XML files is parsed once.

    Attributes:
        path: folder or zip.
        name: of the product, without ``.SAFE``.
        platform: e.g. S1A.
        mode: IW, EW or SM.
        resolution: F, H or M; None where the name does not say.
        processor_version: of the Instrument Processing Facility (IPF), e.g. 3.40.
        orbit_pass: of the satellite over the scene; None where nothing says.
        relative_orbit: track, from 1; None where the manifest does not say.
        absolute_orbit: None where the manifest does not say.
        start: first line, UTC.
        stop: last line, UTC.
        polarisations: that its manifest lists, copolar first.
    """

    path: Path
    name: str
    platform: str
    mode: str
    resolution: str | None
    processor_version: str
    orbit_pass: OrbitDirection | None
    relative_orbit: int | None
    absolute_orbit: int | None
    start: datetime
    stop: datetime
    polarisations: tuple[str, ...]
    _package: SafePackage = field(repr=False)
    _files: Mapping[tuple[Kind, str], str] = field(repr=False)
    _parsed: dict[tuple[Any, ...], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def missing(self) -> dict[str, tuple[Kind, ...]]:
        """What is not there, by polarisation; files that the manifest does not list, too."""
        lacking = {
            each: tuple(kind for kind in _KINDS.values() if not self.has(kind, each))
            for each in self.polarisations
        }
        return {each: kinds for each, kinds in lacking.items() if kinds}

    def has(self, kind: Kind, polarisation: str) -> bool:
        """Return whether a file of a polarisation is there."""
        return self._files.get((kind, polarisation)) in self._package.members

    def file_name(self, kind: Kind, polarisation: str) -> str:
        """Return what messages call a file of a polarisation.

        Raises:
            UserError: the product does not have it.
        """
        return str(self.path / self._package.members[self._file(kind, polarisation)])

    def annotation(self, polarisation: str, orbit_file: Path | None = None) -> Annotation:
        """Return the annotation of a polarisation.

        Args:
            polarisation: one of the product's.
            orbit_file: EOF file whose orbit replaces that of the annotation.

        Raises:
            UserError: the product does not have it, or it is damaged or of another product, or the
                orbit file is not of this scene.
        """
        own = self._once(("annotation", polarisation), lambda: self._annotation(polarisation))
        if orbit_file is None:
            return own
        key = ("annotation", polarisation, orbit_file)
        return self._once(key, lambda: with_orbit_file(own, orbit_file))

    def _annotation(self, polarisation: str) -> Annotation:
        subject = self.file_name("annotation", polarisation)
        content = self._package.read(self._file("annotation", polarisation))
        found = read_annotation(content, subject)
        if (found.platform, found.polarisation) != (self.platform, polarisation):
            raise UserError(
                subject,
                f"it is of {found.platform} in {found.polarisation}, not of {self.platform} in "
                f"{polarisation}",
                _AGAIN,
            )
        return found

    def calibration(self, polarisation: str) -> Calibration:
        """Return the parsed calibration of a polarisation.

        Raises:
            UserError: the product does not have it or its annotation, or one is damaged.
        """
        return self._once(("calibration", polarisation), lambda: self._calibration(polarisation))

    def _calibration(self, polarisation: str) -> Calibration:
        annotation = self.annotation(polarisation)
        return read_calibration(
            self.read_calibration_xml(polarisation),
            self.file_name("calibration", polarisation),
            annotation.first_line_time,
            annotation.azimuth_time_interval_s,
        )

    def noise(self, polarisation: str) -> Noise | None:
        """Return the parsed noise of a polarisation; None where the product lists none.

        Raises:
            UserError: the product lists it, but does not have it, or it is damaged.
        """
        return self._once(("noise", polarisation), lambda: self._noise(polarisation))

    def _noise(self, polarisation: str) -> Noise | None:
        content = self.read_noise_xml(polarisation)
        if content is None:
            return None
        return read_noise(content, self.file_name("noise", polarisation))

    def _once(self, key: tuple[Any, ...], parse: Callable[[], T]) -> T:
        # What failed is parsed again, so that every caller has the reason.
        if key not in self._parsed:
            self._parsed[key] = parse()
        found: T = self._parsed[key]
        return found

    def read_calibration_xml(self, polarisation: str) -> bytes:
        """Return the calibration of a polarisation.

        Raises:
            UserError: the product does not have it, or it is of another polarisation.
        """
        return self._read_table("calibration", polarisation)

    def read_noise_xml(self, polarisation: str) -> bytes | None:
        """Return the noise of a polarisation; None where the product lists none.

        Raises:
            UserError: the product lists it, but does not have it, or it is of another polarisation.
        """
        if polarisation in self.polarisations and ("noise", polarisation) not in self._files:
            return None
        return self._read_table("noise", polarisation)

    def _read_table(self, kind: Kind, polarisation: str) -> bytes:
        content = self._package.read(self._file(kind, polarisation))
        stated = _STATED.search(content)
        if stated is not None and stated[1].decode() != polarisation:
            problem = f"it is of {stated[1].decode()}, not of {polarisation}"
            raise UserError(self.file_name(kind, polarisation), problem, _AGAIN)
        return content

    def measurement(self, polarisation: str) -> str:
        """Return the name of the image of a polarisation for rasterio.

        Raises:
            UserError: the product does not have it, or its zip is damaged there.
        """
        return self._package.raster_name(self._file("measurement", polarisation))

    def _file(self, kind: Kind, polarisation: str) -> str:
        name = self._files.get((kind, polarisation))
        if name is None:
            raise UserError(
                self.path,
                f"it lists no {kind} of {polarisation}, its polarisations are "
                f"{', '.join(self.polarisations)}",
                "choose one of its polarisations, or get the product again",
            )
        if name not in self._package.members:
            raise UserError(self.path, f"{name} is missing", _AGAIN)
        return name


def open_product(path: str | Path) -> GrdProduct:
    """Open a product; images are not read.

    Args:
        path: folder ``NAME.SAFE``, the manifest in it, or a zip that holds one.

    Raises:
        UserError: there is nothing, or not a GRD product with a manifest; the zip is damaged or not
            safe to unpack; the manifest is damaged.
    """
    package = open_package(path, MANIFEST_NAME, _GIVE)
    manifest = package.read(MANIFEST_NAME)
    listed = parse_manifest(manifest, package.path / MANIFEST_NAME)
    try:
        return _product(package, manifest, [file.path.lower() for file in listed])
    except ValueError as error:
        raise UserError(package.path, f"its manifest cannot be used: {error}", _GIVE) from error


def _product(package: SafePackage, manifest: bytes, listed: list[str]) -> GrdProduct:
    root = parse_xml(manifest, LONGEST_BYTES)
    kind = _text(root, "productType")
    if kind != "GRD":
        raise ValueError(f"it is a product of type {printable(kind, 20)}, only GRD can be used")
    mode = _text(root, "instrumentMode/{*}mode")
    if mode not in _MODES:
        raise ValueError(f"the mode is {printable(mode, 20)}, not {', '.join(_MODES)}")
    letter = _text(root, "platform/{*}number")
    if re.fullmatch("[A-Z]", letter) is None:
        raise ValueError(f"the platform is {printable(repr(letter), 20)}, not a letter")
    matches = ((SAR_FILE.fullmatch(name), name) for name in listed)
    files = {
        (_KINDS[match[1]], match[2].upper()): name for match, name in matches if match is not None
    }
    polarisations = tuple(each for each in _POLARISATIONS if ("annotation", each) in files)
    if not polarisations:
        raise ValueError("it lists no annotation")
    overview = parse_overview(manifest)
    start = utc_time(_text(root, "acquisitionPeriod/{*}startTime"))
    stop = utc_time(_text(root, "acquisitionPeriod/{*}stopTime"))
    direction, _ = scene_direction(
        overview.orbit_direction, f"S1{letter}", start, stop, overview.footprint, overview.node_ms
    )
    if overview.processor_version is None:
        raise ValueError("it does not say the version of the processor")
    resolution = _RESOLUTION.search(package.name.upper())
    return GrdProduct(
        path=package.path,
        name=package.name,
        platform=f"S1{letter}",
        mode=mode,
        resolution=None if resolution is None else resolution[1],
        processor_version=overview.processor_version,
        orbit_pass=direction,
        relative_orbit=overview.relative_orbit,
        absolute_orbit=_number(root, "orbitNumber"),
        start=start,
        stop=stop,
        polarisations=polarisations,
        _package=package,
        _files=files,
    )


def _text(root: Element, path: str) -> str:
    # The namespaces differ between versions, the names do not.
    text = (root.findtext(f".//{{*}}{path}") or "").strip()
    if not text:
        raise ValueError(f"{path.replace('{*}', '')} is missing")
    return text


def _number(root: Element, path: str) -> int | None:
    text = root.findtext(f".//{{*}}{path}")
    return None if text is None else int(text)
