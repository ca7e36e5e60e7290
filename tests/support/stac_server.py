"""A STAC API on loopback, good enough for the real pystac-client, and the files of its assets.

Landing page with conformance, collections, item search by POST with paging, items.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from affine import Affine
from loopback import QuietHandler, serving
from rasterio.io import MemoryFile
from shapely.geometry import shape

from ssl4sar.acquire.providers.stac_item import BAND_ASSETS

_CORE = "https://api.stacspec.org/v1.0.0"


@dataclass
class Api:
    """What the API holds and what it did."""

    items: list[dict[str, Any]] = field(default_factory=list)
    #: Content by path below /files/.
    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    searches: list[dict[str, Any]] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    conformance: tuple[str, ...] = ("item-search", "item-search#query")
    #: Answers of the next searches, instead of the true ones.
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    count_more: int = 0
    page_size: int = 3
    break_after: list[int] = field(default_factory=list)

    def asset(self, path: str, content: bytes, **more: Any) -> dict[str, Any]:
        """Serve a file and return the asset of it."""
        self.files[path] = content
        return {"href": f"{self.url}/files/{path}", "type": "image/tiff", **more}

    def find(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the items of a search."""
        start, stop = (datetime.fromisoformat(t) for t in asked["datetime"].split("/"))
        area = shape(asked["intersects"])
        clouds = asked.get("query", {}).get("eo:cloud_cover", {}).get("lte", 100)
        return [
            item
            for item in self.items
            if item["collection"] in asked["collections"]
            and start <= datetime.fromisoformat(item["properties"]["datetime"]) <= stop
            and shape(item["geometry"]).intersects(area)
            and item["properties"].get("eo:cloud_cover", 0) <= clouds
        ]


class _Handler(QuietHandler):
    api: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.api.headers.append(dict(self.headers))
        if path.startswith("/files/"):
            return self._file(path.removeprefix("/files/"))
        if path == "/v1":
            return self._json(self._landing())
        if path.startswith("/v1/items/"):
            found = [item for item in self.api.items if item["id"] == path.rpartition("/")[2]]
            return self._json(found[0]) if found else self._send(404, b"{}")
        return self._send(404, b"{}")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.api.searches.append(asked)
        if self.api.answers:
            status, body = self.api.answers.pop(0)
            return self._send(status, body)
        found = self.api.find(asked)
        first = int(asked.get("token", 0))
        last = first + min(asked.get("limit", 10), self.api.page_size)
        links: list[dict[str, Any]] = []
        if last < len(found):
            more = {**asked, "token": str(last)}
            links = [
                {"rel": "next", "method": "POST", "href": f"{self.api.url}/v1/search", "body": more}
            ]
        return self._json(
            {
                "type": "FeatureCollection",
                "features": found[first:last],
                "links": links,
                "numberMatched": len(found) + self.api.count_more,
            }
        )

    def _landing(self) -> dict[str, Any]:
        here = f"{self.api.url}/v1"
        return {
            "type": "Catalog",
            "id": "loopback",
            "stac_version": "1.0.0",
            "description": "A catalogue on loopback",
            "conformsTo": [f"{_CORE}/{name}" for name in ("core", *self.api.conformance)],
            "links": [
                {"rel": "self", "href": here},
                {"rel": "root", "href": here},
                {"rel": "search", "href": f"{here}/search", "method": "GET"},
                {"rel": "search", "href": f"{here}/search", "method": "POST"},
            ],
        }

    def _file(self, path: str) -> None:
        content = self.api.files.get(path)
        if content is None:
            return self._send(404, b"")
        self.api.served.append(path)
        status, first = 200, 0
        asked = self.headers.get("Range", "")
        headers = {"ETag": f'"{hash(content)}"'}
        if asked:
            first, status = int(asked.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        stop = self.api.break_after.pop(0) if self.api.break_after else None
        return self._send(status, content[first:], headers, stop)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode())

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
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:stop])
        if stop is not None:
            self.close_connection = True


@contextmanager
def stac_server() -> Iterator[Api]:
    """Run an API and yield it; ``api.url`` + ``/v1`` is its address."""
    api = Api()
    with serving(_Handler, api=api) as api.url:
        yield api


FOOTPRINT = {
    "type": "Polygon",
    "coordinates": [[[8, 79], [10, 77], [20, 77.5], [18, 79.5], [8, 79]]],
}
SAR = "S1A_IW_GRDH_1SDH_20200305T065432_20200305T065457_031540_03A21C_1A2B"


def optical_name(day: int) -> str:
    return f"S2A_MSIL2A_202007{day:02}T124711_N0214_R138_T33XVG_202007{day:02}T145016"


def optical_item(api: Api, day: int, clouds: float, id: str | None = None) -> dict[str, Any]:
    id = id or f"S2A_33XVG_202007{day:02}_0_L2A"
    assets = {}
    for key in BAND_ASSETS.values():
        content = f"{key} of {id}".encode()
        checksum = "1220" + hashlib.sha256(content).hexdigest()
        assets[key] = api.asset(f"{id}/{key}.tif", content, **{"file:checksum": checksum})
    assets["thumbnail"] = {"href": "s3://bucket/preview.jpg"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": "sentinel-2-l2a",
        "geometry": FOOTPRINT,
        "bbox": [8, 77, 20, 79.5],
        "links": [{"rel": "self", "href": f"{api.url}/v1/items/{id}"}],
        "assets": assets,
        "properties": {
            "datetime": f"2020-07-{day:02}T12:50:00.123000Z",
            "eo:cloud_cover": clouds,
            "s2:product_uri": f"{optical_name(day)}.SAFE",
        },
    }


@cache
def image() -> bytes:
    """Return a GeoTIFF."""
    values = np.random.default_rng(0).integers(0, 4000, (1, 64, 64)).astype(np.uint16)
    with MemoryFile() as memory:
        place = {"crs": "EPSG:32633", "transform": Affine.scale(10.0)}
        with memory.open(
            driver="GTiff", width=64, height=64, count=1, dtype="uint16", **place
        ) as file:
            file.write(values)
        return bytes(memory.read())


def sar_item(api: Api, scheme: str = "http") -> dict[str, Any]:
    assets: dict[str, Any] = {}
    for key in ("hh", "hv", "safe-manifest", "schema-product-hh", "schema-calibration-hh"):
        suffix = ".tiff" if len(key) == 2 else ".xml"
        content = image() if len(key) == 2 else f"<{key}/>".encode()
        assets[key] = api.asset(f"s1/{key}{suffix}", content)
        if scheme == "s3":
            assets[key]["href"] = f"s3://sentinel-s1-l1c/GRD/{SAR}/{key}{suffix}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        # The way of Earth Search: the name without its last part, which is in the addresses.
        "id": SAR.rpartition("_")[0],
        "collection": "sentinel-1-grd",
        "geometry": FOOTPRINT,
        "bbox": [8, 77, 20, 79.5],
        "links": [],
        "assets": {**assets, "thumbnail": {"href": f"https://example.org/{SAR}/preview.png"}},
        "properties": {
            "datetime": "2020-03-05T06:54:44Z",
            "start_datetime": "2020-03-05T06:54:32Z",
            "end_datetime": "2020-03-05T06:54:57Z",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 143,
        },
    }
