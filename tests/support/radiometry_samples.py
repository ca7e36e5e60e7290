"""Calibration and noise of the real products of Sentinel-1 beside the specifications."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssl4sar.core.foreign import parse_xml
from ssl4sar.sar.calibration import Calibration, read_calibration


@dataclass(frozen=True)
class Sample:
    """Files of one image that its radiometry needs."""

    name: str
    annotation: bytes
    calibration_xml: bytes
    noise_xml: bytes

    def text(self, element: str) -> str:
        """Text of an element of the annotation."""
        return parse_xml(self.annotation).findtext(f".//{element}") or ""

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and pixels of the image."""
        return int(self.text("numberOfLines")), int(self.text("numberOfSamples"))

    def calibration(self) -> Calibration:
        """Its calibration, as the package reads it."""
        first = np.datetime64(self.text("productFirstLineUtcTime"), "ns")
        interval_s = float(self.text("azimuthTimeInterval"))
        return read_calibration(self.calibration_xml, self.name, first, interval_s)


def samples(test_data: Path) -> list[Sample]:
    """All images that have both files: seven of four zips, one of a folder."""
    folder = test_data / "sentinel1" / "grdh"
    return [sample for path in sorted(folder.iterdir()) for sample in _images(path)]


def _images(product: Path) -> Iterator[Sample]:
    files = _files(product)
    for path, content in files.items():
        folder, _, name = path.rpartition("/")
        noise = files.get(f"{folder}/calibration/noise-{name}")
        if folder.endswith("annotation") and noise is not None:
            calibration = files[f"{folder}/calibration/calibration-{name}"]
            yield Sample(f"{product.stem[-4:]} {name[11:14]}", content, calibration, noise)


def _files(product: Path) -> dict[str, bytes]:
    if product.suffix == ".zip":
        with zipfile.ZipFile(product) as archive:
            names = [name for name in archive.namelist() if name.endswith(".xml")]
            return {name: archive.read(name) for name in names}
    return {
        path.relative_to(product.parent).as_posix(): path.read_bytes()
        for path in product.rglob("*.xml")
    }
