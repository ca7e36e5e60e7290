"""A Data Hub (DHuS) on loopback, good enough for the real client sentinelsat.

It answers what that client asks: OpenSearch in JSON with paging, the old OData envelope, whether a
product is online, its file with Range, the file name of an offline product, and the way from the
archive: the first request triggers (202), so many questions later the product is online.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import QuietHandler, serving
from shapely import from_wkt
from shapely.geometry import MultiPolygon, Polygon

from ssl4sar.acquire.areas import cut_at_antimeridian

USER = "kenneth"
PASSWORD = "what is the frequency"
_TERM = re.compile(r'(\w+):(\[[^\]]*\]|"[^"]*"|[^\s()]+)')
_BOUNDS = re.compile(r'\["?([^" ]+)"? TO "?([^" \]]+)"?\]')


@dataclass
class HubProduct:
    """A product of the hub.

    Attributes:
        id: UUID.
        name: without .SAFE.
        content: its zip.
        start: first line, UTC.
        footprint: WKT.
        polls_until_online: None online; else how often one must ask after the trigger.
        md5: as told; the true one if None.
        properties: further properties of the search.
    """

    id: str
    name: str
    content: bytes
    start: datetime
    footprint: str = "POLYGON((8 79,10 77,20 77.5,18 79.5,8 79))"
    polls_until_online: int | None = None
    md5: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class Hub:
    """What the hub holds and what it did."""

    products: list[HubProduct]
    url: str = ""
    #: Each request: method, path without the query, whether the login was right.
    requests: list[tuple[str, str, bool]] = field(default_factory=list)
    triggered: set[str] = field(default_factory=set)
    served: list[str] = field(default_factory=list)
    downloads: int = 0
    most_downloads: int = 0
    #: Bytes after which the next downloads break off.
    break_after: list[int] = field(default_factory=list)
    count_more: int = 0
    empty_401: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Downloads wait for it.
    gate: threading.Event | None = None

    def find(self, query: str) -> list[HubProduct]:
        """Return the products that match a query in the language of Solr, as far as it is used."""
        area = re.search(r'footprint:"Intersects\((.*)\)"', query)
        rest = query if area is None else query.replace(area[0], "")
        found = []
        for product in self.products:
            if area is not None and not from_wkt(area[1]).intersects(_on_globe(product.footprint)):
                continue
            terms: dict[str, list[str]] = {}
            for key, value in _TERM.findall(rest):
                terms.setdefault(key, []).append(value)
            if all(any(_fits(product, key, v) for v in values) for key, values in terms.items()):
                found.append(product)
        return sorted(found, key=lambda product: product.start)


def _on_globe(wkt: str) -> MultiPolygon:
    polygon = from_wkt(wkt)
    assert isinstance(polygon, Polygon)
    return MultiPolygon(cut_at_antimeridian(polygon))


def _fits(product: HubProduct, key: str, value: str) -> bool:
    told = _properties(product)
    bounds = _BOUNDS.fullmatch(value)
    if key == "beginPosition":
        assert bounds is not None
        low, high = (datetime.fromisoformat(text) for text in bounds.groups())
        return low <= product.start <= high
    known = told[key]
    if bounds is not None:
        return float(bounds[1]) <= float(known) <= float(bounds[2])
    return fnmatch.fnmatchcase(str(known).lower(), value.strip('"').lower())


def _properties(product: HubProduct) -> dict[str, Any]:
    return {
        "identifier": product.name,
        "filename": f"{product.name}.SAFE",
        "platformname": "Sentinel-1" if product.name.startswith("S1") else "Sentinel-2",
        "producttype": "GRD" if product.name.startswith("S1") else "S2MSI2A",
        "orbitdirection": "DESCENDING",
        "relativeorbitnumber": 66,
        "cloudcoverpercentage": 12.5,
        "size": "1.5 KB",
        **product.properties,
    }


def _entry(product: HubProduct) -> dict[str, Any]:
    told = _properties(product)
    time = product.start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    texts = {key: value for key, value in told.items() if isinstance(value, str)}
    texts["footprint"] = product.footprint
    texts["gmlfootprint"] = "<gml:Polygon/>"
    return {
        "title": product.name,
        "id": product.id,
        "link": [{"href": "$value"}],
        "date": [
            {"name": "beginposition", "content": time},
            {"name": "endposition", "content": time},
        ],
        "int": {"name": "relativeorbitnumber", "content": str(told["relativeorbitnumber"])},
        "double": {"name": "cloudcoverpercentage", "content": str(told["cloudcoverpercentage"])},
        "str": [{"name": key, "content": value} for key, value in texts.items()],
    }


def _milliseconds(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


class _Handler(QuietHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        allowed = self.headers.get("Authorization") == wanted
        self.hub.requests.append((self.command, path, allowed))
        if not allowed:
            # Careless servers repeat what they got.
            body = "" if self.hub.empty_401 else f"refused {self.headers.get('Authorization')}"
            return self._send(401, body.encode())
        if path == "/search":
            return self._search({key: value[0] for key, value in parse_qs(parts.query).items()})
        match = re.fullmatch(r"/odata/v1/Products\('([^']+)'\)(.*)", path)
        product = next((p for p in self.hub.products if match and p.id == match[1]), None)
        if match is None or product is None:
            return self._json(
                {"error": {"message": {"value": "Invalid key : no such product"}}}, 404
            )
        match match[2]:
            case "":
                return self._json({"d": self._envelope(product)})
            case "/Online/$value":
                return self._send(200, str(self._is_online(product, ask=True)).lower().encode())
            case "/Attributes('Filename')/Value/$value":
                return self._send(200, f"{product.name}.SAFE".encode())
            case "/$value":
                return self._value(product)
        return self._send(404, b"")

    def _is_online(self, product: HubProduct, ask: bool = False) -> bool:
        with self.hub.lock:
            left = product.polls_until_online
            if left is not None and ask and product.id in self.hub.triggered:
                product.polls_until_online = None if left <= 1 else left - 1
            return product.polls_until_online is None

    def _search(self, asked: dict[str, str]) -> None:
        found = self.hub.find(asked["q"])
        start, rows = int(asked["start"]), int(asked["rows"])
        page = [_entry(product) for product in found[start : start + rows]]
        count = len(found) + (self.hub.count_more if rows == 0 else 0)
        feed: dict[str, Any] = {"opensearch:totalResults": str(count)}
        if page:
            # A single hit is no list.
            feed["entry"] = page[0] if len(page) == 1 else page
        return self._json({"feed": feed})

    def _envelope(self, product: HubProduct) -> dict[str, Any]:
        md5 = product.md5 or hashlib.md5(product.content).hexdigest()
        moment = _milliseconds(product.start)
        gml = (
            '<gml:Polygon xmlns:gml="http://www.opengis.net/gml"><gml:outerBoundaryIs>'
            "<gml:LinearRing><gml:coordinates>79,8 77,10 77.5,20 79,8</gml:coordinates>"
            "</gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>"
        )
        return {
            "__metadata": {"media_src": f"{self.hub.url}/odata/v1/Products('{product.id}')/$value"},
            "Id": product.id,
            "Name": product.name,
            "ContentLength": str(len(product.content)),
            "Checksum": {"Algorithm": "MD5", "Value": md5},
            "ContentDate": {"Start": moment, "End": moment},
            "CreationDate": _milliseconds(datetime(2021, 1, 1, tzinfo=UTC)),
            "IngestionDate": _milliseconds(datetime(2021, 1, 1, tzinfo=UTC)),
            "ContentGeometry": gml,
            "Online": self._is_online(product),
            "Attributes": {},
        }

    def _value(self, product: HubProduct) -> None:
        if not self._is_online(product):
            with self.hub.lock:
                self.hub.triggered.add(product.id)
            return self._send(202, b"")
        if self.command == "HEAD":
            name = f'attachment; filename="{product.name}.zip"'
            return self._send(200, b"", {"Content-Disposition": name})
        content, status = product.content, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is not None:
            content, status = content[int(match[1]) : int(match[2] or len(content)) + 1], 206
        with self.hub.lock:
            self.hub.downloads += 1
            self.hub.most_downloads = max(self.hub.most_downloads, self.hub.downloads)
            self.hub.served.append(product.id)
            stop = self.hub.break_after.pop(0) if self.hub.break_after else None
        try:
            if self.hub.gate is not None:
                self.hub.gate.wait(5)
            self._send(status, content, stop=stop)
        finally:
            with self.hub.lock:
                self.hub.downloads -= 1

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        stop: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:stop])
        if stop is not None:
            self.close_connection = True


@contextmanager
def dhus_server(products: list[HubProduct]) -> Iterator[Hub]:
    """Run a hub and yield it; ``hub.url`` is its address, the login is ``USER``, ``PASSWORD``."""
    hub = Hub(products)
    with serving(_Handler, hub=hub) as hub.url:
        yield hub
