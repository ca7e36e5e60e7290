"""Records of the OData catalogue, turned into products."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np
from shapely import from_geojson, get_coordinates, make_valid, to_geojson
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from ssl4sar.acquire.areas import cut_at_antimeridian, unwrap
from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.catalogue.product_name import (
    OpticalName,
    SarName,
    bare_name,
    parse_name,
    plain_version,
)
from ssl4sar.acquire.product import Mission, Product, utc_time
from ssl4sar.acquire.providers.common import orbit_direction
from ssl4sar.core.foreign import parse_json

_POLARISATION: Final = re.compile(r"HH|HV|VV|VH")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+")
#: Beyond this a coordinate is not on the globe; services write longitudes to 360 and some beyond.
_FARTHEST_DEG: Final = (540.0, 90.000001)


def product_of(record: Mapping[str, Any], provider: str, mission: Mission) -> Product:
    """Return the product of a record.

    What the name tells goes before the attributes; times come from the record, which has them in
    full.

    Args:
        record: as the catalogue lists it with ``$expand=Attributes``.
        provider: name of the provider that serves it.
        mission: whose collection was searched.

    Raises:
        ValueError: identifier, name or times are missing or of another form, or a value is one that
            no product has.
    """
    attributes = attributes_of(record)
    name = _text(record, "Name")
    try:
        told = parse_name(name)
    except ValueError:
        told = None
    start, stop = content_dates(record)
    platform = told.platform if told else _platform(attributes)
    footprint = footprint_of(record.get("GeoFootprint"))
    direction, is_stated = orbit_direction(str(attributes.get("orbitDirection"))), False
    if mission == "sentinel-1":
        node_ms = (
            _number(attributes.get("startTimeFromAscendingNode")),
            _number(attributes.get("completionTimeFromAscendingNode")),
        )
        direction, is_stated = scene_direction(direction, platform, start, stop, footprint, node_ms)
    sar = told if isinstance(told, SarName) else None
    optical = told if isinstance(told, OpticalName) else None
    version = optical.baseline if optical else attributes.get("processorVersion")
    return Product(
        provider=provider,
        id=_text(record, "Id"),
        name=bare_name(name),
        mission=mission,
        platform=platform,
        product_type=told.product_type if told else str(attributes.get("productType") or "unknown"),
        start=start,
        stop=stop,
        mode=sar.mode if sar else _or_none(attributes.get("operationalMode")),
        polarisations=sar.polarisations if sar else _polarisations(attributes),
        relative_orbit=_relative_orbit(attributes, told),
        orbit_direction=direction,
        direction_stated=is_stated,
        datatake=told.datatake if told else None,
        processor_version=version if optical else plain_version(_or_none(version)),
        cloud_percent=_number(attributes.get("cloudCover")),
        size_bytes=_size(record.get("ContentLength")),
        checksums=checksums_of(record),
        online=record.get("Online") is not False,
        footprint=footprint,
        tile=optical.tile if optical else None,
    )


def attributes_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a record by name; empty where there are none."""
    listed = record.get("Attributes")
    if not isinstance(listed, list):
        return {}
    return {
        each["Name"]: each.get("Value")
        for each in listed
        if isinstance(each, dict) and isinstance(each.get("Name"), str)
    }


def content_dates(record: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return when the content of a record starts and ends, UTC.

    Raises:
        ValueError: a time is missing or of another form.
    """
    dates = record.get("ContentDate")
    told = dates if isinstance(dates, dict) else {}
    return utc_time(told.get("Start")), utc_time(told.get("End"))


def checksums_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of a record by algorithm, in lower case; the list is empty for some."""
    listed = record.get("Checksum")
    checksums = {}
    for each in listed if isinstance(listed, list) else []:
        if not isinstance(each, dict):
            continue
        algorithm, value = (
            str(each.get("Algorithm", "")).lower(),
            str(each.get("Value", "")).lower(),
        )
        if algorithm and _HEXADECIMAL.fullmatch(value):
            checksums[algorithm] = value
    return checksums


def footprint_of(geometry: Any) -> dict[str, Any] | None:
    """Return a footprint within -180 to 180 degrees, cut at the antimeridian; None if unknown.

    Args:
        geometry: GeoJSON; rings whose longitude jumps by more than 180 degrees go the short way.

    Raises:
        ValueError: a coordinate is not a number or not on the globe.
    """
    if not isinstance(geometry, dict):
        return None
    try:
        shape = from_geojson(json.dumps(geometry))
    except (ShapelyError, ValueError, TypeError):
        return None  # not a geometry
    points = get_coordinates(shape)
    if not (np.abs(points) <= _FARTHEST_DEG).all():  # also what is not a number
        raise ValueError("its footprint has a coordinate that is not on the globe")
    polygons = [each for each in getattr(shape, "geoms", [shape]) if isinstance(each, Polygon)]
    try:
        pieces = [piece for polygon in polygons for piece in _pieces(polygon)]
    except (ShapelyError, ValueError):
        return None  # around a pole, or nothing that can be repaired
    united = unary_union(pieces)
    parts = [each for each in getattr(united, "geoms", [united]) if isinstance(each, Polygon)]
    parts = [each for each in parts if not each.is_empty]
    if not parts:
        return None
    footprint: dict[str, Any] = parse_json(
        to_geojson(parts[0] if len(parts) == 1 else MultiPolygon(parts))
    )
    return footprint


def _pieces(polygon: Polygon) -> list[Polygon]:
    if polygon.is_empty:
        return []
    whole = Polygon(polygon.exterior)
    west, _, east, _ = whole.bounds
    if -180.0 <= west <= east <= 180.0 and east - west <= 180.0 and whole.is_valid:
        return [orient(whole)]  # nearly all: there is nothing to cut
    # A ring may cross itself; only a valid one can be cut.
    valid = make_valid(unwrap(whole))
    return [
        piece
        for each in getattr(valid, "geoms", [valid])
        if isinstance(each, Polygon)
        for piece in cut_at_antimeridian(each)
    ]


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{record.get('Name', 'a record')}: {key} is missing")
    return value


def _platform(attributes: Mapping[str, Any]) -> str:
    short = str(attributes.get("platformShortName", ""))
    serial = str(attributes.get("platformSerialIdentifier", ""))
    return short.replace("SENTINEL-", "S") + serial or "unknown"


def _polarisations(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_POLARISATION.findall(str(attributes.get("polarisationChannels", ""))))


def _relative_orbit(
    attributes: Mapping[str, Any], told: SarName | OpticalName | None
) -> int | None:
    listed = _number(attributes.get("relativeOrbitNumber"))
    if listed is not None:
        return int(listed)
    return told.relative_orbit if told else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _size(value: Any) -> int | None:
    # In JSON true is no number, in Python it is.
    return value if isinstance(value, int) and value is not True and value > 0 else None


def _or_none(value: Any) -> str | None:
    return None if value is None else str(value)
