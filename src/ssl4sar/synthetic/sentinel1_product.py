"""SYNTHETIC Sentinel-1 GRD products: a radar image of the scene model in SAFE format.

What a reader of real products meets is in them: numbers of amplitude with speckle and thermal
noise, state vectors, conversion to ground range, geolocation grid, calibration and noise in the
form of processors from 2.9 on, a manifest with a checksum of every file (S1-RS-MDA-52-7441,
Sentinel-1 Product Specification 3/9). No pixel is an observation: the manifest and every file
say so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes, write_text
from ssl4sar.geometry.ellipsoid import normals, to_ecef
from ssl4sar.geometry.range_doppler import SPEED_OF_LIGHT_M_S, to_radar
from ssl4sar.synthetic.noise import FloatArray
from ssl4sar.synthetic.radar_pass import RadarPass
from ssl4sar.synthetic.sar import speckled

NOTE: Final = "SYNTHETIC product of the ssl4sar scene model, not an observation"
#: Letter of the satellite and version of the processor that no real product has.
PLATFORM, PROCESSOR_VERSION = "X", "009.99"
#: Equivalent number of looks of an IW GRDH product, and its blur.
_LOOKS, _SPREAD_PX = 4.4, 0.45
#: Amplitude of beta nought 1 in numbers, as in products of Sentinel-1A.
_BETA: Final = 474.0
#: Thermal noise as sigma nought, mid-swath, dB; some decibels more at the edges.
_NESZ_DB, _NESZ_RISE_DB = -27.0, 3.0
#: Steps of the vectors of calibration and noise, pixels and lines.
_STEP_PX, _STEP_LINES = 40, 400
_GRID: Final = (10, 21)
_ORBITS: Final = 175


@dataclass(frozen=True)
class SarProductName:
    """What names a product.

    Attributes:
        start: time of the first line, UTC.
        stop: time of the last line, UTC.
        polarisation: VV or HH.
        relative_orbit: track, 1 to 175.
        datatake: number of the datatake.
    """

    start: datetime
    stop: datetime
    polarisation: str
    relative_orbit: int
    datatake: int

    @property
    def absolute_orbit(self) -> int:
        """Number of the orbit since launch; only its track means something here."""
        return 100 * _ORBITS + self.relative_orbit

    def __str__(self) -> str:
        single = {"VV": "SV", "HH": "SH"}[self.polarisation]
        times = f"{self.start:%Y%m%dT%H%M%S}_{self.stop:%Y%m%dT%H%M%S}"
        numbers = f"{self.absolute_orbit:06d}_{self.datatake:06X}"
        unique = hashlib.sha256(f"{times}{numbers}".encode()).hexdigest()[:4].upper()
        return f"S1{PLATFORM}_IW_GRDH_1S{single}_{times}_{numbers}_{unique}"

    @property
    def file(self) -> str:
        """Name of the files of the polarisation, without ending."""
        times = f"{self.start:%Y%m%dt%H%M%S}-{self.stop:%Y%m%dt%H%M%S}"
        numbers = f"{self.absolute_orbit:06d}-{self.datatake:06x}"
        return f"s1{PLATFORM.lower()}-iw-grd-{self.polarisation.lower()}-{times}-{numbers}-001"


def sar_product_name(
    radar: RadarPass, first_line: datetime, polarisation: str, relative_orbit: int
) -> SarProductName:
    """Return the name of the product of a pass; arguments as for :func:`write_sar_product`."""
    duration = timedelta(seconds=(radar.lines - 1) * radar.azimuth_time_interval_s)
    return SarProductName(
        first_line, first_line + duration, polarisation, relative_orbit, first_line.toordinal()
    )


def write_sar_product(
    folder: Path,
    radar: RadarPass,
    power: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    first_line: datetime,
    polarisation: str,
    relative_orbit: int,
    near: tuple[float, float],
) -> Path:
    """Write an image as a GRD product.

    Args:
        folder: where ``NAME.SAFE`` is made.
        radar: the pass.
        power: (lines, pixels) sigma nought, linear, without speckle; see
            :func:`ssl4sar.synthetic.radar_pass.project`.
        rng: generator of speckle and noise.
        first_line: time of the first line, UTC.
        polarisation: VV or HH.
        relative_orbit: track, 1 to 175.
        near: longitude and latitude of a point in the image, degrees.

    Returns:
        The folder ``NAME.SAFE``.

    Raises:
        ValueError: the image is not that of the pass.
    """
    if power.shape != (radar.lines, radar.pixels):
        raise ValueError(f"expected ({radar.lines}, {radar.pixels}) pixels, got {power.shape}")
    name = sar_product_name(radar, first_line, polarisation, relative_orbit)
    product = folder / f"{name}.SAFE"
    tables = _Tables.of(radar, near)
    contents = {
        f"annotation/{name.file}.xml": _annotation(name, radar, tables),
        f"annotation/calibration/calibration-{name.file}.xml": _calibration(name, radar, tables),
        f"annotation/calibration/noise-{name.file}.xml": _noise(name, radar, tables),
        f"measurement/{name.file}.tiff": _measurement(radar, power, tables, rng),
    }
    for path, content in contents.items():
        write_bytes(product / path, content)
    write_text(product / "manifest.safe", _manifest(name, radar, tables, contents))
    return product


@dataclass(frozen=True, eq=False)
class _Tables:
    """Grids of the product.

    Attributes:
        lines: (10,) rows of the geolocation grid.
        pixels: (21,) columns of it.
        lon: (10, 21) degrees at height 0.
        lat: (10, 21) degrees.
        incidence_deg: (10, 21) against the normal of the ellipsoid.
        sigma: (pixels,) amplitude of sigma nought 1 in numbers.
        gamma: (pixels,) amplitude of gamma nought 1.
        noise: (pixels,) thermal noise in squared numbers.
    """

    lines: NDArray[np.int_]
    pixels: NDArray[np.int_]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    incidence_deg: NDArray[np.float64]
    sigma: NDArray[np.float64]
    gamma: NDArray[np.float64]
    noise: NDArray[np.float64]

    @classmethod
    def of(cls, radar: RadarPass, near: tuple[float, float]) -> _Tables:
        lines = np.linspace(0, radar.lines - 1, _GRID[0]).round().astype(int)
        pixels = np.linspace(0, radar.pixels - 1, _GRID[1]).round().astype(int)
        lon, lat = radar.ground_point(lines[:, None], pixels[None, :], 0.0, near)
        # Products have longitudes of -180 to 180; only those beyond are changed.
        lon = np.where(np.abs(lon) > 180, lon - np.copysign(360, lon), lon)
        points = to_ecef(lon, lat, 0.0)
        seen = to_radar(radar.orbit, points)
        sight = (radar.orbit.position(seen.azimuth_time_s) - points) / seen.slant_range_m
        incidence = np.degrees(np.arccos((sight * normals(lon, lat)).sum(0)))
        every = np.arange(radar.pixels)
        angle = np.radians(np.interp(every, pixels, incidence.mean(0)))
        sigma = _BETA / np.sqrt(np.sin(angle))
        middle = (every / (radar.pixels - 1) - 0.5) * 2
        nesz = 10 ** ((_NESZ_DB + _NESZ_RISE_DB * middle**2) / 10)
        gamma = sigma * np.sqrt(np.cos(angle))
        return cls(lines, pixels, lon, lat, incidence, sigma, gamma, nesz * sigma**2)


def _measurement(
    radar: RadarPass, power: FloatArray, tables: _Tables, rng: np.random.Generator
) -> bytes:
    from rasterio.control import GroundControlPoint
    from rasterio.io import MemoryFile

    mean = power * tables.sigma.astype(np.float32) ** 2 + tables.noise.astype(np.float32)
    squared = speckled(rng, mean.astype(np.float32), _LOOKS, _SPREAD_PX)
    numbers = np.rint(np.sqrt(np.maximum(squared, 0))).clip(1, np.iinfo(np.uint16).max)
    points = [
        GroundControlPoint(
            row=float(line) + 0.5,
            col=float(pixel) + 0.5,
            x=float(tables.lon[row, column]),
            y=float(tables.lat[row, column]),
            z=0.0,
        )
        for row, line in enumerate(tables.lines)
        for column, pixel in enumerate(tables.pixels)
    ]
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            width=radar.pixels,
            height=radar.lines,
            count=1,
            dtype="uint16",
            crs="EPSG:4326",
            gcps=points,
        ) as file:
            file.write(numbers.astype(np.uint16), 1)
            file.update_tags(TIFFTAG_IMAGEDESCRIPTION=NOTE)
        return bytes(memory.read())


# XML: a tree of tags in nested mappings, lists for what repeats.


def _time(name: SarProductName, seconds: float) -> str:
    return f"{name.start.replace(tzinfo=None) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}"


def _xml(tag: str, content: Any) -> str:
    tag_name = tag.split(" ", 1)[0]
    if isinstance(content, Mapping):
        content = "".join(_xml(key, value) for key, value in content.items())
    elif isinstance(content, list):
        return "".join(_xml(tag, each) for each in content)
    elif isinstance(content, np.ndarray):
        content = " ".join(f"{value:.9e}" for value in content)
    elif isinstance(content, float):
        content = f"{content:.15e}"
    return f"<{tag}>{content}</{tag_name}>"


def _listed(tag: str, entries: list[Any]) -> dict[str, Any]:
    """Return a list as products write it, with its length."""
    return {f'{tag}List count="{len(entries)}"': {tag: entries}}


def _counted(tag: str, values: NDArray[Any] | Iterable[int]) -> dict[str, Any]:
    found = np.asarray(values)
    text = " ".join(map(str, found)) if found.dtype.kind == "i" else found
    return {f'{tag} count="{found.size}"': text}


def _document(root: str, content: Mapping[str, Any]) -> bytes:
    body = _xml(root, content)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {NOTE} -->\n{body}\n'.encode()


def _header(name: SarProductName, radar: RadarPass) -> dict[str, Any]:
    last_s = (radar.lines - 1) * radar.azimuth_time_interval_s
    return {
        "adsHeader": {
            "missionId": f"S1{PLATFORM}",
            "productType": "GRD",
            "polarisation": name.polarisation,
            "mode": "IW",
            "swath": "IW",
            "startTime": _time(name, 0.0),
            "stopTime": _time(name, last_s),
            "absoluteOrbitNumber": name.absolute_orbit,
            "missionDataTakeId": name.datatake,
            "imageNumber": "001",
        }
    }


def _annotation(name: SarProductName, radar: RadarPass, tables: _Tables) -> bytes:
    last_s = (radar.lines - 1) * radar.azimuth_time_interval_s
    middle = tables.incidence_deg[_GRID[0] // 2, _GRID[1] // 2]
    return _document(
        "product",
        {
            **_header(name, radar),
            "generalAnnotation": {
                "productInformation": {
                    "pass": "Ascending" if radar.ascending else "Descending",
                    "timelinessCategory": "Off-line",
                    "platformHeading": heading_deg(radar),
                    "projection": "Ground Range",
                    "rangeSamplingRate": 6.434523812571428e07,
                    "radarFrequency": 5.405000454334350e09,
                    "azimuthSteeringRate": 1.590368784,
                },
                **_listed("orbit", _state_vectors(name, radar)),
            },
            "imageAnnotation": {
                "imageInformation": {
                    "productFirstLineUtcTime": _time(name, 0.0),
                    "productLastLineUtcTime": _time(name, last_s),
                    "ascendingNodeTime": _time(name, radar.node_time_s),
                    "anchorTime": _time(name, 0.0),
                    "productComposition": "Individual",
                    "sliceNumber": 0,
                    'sliceList count="0"': "",
                    "slantRangeTime": 2 * radar.near_range_m / SPEED_OF_LIGHT_M_S,
                    "pixelValue": "Detected",
                    "outputPixels": "16 bit Unsigned Integer",
                    "rangePixelSpacing": radar.spacing_m,
                    "azimuthPixelSpacing": radar.spacing_m,
                    "azimuthTimeInterval": radar.azimuth_time_interval_s,
                    "azimuthFrequency": 1 / radar.azimuth_time_interval_s,
                    "numberOfSamples": radar.pixels,
                    "numberOfLines": radar.lines,
                    "zeroDopMinusAcqTime": 0.0,
                    "incidenceAngleMidSwath": float(middle),
                },
                "processingInformation": {
                    "thermalNoiseCorrectionPerformed": "false",
                    "ellipsoidName": "WGS84",
                    "orbitSource": "Auxiliary",
                },
            },
            "swathTiming": {
                "linesPerBurst": 0,
                "samplesPerBurst": 0,
                'burstList count="0"': "",
            },
            "geolocationGrid": _listed("geolocationGridPoint", _grid_points(name, radar, tables)),
            "coordinateConversion": _listed("coordinateConversion", _conversions(name, radar)),
        },
    )


def _state_vectors(name: SarProductName, radar: RadarPass) -> list[dict[str, Any]]:
    return [
        {
            "time": _time(name, time),
            "frame": "Earth Fixed",
            "position": dict(zip("xyz", map(float, place), strict=True)),
            "velocity": dict(zip("xyz", map(float, velocity), strict=True)),
        }
        for time, place, velocity in zip(
            _whole_microseconds(radar.vector_times_s),
            radar.orbit.position(_whole_microseconds(radar.vector_times_s)).T,
            radar.orbit.velocity(_whole_microseconds(radar.vector_times_s)).T,
            strict=True,
        )
    ]


def _whole_microseconds(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    # Times are written so; 1 us of flight is 7 mm.
    return np.round(times_s, 6)


def _conversions(name: SarProductName, radar: RadarPass) -> list[dict[str, Any]]:
    records = radar.ground_range
    return [
        {
            "azimuthTime": _time(name, float(records.times_s[index])),
            "slantRangeTime": 2 * radar.near_range_m / SPEED_OF_LIGHT_M_S,
            "sr0": float(records.origins_m[index]),
            **_counted("srgrCoefficients", records.coefficients[index]),
            "gr0": 0.0,
            **_counted("grsrCoefficients", radar.slant_range[index]),
        }
        for index in range(len(records.times_s))
    ]


def _grid_points(name: SarProductName, radar: RadarPass, tables: _Tables) -> list[dict[str, Any]]:
    seen = to_radar(radar.orbit, to_ecef(tables.lon, tables.lat, 0.0))
    return [
        {
            "azimuthTime": _time(name, float(seen.azimuth_time_s[row, column])),
            "slantRangeTime": float(2 * seen.slant_range_m[row, column] / SPEED_OF_LIGHT_M_S),
            "line": int(line),
            "pixel": int(pixel),
            "latitude": float(tables.lat[row, column]),
            "longitude": float(tables.lon[row, column]),
            "height": 0.0,
            "incidenceAngle": float(tables.incidence_deg[row, column]),
            # Between the line of sight and the nadir of the satellite; nothing here uses it.
            "elevationAngle": float(tables.incidence_deg[row, column] * 0.88),
        }
        for row, line in enumerate(tables.lines)
        for column, pixel in enumerate(tables.pixels)
    ]


def heading_deg(radar: RadarPass) -> float:
    """Return the direction of flight from north, clockwise, degrees, over the ground below."""
    middle_s = radar.lines / 2 * radar.azimuth_time_interval_s
    place, velocity = radar.orbit.position(middle_s), radar.orbit.velocity(middle_s)
    up = place / np.linalg.norm(place)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east)
    return float(np.degrees(np.arctan2(velocity @ east, velocity @ np.cross(up, east))))


def _steps(size: int, step: int) -> NDArray[np.int_]:
    return np.unique(np.append(np.arange(0, size, step), size - 1))


def _calibration(name: SarProductName, radar: RadarPass, tables: _Tables) -> bytes:
    pixels = _steps(radar.pixels, _STEP_PX)
    beta = np.full(pixels.size, _BETA)
    vectors = [
        {
            "azimuthTime": _time(name, float(line) * radar.azimuth_time_interval_s),
            "line": int(line),
            **_counted("pixel", pixels),
            **_counted("sigmaNought", tables.sigma[pixels]),
            **_counted("betaNought", beta),
            **_counted("gamma", tables.gamma[pixels]),
            **_counted("dn", beta),
        }
        for line in _steps(radar.lines, _STEP_LINES)
    ]
    return _document(
        "calibration",
        {
            **_header(name, radar),
            "calibrationInformation": {"absoluteCalibrationConstant": 1.0},
            **_listed("calibrationVector", vectors),
        },
    )


def _noise(name: SarProductName, radar: RadarPass, tables: _Tables) -> bytes:
    pixels, lines = _steps(radar.pixels, _STEP_PX), _steps(radar.lines, 10)
    vectors = [
        {
            "azimuthTime": _time(name, float(line) * radar.azimuth_time_interval_s),
            "line": int(line),
            **_counted("pixel", pixels),
            **_counted("noiseRangeLut", tables.noise[pixels]),
        }
        for line in _steps(radar.lines, _STEP_LINES)
    ]
    block = {
        "swath": "IW1",
        "firstAzimuthLine": 0,
        "firstRangeSample": 0,
        "lastAzimuthLine": radar.lines - 1,
        "lastRangeSample": radar.pixels - 1,
        **_counted("line", lines),
        **_counted("noiseAzimuthLut", np.ones(lines.size)),
    }
    return _document(
        "noise",
        {
            **_header(name, radar),
            **_listed("noiseRangeVector", vectors),
            **_listed("noiseAzimuthVector", [block]),
        },
    )


def _manifest(
    name: SarProductName, radar: RadarPass, tables: _Tables, contents: Mapping[str, bytes]
) -> str:
    sections = {
        f'metadataObject ID="{key}" classification="DESCRIPTION" category="DMD"': {
            'metadataWrap mimeType="text/xml" vocabularyName="SAFE"': {"xmlData": value}
        }
        for key, value in _metadata(name, radar, tables).items()
    }
    objects = "".join(_data_object(path, content) for path, content in contents.items())
    spaces = " ".join(f'xmlns:{short}="{address}"' for short, address in _SPACES.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {NOTE} -->\n<xfdu:XFDU {spaces} '
        'version="esa/safe/sentinel-1.0/sentinel-1/sar/level-1/grd/standard/iwdp">'
        f"{_xml('metadataSection', sections)}<dataObjectSection>{objects}</dataObjectSection>"
        "</xfdu:XFDU>\n"
    )


def _metadata(name: SarProductName, radar: RadarPass, tables: _Tables) -> dict[str, Any]:
    """Return the sections of a manifest by their names."""
    corners = ((0, 0), (0, -1), (-1, -1), (-1, 0))
    footprint = " ".join(f"{tables.lat[at]:.6f},{tables.lon[at]:.6f}" for at in corners)
    last_s = (radar.lines - 1) * radar.azimuth_time_interval_s
    node_ms = -1000 * radar.node_time_s
    return {
        "processing": {
            f'safe:processing name="GRD Post Processing" start="{_time(name, last_s)}"': {
                'safe:facility name="ssl4sar" organisation="SYNTHETIC"': {
                    f'safe:software name="Sentinel-1 IPF" version="{PROCESSOR_VERSION}"': ""
                }
            }
        },
        "platform": {
            "safe:platform": {
                "safe:familyName": "SENTINEL-1",
                "safe:number": PLATFORM,
                "safe:instrument": {
                    'safe:familyName abbreviation="SAR"': "SYNTHETIC aperture radar",
                    "safe:extension": {
                        "s1sarl1:instrumentMode": {"s1sarl1:mode": "IW", "s1sarl1:swath": "IW"}
                    },
                },
            }
        },
        "measurementOrbitReference": {
            "safe:orbitReference": {
                'safe:orbitNumber type="start"': name.absolute_orbit,
                'safe:orbitNumber type="stop"': name.absolute_orbit,
                'safe:relativeOrbitNumber type="start"': name.relative_orbit,
                'safe:relativeOrbitNumber type="stop"': name.relative_orbit,
                "safe:cycleNumber": 100,
                "safe:phaseIdentifier": 1,
                "safe:extension": {
                    "s1:orbitProperties": {
                        "s1:pass": "ASCENDING" if radar.ascending else "DESCENDING",
                        "s1:ascendingNodeTime": _time(name, radar.node_time_s),
                    }
                },
            }
        },
        "generalProductInformation": {
            "s1sarl1:standAloneProductInformation": {
                "s1sarl1:instrumentConfigurationID": 0,
                "s1sarl1:missionDataTakeID": name.datatake,
                "s1sarl1:transmitterReceiverPolarisation": name.polarisation,
                "s1sarl1:productClass": "S",
                "s1sarl1:productClassDescription": NOTE,
                "s1sarl1:productComposition": "Individual",
                "s1sarl1:productType": "GRD",
                "s1sarl1:productTimelinessCategory": "Off-line",
            }
        },
        "acquisitionPeriod": {
            "safe:acquisitionPeriod": {
                "safe:startTime": _time(name, 0.0),
                "safe:stopTime": _time(name, last_s),
                "safe:extension": {
                    "s1:timeANX": {
                        "s1:startTimeANX": node_ms,
                        "s1:stopTimeANX": node_ms + 1000 * last_s,
                    }
                },
            }
        },
        "measurementFrameSet": {
            "safe:frameSet": {
                "safe:frame": {
                    'safe:footPrint srsName="http://www.opengis.net/gml/srs/epsg.xml#4326"': {
                        "gml:coordinates": footprint
                    }
                }
            }
        },
    }


_SPACES: Final = {
    "xfdu": "urn:ccsds:schema:xfdu:1",
    "gml": "http://www.opengis.net/gml",
    "safe": "http://www.esa.int/safe/sentinel-1.0",
    "s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
    "s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
}
_SCHEMAS: Final = {
    "annotation/calibration/calibration-": "s1Level1CalibrationSchema",
    "annotation/calibration/noise-": "s1Level1NoiseSchema",
    "annotation/": "s1Level1ProductSchema",
    "measurement/": "s1Level1MeasurementSchema",
}


def _data_object(path: str, content: bytes) -> str:
    schema = next(name for start, name in _SCHEMAS.items() if path.startswith(start))
    identity = re.sub(r"[^a-z0-9]", "", Path(path).stem)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    stream = {
        f'fileLocation locatorType="URL" href="./{path}"': "",
        'checksum checksumName="MD5"': digest,
    }
    kind = f'byteStream ID="{identity}Stream" mimeType="text/xml" size="{len(content)}"'
    return _xml(f'dataObject ID="{identity}" repID="{schema}"', {kind: stream})
