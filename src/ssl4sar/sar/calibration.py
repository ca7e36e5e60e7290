"""Absolute calibration of a product: from digital numbers to backscatter coefficients.

Source: S1-RS-MDA-52-7441, Sentinel-1 Product Specification, calibration data set, and ESA's
"Radiometric Calibration of S-1 Level-1 Products" (ESA-EOPG-CSCOP-TN-0002):
value = DN^2 / A^2 with A of the table sigmaNought, betaNought or gamma.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_xml
from ssl4sar.sar.lookup import FETCH_AGAIN, LookupTable, Vector, make_table, read_nodes

Quantity = Literal["sigma0", "beta0", "gamma0"]
_ELEMENTS: Final[dict[Quantity, str]] = {
    "sigma0": "sigmaNought",
    "beta0": "betaNought",
    "gamma0": "gamma",
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of one image.

    Attributes:
        tables: the gain A of each quantity.
    """

    tables: dict[Quantity, LookupTable]

    def gain(self, quantity: Quantity, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return (rows, columns) A, positive, so that linear power = DN^2 / A^2.

        Args:
            quantity: which backscatter coefficient; gamma0 is that of the ellipsoid.
            rows: lines of the image.
            columns: pixels of the image.
        """
        return self.tables[quantity].at(rows, columns)


def read_calibration(
    content: bytes,
    subject: str | Path,
    first_line_time: np.datetime64,
    azimuth_time_interval_s: float,
) -> Calibration:
    """Read the calibration of an image.

    Vectors are placed by their azimuth times: the lines that the file gives are rounded.

    Args:
        content: XML of the file ``calibration-*.xml``.
        subject: what messages call it.
        first_line_time: time of the first line of the image.
        azimuth_time_interval_s: between two lines, seconds.

    Raises:
        UserError: it is not XML, declares entities, or lacks vectors; a list in it is missing, of
            another length than its pixels, out of order, or holds what is not a positive number.
    """
    try:
        found = parse_xml(content).findall(".//calibrationVector")
        times = [_time(vector, number) for number, vector in enumerate(found, start=1)]
        lines = [
            float((time - first_line_time) / np.timedelta64(1, "s")) / azimuth_time_interval_s
            for time in times
        ]
        tables = {
            quantity: make_table(
                [
                    _vector(vector, line, name, number)
                    for number, (vector, line) in enumerate(zip(found, lines, strict=True), start=1)
                ]
            )
            for quantity, name in _ELEMENTS.items()
        }
    except ValueError as error:
        raise UserError(subject, f"the calibration is damaged ({error})", FETCH_AGAIN) from error
    return Calibration(tables)


def _time(vector: Element, number: int) -> np.datetime64:
    text = (vector.findtext("azimuthTime") or "").strip()
    try:
        time = np.datetime64(text, "ns")
    except ValueError as error:
        raise ValueError(f"calibrationVector {number}: azimuthTime is not a time") from error
    if np.isnat(time):
        raise ValueError(f"calibrationVector {number}: azimuthTime is missing")
    return time


def _vector(vector: Element, line: float, name: str, number: int) -> Vector:
    try:
        return Vector(line, *read_nodes(vector, "pixel", name, zero=False))
    except ValueError as error:
        raise ValueError(f"calibrationVector {number}: {error}") from error
