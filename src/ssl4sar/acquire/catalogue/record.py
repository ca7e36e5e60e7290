"""From a record of any catalogue to a product: one way for all, and one line for what is odd.

A provider says which of its properties is which field; what a name says goes before what is listed,
the direction follows from geometry (:mod:`ssl4sar.acquire.catalogue.orbit_direction`), and what is
not as documented is unknown where that does no harm, else an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ssl4sar.acquire.catalogue.orbit_direction import scene_direction
from ssl4sar.acquire.catalogue.product_name import (
    ProductName,
    bare_name,
    parse_name,
    plain_version,
)
from ssl4sar.acquire.product import Product, orbit_direction, utc_time
from ssl4sar.core.errors import UserError
from ssl4sar.core.wording import printable

#: What reading a record raises that is not as documented.
FORM_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
_POLARISATION: Final = re.compile(r"HH|HV|VV|VH")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+")
_SHOWN_CHARS: Final = 200


def product_of(provider: str, listed: Mapping[str, Any]) -> Product:
    """Return the product of a record.

    Args:
        provider: name of the provider that serves it.
        listed: what the catalogue says, by field. Needed: ``id`` and ``name``. Used where they are
            there: ``start`` and ``stop`` (else those of the name), ``footprint`` (as a product has
            it), ``orbit_direction``, ``node_ms`` (first and last line), ``relative_orbit``,
            ``processor_version``, ``cloud_percent``, ``size_bytes``, ``checksums``, ``online`` and
            ``urls``. With ``mission``, ``platform``, ``product_type``, ``mode`` and
            ``polarisations`` a name of another form is taken, too.

    Raises:
        ValueError: identifier, name or times are missing or of another form, or a value is one that
            no product has.
    """
    name = _name(listed)
    start = utc_time(listed["start"]) if "start" in listed else name.start
    stop = utc_time(listed["stop"]) if "stop" in listed else name.stop
    footprint = listed.get("footprint")
    direction, is_stated = orbit_direction(listed.get("orbit_direction")), False
    if name.mission == "sentinel-1":
        first_ms, last_ms = listed.get("node_ms", (None, None))
        direction, is_stated = scene_direction(
            *(direction, name.platform, start, stop, footprint),
            node_ms=(_number(first_ms), _number(last_ms)),
        )
    track, size = _number(listed.get("relative_orbit")), listed.get("size_bytes")
    if name.mission == "sentinel-2" and name.tile is not None:
        track = name.relative_orbit
    version = listed.get("processor_version")
    return Product(
        provider=provider,
        id=_text(listed, "id"),
        name=name.name,
        mission=name.mission,
        platform=name.platform,
        product_type=name.product_type,
        start=start,
        stop=stop,
        mode=name.mode,
        polarisations=name.polarisations,
        # Some catalogues write 0 for a track that they do not know.
        relative_orbit=int(track) if track else name.relative_orbit,
        orbit_direction=direction,
        direction_stated=is_stated,
        datatake=name.datatake,
        processor_version=name.baseline or plain_version(None if version is None else str(version)),
        cloud_percent=_number(listed.get("cloud_percent")),
        # In JSON true is not a number, in Python it is.
        size_bytes=size if isinstance(size, int) and size is not True and size > 0 else None,
        checksums=listed.get("checksums", {}),
        online=listed.get("online", True),
        footprint=footprint,
        urls=listed.get("urls", {}),
        tile=name.tile,
    )


def fields_of(properties: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that a record has.

    Args:
        properties: of a record.
        names: what the catalogue calls a field, by field.
    """
    return {field: properties[key] for field, key in names.items() if key in properties}


def checksums_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of an OData record by algorithm, in lower case; some have none."""
    listed = record.get("Checksum")
    checksums = {}
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict):
            value = str(each.get("Value", "")).lower()
            if each.get("Algorithm") and _HEXADECIMAL.fullmatch(value):
                checksums[str(each["Algorithm"]).lower()] = value
    return checksums


@contextmanager
def known_form(subject: str, fix: str) -> Iterator[None]:
    """Turn what is raised when a record of a service becomes a product into one line.

    Args:
        subject: address of the service.
        fix: what to do.

    Raises:
        UserError: a value is missing, or of another form or range.
    """
    try:
        yield
    except FORM_ERRORS as error:
        problem = f"a record of another form: {form_problem(error)}"
        raise UserError(subject, problem, fix) from error


def form_problem(error: Exception) -> str:
    """Return what is wrong with a record, in a short phrase."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return printable(text or type(error).__name__, _SHOWN_CHARS)


def _name(listed: Mapping[str, Any]) -> ProductName:
    text = _text(listed, "name")
    try:
        return parse_name(text)
    except ValueError:
        if "product_type" not in listed:
            raise
    mode = listed.get("mode")
    return ProductName(
        name=bare_name(text),
        mission=listed["mission"],
        platform=str(listed["platform"]),
        product_type=str(listed["product_type"] or "unknown"),
        start=utc_time(listed.get("start")),
        stop=utc_time(listed.get("stop")),
        mode=None if mode is None else str(mode),
        polarisations=tuple(_POLARISATION.findall(str(listed.get("polarisations")))),
    )


def _text(listed: Mapping[str, Any], key: str) -> str:
    value = listed.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{listed.get('name', 'a record')}: {key} is missing")
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
