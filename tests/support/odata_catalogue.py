"""A catalogue that answers as the real one does, and its faults.

Shape of the answers: real pages of the Copernicus Data Space Ecosystem. Behaviour: its
documentation (largest ``$top`` 1000 and ``$skip`` 10,000, order of ties by identifier, nothing
ordered without ``$orderby``) and what users met (beyond the largest skip 422, and no link).
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from loopback import QuietHandler, serving
from odata_filter_reader import FilterError, Record, read_filter, time_of

PRODUCTS = "/odata/v1/Products"
Answer = tuple[int, dict[str, str], bytes]
_ORDERS = ("ContentDate/Start", "ContentDate/End", "PublicationDate", "ModificationDate")
_OPTIONS = {"$filter", "$orderby", "$top", "$skip", "$count", "$expand"}
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_PAGE = "<!DOCTYPE html><html><title>Sign in</title><body>University network</body></html>"


class _RefusalError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass
class ODataAnswers:
    """Answers questions to the catalogue; mount it in a server.

    Attributes:
        records: what it lists, in the shape of the real pages.
        origin: protocol, host and port of the server, for links.
        faults: for the next questions in turn: html, broken_json, list, other_shape, no_count, a
            status such as 429 or 500, or "" for a proper answer.
        headers: headers of answers with an error status, e.g. Retry-After.
        count_error: added to the number of records.
        orders_ties: whether records of one time come in the same order in every answer.
        max_skip: largest ``$skip``.
        asked: questions so far, as options.
    """

    records: list[Record] = field(default_factory=list)
    origin: str = ""
    faults: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    count_error: int = 0
    orders_ties: bool = True
    max_skip: int = 10_000
    asked: list[dict[str, str]] = field(default_factory=list)
    _chosen: dict[str, list[Record]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, query: str) -> Answer:
        """Return status, headers and body of the answer.

        Args:
            path: path of the address.
            query: everything behind its question mark.
        """
        options = dict(parse_qsl(query, keep_blank_values=True))
        with self._lock:
            self.asked.append(options)
            fault = self.faults.pop(0) if self.faults else ""
        if fault.isdigit():
            return self._json(int(fault), {"detail": "not now"}, self.headers)
        if fault == "html":
            return 200, {"Content-Type": "text/html"}, _PAGE.encode()
        one = re.fullmatch(rf"{re.escape(PRODUCTS)}\(([^)]+)\)", unquote(path))
        if one is not None:
            return self._one(one[1])
        if path != PRODUCTS:
            return self._json(404, {"detail": "Not Found"})
        try:
            page = self._page(options)
        except _RefusalError as error:
            return self._json(error.status, {"detail": error.detail})
        if fault == "broken_json":
            status, headers, body = self._json(200, page)
            return status, headers, body[: len(body) // 2]
        if fault == "list":
            return self._json(200, page["value"])
        if fault == "other_shape":
            return self._json(200, {"type": "FeatureCollection", "features": []})
        if fault == "no_count":
            page.pop("@odata.count", None)
        return self._json(200, page)

    def _one(self, identifier: str) -> Answer:
        for record in self.records:
            if record["Id"] == identifier:
                shown = {key: value for key, value in record.items() if key != "Attributes"}
                return self._json(200, {"@odata.context": "$metadata#Products/$entity"} | shown)
        return self._json(404, {"detail": "Product not found in catalogue"})

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> Answer:
        kind = {"Content-Type": "application/json"}
        return status, kind | (headers or {}), json.dumps(value).encode()

    def _page(self, options: dict[str, str]) -> dict[str, Any]:
        unknown = set(options) - _OPTIONS
        if unknown:
            raise _RefusalError(400, f"unknown options {sorted(unknown)}")
        top = self._number(options, "$top", 20, 1000)
        skip = self._number(options, "$skip", 0, self.max_skip)
        chosen = self._ordered(self._matching(options.get("$filter", "")), options)
        expand = options.get("$expand")
        if expand not in {None, "Attributes"}:
            raise _RefusalError(400, f"cannot expand {expand}")
        part = chosen[skip : skip + top]
        if expand is None:
            part = [{k: v for k, v in each.items() if k != "Attributes"} for each in part]
        page: dict[str, Any] = {"@odata.context": "$metadata#Products(Attributes())"}
        if options.get("$count") in {"true", "True", "1"}:
            page["@odata.count"] = len(chosen) + self.count_error
        page["value"] = part
        following = skip + top
        if following < len(chosen) and following <= self.max_skip:
            kept = {key: value for key, value in options.items() if key != "$count"}
            link = urlencode(kept | {"$skip": str(following)})
            page["@odata.nextLink"] = f"{self.origin}{PRODUCTS}?{link}"
        return page

    def _number(self, options: dict[str, str], name: str, default: int, largest: int) -> int:
        text = options.get(name, str(default))
        if not text.isdigit():
            raise _RefusalError(400, f"{name} is no number")
        if int(text) > largest:
            raise _RefusalError(422, f"{name}: value should be less than or equal to {largest}")
        return int(text)

    def _matching(self, text: str) -> list[Record]:
        if not text:
            return self.records
        if text not in self._chosen:
            try:
                test = read_filter(text)
            except FilterError as error:
                raise _RefusalError(400, f"Invalid field or filter: {error}") from error
            self._chosen[text] = [record for record in self.records if test(record)]
        return self._chosen[text]

    def _ordered(self, records: list[Record], options: dict[str, str]) -> list[Record]:
        mixed = random.sample(records, len(records))
        if "$orderby" not in options:
            return mixed
        key, _, direction = options["$orderby"].partition(" ")
        if key not in _ORDERS or direction not in {"", "asc", "desc"}:
            raise _RefusalError(400, f"cannot order by {options['$orderby']}")
        if self.orders_ties:
            mixed.sort(key=lambda record: record["Id"])
        outer, _, inner = key.partition("/")
        mixed.sort(
            key=lambda record: time_of(record[outer][inner] if inner else record[outer]),
            reverse=direction == "desc",
        )
        return mixed


@contextmanager
def serve_catalogue(catalogue: ODataAnswers) -> Iterator[str]:
    """Serve a catalogue on this machine; yield its address up to ``/odata/v1``."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, headers, body = catalogue.answer(parts.path, parts.query)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as catalogue.origin:
        yield f"{catalogue.origin}/odata/v1"


def square(lon: float, lat: float, half_deg: float = 1.0) -> dict[str, Any]:
    """Return a square footprint around a point."""
    west, east, south, north = lon - half_deg, lon + half_deg, lat - half_deg, lat + half_deg
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def sar_record(
    start: datetime,
    *,
    seconds: float = 25.0,
    platform: str = "S1A",
    kind: str = "IW_GRDH",
    polarisation: str = "DH",
    orbit: int = 4454,
    datatake: str = "00574F",
    version: str = "003.40",
    direction: str = "DESCENDING",
    footprint: dict[str, Any] | None = None,
    cog: bool = False,
    **changes: Any,
) -> Record:
    """Return the record of a Sentinel-1 product; ``changes`` replace fields of it."""
    stop = start + timedelta(seconds=seconds)
    known = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}_{orbit:06}_{datatake}"
    stem = f"{platform}_{kind}_1S{polarisation}_{known}"
    mark = hashlib.md5(f"{stem} {start} {version} {cog}".encode()).hexdigest()[:4].upper()
    channels = {"DH": "HH&HV", "DV": "VV&VH", "SH": "HH", "SV": "VV"}[polarisation]
    values: dict[str, Any] = {
        "origin": "ESA",
        "productType": f"{kind}_1S" + ("-COG" if cog else ""),
        "operationalMode": kind[:2],
        "orbitDirection": direction,
        "polarisationChannels": channels,
        "processorVersion": version,
        "relativeOrbitNumber": (orbit - (73 if platform == "S1A" else 27)) % 175 + 1,
        "platformShortName": "SENTINEL-1",
        "platformSerialIdentifier": platform[2],
    }
    name = f"{stem}_{mark}" + ("_COG" if cog else "") + ".SAFE"
    return _record(name, start, stop, footprint or square(0.0, 0.0), values) | changes


def optical_record(
    start: datetime,
    *,
    tile: str = "33XVG",
    platform: str = "S2A",
    level: str = "2A",
    baseline: str = "05.10",
    relative_orbit: int = 66,
    cloud: float | None = 5.0,
    made: datetime | None = None,
    footprint: dict[str, Any] | None = None,
    **changes: Any,
) -> Record:
    """Return the record of a Sentinel-2 product; ``changes`` replace fields of it."""
    name = (
        f"{platform}_MSIL{level}_{start:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_"
        f"R{relative_orbit:03}_T{tile}_{made or start:%Y%m%dT%H%M%S}.SAFE"
    )
    values: dict[str, Any] = {
        "productType": f"S2MSI{level}",
        "tileId": tile,
        "relativeOrbitNumber": relative_orbit,
        "processorVersion": baseline,
        "platformShortName": "SENTINEL-2",
        "platformSerialIdentifier": platform[2],
    }
    if cloud is not None:
        values["cloudCover"] = float(cloud)
    return _record(name, start, start, footprint or square(0.0, 0.0), values) | changes


def archive(count: int, start: datetime, step: timedelta, **options: Any) -> list[Record]:
    """Return many records of different datatakes, one every ``step``, in mixed order."""
    records = [
        sar_record(start + number * step, datatake=f"{number + 1:06X}", **options)
        for number in range(count)
    ]
    random.Random(0).shuffle(records)
    return records


def _record(
    name: str, start: datetime, stop: datetime, footprint: Any, values: dict[str, Any]
) -> Record:
    digest = hashlib.md5(name.encode()).hexdigest()
    identifier = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    checksums = [
        {"Value": digest, "Algorithm": "MD5", "ChecksumDate": f"{stop:{_TIME}}"},
        {"Value": digest * 2, "Algorithm": "BLAKE3", "ChecksumDate": f"{stop:{_TIME}}"},
    ]
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": identifier,
        "Name": name,
        "ContentType": "application/octet-stream",
        "ContentLength": 1_000_000_000 + int(digest[:4], 16),
        "OriginDate": f"{stop:{_TIME}}",
        "PublicationDate": f"{stop:{_TIME}}",
        "ModificationDate": f"{stop:{_TIME}}",
        "Online": True,
        "EvictionDate": "9999-12-31T23:59:59.999999Z",
        "S3Path": f"/eodata/Sentinel-{name[1]}/{start:%Y/%m/%d}/{name}",
        "Checksum": checksums,
        "ContentDate": {"Start": f"{start:{_TIME}}", "End": f"{stop:{_TIME}}"},
        "Footprint": None,
        "GeoFootprint": footprint,
        "Attributes": [_attribute(key, value) for key, value in values.items()],
    }


def _attribute(name: str, value: Any) -> dict[str, Any]:
    kind = {str: "String", int: "Integer", float: "Double"}[type(value)]
    return {
        "@odata.type": f"#OData.CSC.{kind}Attribute",
        "Name": name,
        "Value": value,
        "ValueType": kind,
    }


def names(records: Sequence[Record]) -> set[str]:
    """Return the names of records without ``.SAFE``."""
    return {record["Name"].removesuffix(".SAFE") for record in records}
