"""Made-up GRD products of Sentinel-1: small, but in the form of real ones.

The satellite flies a circle over the meridian of Greenwich. Points of the geolocation grid are put
where it sees them, so a product passes its own check.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from ssl4sar.geometry.ellipsoid import to_geodetic
from ssl4sar.geometry.range_doppler import SPEED_OF_LIGHT_M_S

NAME = "S1C_EW_GRDM_1SDH_20260305T065432_20260305T065436_001540_00A21C_1A2B"
START = datetime(2026, 3, 5, 6, 54, 32, 250000)
LINES, PIXELS, INTERVAL_S, SPACING_M = 600, 800, 0.006, 40.0
RADIUS_M, RATE_S = 7_070_000.0, 2 * np.pi / 5925
#: Slant range of the first pixel, and ground range per slant range.
NEAR_M, SLOPE = 850_000.0, 1.6
#: North of the equator at the time of the first line.
_ANGLE = np.radians(70.0)


def circle(times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (3, N) positions and velocities at seconds since the first line."""
    angle = _ANGLE + RATE_S * np.asarray(times_s)
    still = np.zeros_like(angle)
    place = RADIUS_M * np.stack([np.cos(angle), still, np.sin(angle)])
    return place, RADIUS_M * RATE_S * np.stack([-np.sin(angle), still, np.cos(angle)])


def seen_at(times_s: np.ndarray, slant_m: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return longitude, latitude and height of points to the right of the track.

    They are perpendicular to the velocity, 6,360 km from the Earth's centre.
    """
    up = circle(times_s)[0] / RADIUS_M
    along_m = (6_360_000.0**2 + RADIUS_M**2 - slant_m**2) / (2 * RADIUS_M)
    point = along_m * up
    point[1] = np.sqrt(6_360_000.0**2 - along_m**2)
    return to_geodetic(point)


def annotation_xml(polarisation: str = "HH", platform: str = "S1C") -> str:
    """Return an annotation."""
    times = np.arange(-60.0, 70.0, 10.0)
    places, velocities = circle(times)
    line, pixel = np.meshgrid([0, 300, 599], [0, 400, 799], indexing="ij")
    slant_m = NEAR_M + pixel * SPACING_M / SLOPE
    lon, lat, height = seen_at(line * INTERVAL_S, slant_m)
    vectors = "".join(
        f"<orbit><time>{_stamp(time)}</time><frame>Earth Fixed</frame>"
        f"<position>{_axes(place)}</position><velocity>{_axes(velocity)}</velocity></orbit>"
        for time, place, velocity in zip(times, places.T, velocities.T, strict=True)
    )
    conversions = "".join(
        f"<coordinateConversion><azimuthTime>{_stamp(time)}</azimuthTime><sr0>{NEAR_M}</sr0>"
        f'<srgrCoefficients count="3">0.0 {SLOPE} 0.0</srgrCoefficients><gr0>0.0</gr0>'
        f'<grsrCoefficients count="2">{NEAR_M} {1 / SLOPE}</grsrCoefficients>'
        "</coordinateConversion>"
        for time in (-1.0, 2.0, 5.0)
    )
    points = "".join(
        f"<geolocationGridPoint><azimuthTime>{_stamp(line[at] * INTERVAL_S)}</azimuthTime>"
        f"<slantRangeTime>{2 * slant_m[at] / SPEED_OF_LIGHT_M_S}</slantRangeTime>"
        f"<line>{line[at]}</line><pixel>{pixel[at]}</pixel><latitude>{lat[at]}</latitude>"
        f"<longitude>{lon[at]}</longitude><height>{height[at]}</height>"
        "<incidenceAngle>35.5</incidenceAngle></geolocationGridPoint>"
        for at in np.ndindex(3, 3)
    )
    return (
        f"<product><adsHeader><missionId>{platform}</missionId><productType>GRD</productType>"
        f"<polarisation>{polarisation}</polarisation><swath>EW</swath></adsHeader>"
        f"<generalAnnotation><orbitList>{vectors}</orbitList></generalAnnotation>"
        "<imageAnnotation><imageInformation>"
        f"<productFirstLineUtcTime>{_stamp(0.0)}</productFirstLineUtcTime>"
        f"<rangePixelSpacing>{SPACING_M}</rangePixelSpacing>"
        f"<azimuthPixelSpacing>{SPACING_M}</azimuthPixelSpacing>"
        f"<azimuthTimeInterval>{INTERVAL_S}</azimuthTimeInterval>"
        f"<numberOfSamples>{PIXELS}</numberOfSamples><numberOfLines>{LINES}</numberOfLines>"
        "</imageInformation><processingInformation><orbitSource>Auxiliary</orbitSource>"
        "</processingInformation></imageAnnotation>"
        f"<geolocationGrid><geolocationGridPointList>{points}</geolocationGridPointList>"
        "</geolocationGrid><coordinateConversion><coordinateConversionList>"
        f"{conversions}</coordinateConversionList></coordinateConversion></product>"
    )


def _stamp(since_s: float) -> str:
    return f"{START + timedelta(seconds=float(since_s)):%Y-%m-%dT%H:%M:%S.%f}"


def _axes(values: np.ndarray) -> str:
    return "".join(
        f"<{axis}>{value!r}</{axis}>" for axis, value in zip("xyz", values.tolist(), strict=True)
    )


def calibration_xml() -> str:
    """Return a calibration that divides by 500 (sigma0), 400 (beta0) or 450 (gamma0)."""
    tables = {"sigmaNought": 500.0, "betaNought": 400.0, "gamma": 450.0, "dn": 300.0}
    values = "".join(f"<{name}>{value} {value}</{name}>" for name, value in tables.items())
    vectors = "".join(
        f"<calibrationVector><azimuthTime>{_stamp(since_s)}</azimuthTime><line>0</line>"
        f"<pixel>0 {PIXELS - 1}</pixel>{values}</calibrationVector>"
        for since_s in (-1.0, 5.0)
    )
    return f"<calibration><calibrationVectorList>{vectors}</calibrationVectorList></calibration>"


def noise_xml(power: float = 250.0) -> str:
    """Return a noise of one power, which is -30 dB of sigma0 by default."""
    vectors = "".join(
        f"<noiseRangeVector><azimuthTime>{_stamp(line * INTERVAL_S)}</azimuthTime>"
        f"<line>{line}</line><pixel>0 {PIXELS - 1}</pixel>"
        f"<noiseRangeLut>{power} {power}</noiseRangeLut></noiseRangeVector>"
        for line in (0, LINES)
    )
    ranges = f"<noiseRangeVectorList>{vectors}</noiseRangeVectorList>"
    return f'<noise>{ranges}<noiseAzimuthVectorList count="0"/></noise>'


def grd_files(ending: str = "") -> dict[str, bytes]:
    """Return content by path of the files that the manifest of a product lists.

    Args:
        ending: of the names of files, e.g. ``-cog``.
    """
    files = {}
    for number, pair in enumerate(("hh", "hv"), start=1):
        file = f"s1c-ew-grd-{pair}-20260305t065432-20260305t065436-001540-00a21c-00{number}{ending}"
        files[f"annotation/{file}.xml"] = annotation_xml(pair.upper()).encode()
        files[f"annotation/calibration/calibration-{file}.xml"] = calibration_xml().encode()
        files[f"annotation/calibration/noise-{file}.xml"] = noise_xml().encode()
        files[f"measurement/{file}.tiff"] = b"II*\0"
    return files


def grd_manifest(files: Mapping[str, bytes]) -> str:
    """Return a manifest; it states the pass of the datatake's start, which is not the scene's."""
    objects = "".join(
        f'<dataObject><byteStream size="{len(data)}"><fileLocation href="./{path}"/></byteStream>'
        "</dataObject>"
        for path, data in files.items()
    )
    return (
        '<x:XFDU xmlns:x="urn:x" xmlns:safe="urn:safe" xmlns:s1="urn:s1" xmlns:gml="urn:gml">'
        '<metadataSection><safe:software name="Sentinel-1 IPF" version="003.95"/><safe:platform>'
        "<safe:familyName>SENTINEL-1</safe:familyName><safe:number>C</safe:number>"
        "<s1:instrumentMode><s1:mode>EW</s1:mode></s1:instrumentMode></safe:platform>"
        '<safe:orbitNumber type="start">1540</safe:orbitNumber>'
        '<safe:relativeOrbitNumber type="start">58</safe:relativeOrbitNumber>'
        "<s1:pass>DESCENDING</s1:pass><s1:productType>GRD</s1:productType>"
        "<safe:acquisitionPeriod><safe:startTime>2026-03-05T06:54:32.250000</safe:startTime>"
        "<safe:stopTime>2026-03-05T06:54:35.844000</safe:stopTime>"
        "<s1:startTimeANX>1.1521e+06</s1:startTimeANX><s1:stopTimeANX>1.1557e+06</s1:stopTimeANX>"
        "</safe:acquisitionPeriod>"
        "<gml:coordinates>70.2,7.9 70.2,8.9 70.4,8.9 70.4,7.9</gml:coordinates></metadataSection>"
        f"<dataObjectSection>{objects}</dataObjectSection></x:XFDU>"
    )


def write_grd(parent: Path, files: Mapping[str, bytes], manifest: str | None = None) -> Path:
    """Write a folder NAME.SAFE and return it."""
    folder = parent / f"{NAME}.SAFE"
    content = grd_manifest(files) if manifest is None else manifest
    for path, data in {**files, "manifest.safe": content.encode()}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def zip_grd(folder: Path, more: Mapping[str, bytes] | None = None) -> Path:
    """Write a zip of a folder beside it, with more members by whole path, and return it."""
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return target
