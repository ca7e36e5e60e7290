"""The annotation of one polarisation of a GRD product: times, spacings, orbit, conversion, grid.

Source of the form: S1-RS-MDA-52-7441, Sentinel-1 Product Specification 3/9, section 6.3 (the
elements ``adsHeader``, ``generalAnnotation``, ``imageAnnotation``, ``geolocationGrid`` and
``coordinateConversion``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Self
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.product import utc_time
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_xml
from ssl4sar.core.raster import MOST_PX
from ssl4sar.core.wording import printable
from ssl4sar.geometry.ground_range import GroundRange
from ssl4sar.geometry.orbit import Orbit
from ssl4sar.geometry.range_doppler import SPEED_OF_LIGHT_M_S, RadarCoordinates
from ssl4sar.sar.scene_orbit import scene_orbit

_FIX: Final = "get the product again"
_IMAGE: Final = "imageAnnotation/imageInformation"
_VECTORS: Final = "generalAnnotation/orbitList/orbit"
_CONVERSIONS: Final = "coordinateConversion/coordinateConversionList/coordinateConversion"
_GRID: Final = "geolocationGrid/geolocationGridPointList/geolocationGridPoint"

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TiePoints:
    """The geolocation grid of the processor; (rows, columns) float64 arrays.

    Attributes:
        line: of the image, 0 = centre of the first.
        pixel: of the image, 0 = centre of the first.
        azimuth_time_s: zero Doppler, seconds since the first line.
        slant_range_m: distance then.
        lon_deg: longitudes without jumps: beyond 180 where a scene crosses the antimeridian.
        lat_deg: geodetic latitudes.
        height_m: above the ellipsoid.
        incidence_deg: angle between the line of sight and the normal of the ellipsoid.
    """

    line: _Floats
    pixel: _Floats
    azimuth_time_s: _Floats
    slant_range_m: _Floats
    lon_deg: _Floats
    lat_deg: _Floats
    height_m: _Floats
    incidence_deg: _Floats


@dataclass(frozen=True, eq=False)
class Annotation:
    """What a product says of the image of one polarisation.

    Attributes:
        platform: e.g. S1A.
        polarisation: HH, HV, VV or VH.
        swath: e.g. IW, EW or S3.
        first_line_time: UTC, datetime64[ns]; all other times are seconds since then.
        lines: rows of the image.
        pixels: columns of the image, near range first.
        azimuth_time_interval_s: between lines.
        range_pixel_spacing_m: between pixels, on the ground.
        azimuth_pixel_spacing_m: between lines, on the ground, nominal.
        orbit: of the satellite during the scene.
        orbit_source: where its state vectors are from.
        ground_range: conversion from slant range.
        tie_points: the geolocation grid.
    """

    platform: str
    polarisation: str
    swath: str
    first_line_time: np.datetime64
    lines: int
    pixels: int
    azimuth_time_interval_s: float
    range_pixel_spacing_m: float
    azimuth_pixel_spacing_m: float
    orbit: Orbit
    orbit_source: str
    ground_range: GroundRange
    tie_points: TiePoints

    @property
    def duration_s(self) -> float:
        """Time from the first line to the last one."""
        return (self.lines - 1) * self.azimuth_time_interval_s

    def image_position(self, radar: RadarCoordinates) -> tuple[_Floats, _Floats]:
        """Return lines and pixels of points, 0 = centre of the first; NaN stays NaN.

        The conversion to ground range is a polynomial that diverges far from the image: points
        some 400 km beside it would come back into it. They get NaN.

        Args:
            radar: where the radar sees the points.
        """
        ground_m = self.ground_range.at(radar.azimuth_time_s, radar.slant_range_m)
        line = radar.azimuth_time_s / self.azimuth_time_interval_s
        near_m, far_m = self.tie_points.slant_range_m.min(), self.tie_points.slant_range_m.max()
        beside_m = np.abs(radar.slant_range_m - (near_m + far_m) / 2)
        pixel = np.where(beside_m > far_m - near_m, np.nan, ground_m / self.range_pixel_spacing_m)
        return line, pixel

    def with_orbit(self, orbit: Orbit, source: str) -> Self:
        """Return the annotation with another orbit.

        Args:
            orbit: in seconds since the first line.
            source: where its state vectors are from.
        """
        return replace(self, orbit=orbit, orbit_source=source)


def read_annotation(content: bytes, subject: str) -> Annotation:
    """Read the annotation of a GRD product.

    Args:
        content: XML.
        subject: what messages call it.

    Raises:
        UserError: it is not XML, declares entities, is not of a GRD product, or an element is
            missing or has a value that cannot be.
    """
    try:
        return _annotation(parse_xml(content))
    except ValueError as error:
        raise UserError(subject, f"the annotation cannot be used ({error})", _FIX) from error


def _annotation(root: Element) -> Annotation:
    kind = _text(root, "adsHeader/productType")
    if kind != "GRD":
        raise ValueError(f"adsHeader/productType is {printable(kind, 20)}, not GRD")
    image = f"{_IMAGE}/"
    first_line_time = _time(root, f"{image}productFirstLineUtcTime")
    lines = _count(root, f"{image}numberOfLines")
    pixels = _count(root, f"{image}numberOfSamples")
    if lines * pixels > MOST_PX:
        raise ValueError(f"the image is to have {lines} x {pixels} pixels")
    interval_s = _positive(root, f"{image}azimuthTimeInterval")
    source = root.findtext("imageAnnotation/processingInformation/orbitSource")
    return Annotation(
        platform=_text(root, "adsHeader/missionId"),
        polarisation=_text(root, "adsHeader/polarisation"),
        swath=_text(root, "adsHeader/swath"),
        first_line_time=first_line_time,
        lines=lines,
        pixels=pixels,
        azimuth_time_interval_s=interval_s,
        range_pixel_spacing_m=_positive(root, f"{image}rangePixelSpacing"),
        azimuth_pixel_spacing_m=_positive(root, f"{image}azimuthPixelSpacing"),
        orbit=_orbit(root, first_line_time, (lines - 1) * interval_s),
        orbit_source=f"annotation ({source})" if source else "annotation",
        ground_range=_ground_range(root, first_line_time),
        tie_points=_tie_points(root, first_line_time),
    )


def _orbit(root: Element, first_line_time: np.datetime64, duration_s: float) -> Orbit:
    vectors = _records(root, _VECTORS)
    if any(vector.findtext("frame", "Earth Fixed") != "Earth Fixed" for vector in vectors):
        raise ValueError(f"{_VECTORS}/frame is not Earth Fixed")
    times_s = _times_s(vectors, _VECTORS, "time", first_line_time)
    positions, velocities = (
        np.stack([_numbers(vectors, _VECTORS, f"{kind}/{axis}") for axis in "xyz"])
        for kind in ("position", "velocity")
    )
    try:
        return scene_orbit(times_s, positions, velocities, duration_s)
    except ValueError as error:
        raise ValueError(f"{_VECTORS}: {error}") from error


def _ground_range(root: Element, first_line_time: np.datetime64) -> GroundRange:
    records = _records(root, _CONVERSIONS)
    times_s = _times_s(records, _CONVERSIONS, "azimuthTime", first_line_time)
    if (np.diff(times_s) <= 0).any():
        raise ValueError(f"{_CONVERSIONS}/azimuthTime is out of order")
    origins_m = _numbers(records, _CONVERSIONS, "sr0")
    ground = _polynomials(records, "srgrCoefficients")
    slant = _polynomials(records, "grsrCoefficients")
    if _numbers(records, _CONVERSIONS, "gr0").any():
        raise ValueError(f"{_CONVERSIONS}/gr0 is not 0: ground ranges begin at another pixel")
    return GroundRange(times_s, origins_m, ground, slant)


def _polynomials(records: list[Element], name: str) -> _Floats:
    """Return (records, K) coefficients; shorter lists end with zeros."""
    shown = f"{_CONVERSIONS}/{name}"
    listed = [
        [_as_number(part, shown) for part in _text(record, name, shown).split()]
        for record in records
    ]
    coefficients = np.zeros((len(records), max(map(len, listed))))
    for row, polynomial in zip(coefficients, listed, strict=True):
        row[: len(polynomial)] = polynomial
    return coefficients


def _tie_points(root: Element, first_line_time: np.datetime64) -> TiePoints:
    points = _records(root, _GRID)
    line = _numbers(points, _GRID, "line")
    columns = int((line == line[0]).sum())
    if line.size % columns or columns < 2 or line.size < 2 * columns:
        raise ValueError(f"{_GRID}: {line.size} points are not rows of {columns}")

    def grid(values: _Floats) -> _Floats:
        return values.reshape(-1, columns)

    line, pixel = grid(line), grid(_numbers(points, _GRID, "pixel"))
    if np.ptp(line, axis=1).any() or (np.diff(line[:, 0]) <= 0).any():
        raise ValueError(f"{_GRID}/line: the points are not in rows")
    if (np.diff(pixel, axis=1) <= 0).any():
        raise ValueError(f"{_GRID}/pixel: the points of a row are out of order")
    lon, lat = (grid(_numbers(points, _GRID, name)) for name in ("longitude", "latitude"))
    if not ((np.abs(lat) <= 90).all() and (np.abs(lon) <= 180).all()):
        raise ValueError(f"{_GRID}: a point is not on the globe")
    return TiePoints(
        line=line,
        pixel=pixel,
        azimuth_time_s=grid(_times_s(points, _GRID, "azimuthTime", first_line_time)),
        slant_range_m=grid(_numbers(points, _GRID, "slantRangeTime")) * SPEED_OF_LIGHT_M_S / 2,
        lon_deg=_without_jumps(lon),
        lat_deg=lat,
        height_m=grid(_numbers(points, _GRID, "height")),
        incidence_deg=grid(_numbers(points, _GRID, "incidenceAngle")),
    )


def _without_jumps(lon_deg: _Floats) -> _Floats:
    along_rows = np.unwrap(lon_deg, period=360, axis=1)
    first = along_rows[:, :1]
    return along_rows + (np.unwrap(first, period=360, axis=0) - first)


def _records(root: Element, path: str) -> list[Element]:
    found = root.findall(path)
    if not found:
        raise ValueError(f"{path} is missing")
    return found


def _text(element: Element, path: str, shown: str | None = None) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise ValueError(f"{shown or path} is missing or empty")
    return text


def _as_number(text: str, shown: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{shown} is {printable(repr(text), 40)}, not a number")
    return value


def _positive(root: Element, path: str) -> float:
    value = _as_number(_text(root, path), path)
    if value <= 0:
        raise ValueError(f"{path} is {value:g}")
    return value


def _count(root: Element, path: str) -> int:
    value = _positive(root, path)
    if not value.is_integer():
        raise ValueError(f"{path} is {value:g}")
    return int(value)


def _time(element: Element, path: str, shown: str | None = None) -> np.datetime64:
    text = _text(element, path, shown)
    try:
        return np.datetime64(utc_time(text).replace(tzinfo=None), "ns")
    except ValueError as error:
        raise ValueError(f"{shown or path}: {error}") from error


def _numbers(records: list[Element], where: str, name: str) -> _Floats:
    shown = f"{where}/{name}"
    return np.array([_as_number(_text(record, name, shown), shown) for record in records])


def _times_s(
    records: list[Element], where: str, name: str, first_line_time: np.datetime64
) -> _Floats:
    times = np.array([_time(record, name, f"{where}/{name}") for record in records])
    return (times - first_line_time) / np.timedelta64(1, "s")
