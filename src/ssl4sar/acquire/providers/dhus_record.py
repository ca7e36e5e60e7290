"""Products as a Data Hub lists them (OpenSearch, by way of sentinelsat's GeoJSON)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.catalogue.product_name import SarName, parse_name
from ssl4sar.acquire.product import Product, utc_time
from ssl4sar.acquire.providers.common import known_form, orbit_direction
from ssl4sar.acquire.providers.odata_record import footprint_of

_UNITS: Final = {"B": 0, "KB": 1, "MB": 2, "GB": 3, "TB": 4}
_SIZE: Final = re.compile(r"([0-9.]+) ?([KMGT]?B)")


def product_of_feature(feature: Mapping[str, Any], hub: str) -> Product:
    """Return the product of a feature of sentinelsat's ``to_geojson``.

    The size is what the hub says in words ("1.62 GB"), so it is good for a forecast only.

    Args:
        feature: GeoJSON feature with the properties of the hub.
        hub: address of the hub, for the error.

    Raises:
        UserError: a property is missing or of another form.
    """
    with known_form(hub, "use another hub"):
        return _product(feature)


def _product(feature: Mapping[str, Any]) -> Product:
    properties = feature["properties"]
    name = parse_name(properties["identifier"])
    start = utc_time(properties["beginposition"])
    stop = utc_time(properties.get("endposition", properties["beginposition"]))
    footprint = footprint_of(feature["geometry"])
    stated = orbit_direction(properties.get("orbitdirection"))
    common: dict[str, Any] = {
        "provider": "dhus",
        "id": str(properties["id"]),
        "name": name.name,
        "platform": name.platform,
        "product_type": name.product_type,
        "start": start,
        "stop": stop,
        "datatake": name.datatake,
        "size_bytes": _size_bytes(properties.get("size")),
        "footprint": footprint,
    }
    if isinstance(name, SarName):
        direction, is_stated = scene_direction(stated, name.platform, start, stop, footprint)
        return Product(
            mission="sentinel-1",
            mode=name.mode,
            polarisations=name.polarisations,
            relative_orbit=_track(properties) or name.relative_orbit,
            orbit_direction=direction,
            direction_stated=is_stated,
            **common,
        )
    return Product(
        mission="sentinel-2",
        relative_orbit=name.relative_orbit,
        orbit_direction=stated,
        processor_version=name.baseline,
        cloud_percent=_number(properties.get("cloudcoverpercentage")),
        tile=name.tile,
        **common,
    )


def _track(properties: Mapping[str, Any]) -> int | None:
    track = properties.get("relativeorbitnumber")
    return None if track is None else int(track)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _size_bytes(text: str | None) -> int | None:
    match = _SIZE.fullmatch(text or "")
    return None if match is None else int(float(match[1]) * 1024 ** _UNITS[match[2]])
