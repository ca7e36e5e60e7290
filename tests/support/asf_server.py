"""The Alaska Satellite Facility on loopback: CMR search, Earthdata Login, and its downloads.

As at the real one, a download asks for a token and then redirects to a signed address on another
host, which must not see the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from loopback import QuietHandler, serving

from ssl4sar.acquire.network.exchange import GuardedAdapter

USER = "kenneth"
PASSWORD = "what is the frequency"
TOKEN = "eyJ0eXAi.of-a-test"
#: Corners of the footprint around Svalbard: longitude, latitude.
CORNERS = ((8.0, 79.0), (10.0, 77.0), (20.0, 77.5), (18.0, 79.5), (8.0, 79.0))


@dataclass
class Facility:
    """What the facility holds and what it did."""

    #: Content of the zip by product.
    products: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    #: The same server by another name of this machine: another host.
    storage_url: str = ""
    searches: list[list[tuple[str, str]]] = field(default_factory=list)
    #: Path and Authorization of each request for a file.
    downloads: list[tuple[str, str | None]] = field(default_factory=list)
    logins: int = 0
    page_size: int = 250
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    #: Products that the downloads do not find though the catalogue lists them.
    not_found: set[str] = field(default_factory=set)
    md5: str | None = None
    token: Any = TOKEN
    corners: tuple[tuple[float, float], ...] = CORNERS

    @property
    def host(self) -> str:
        """Host and port, as the library takes it."""
        return urlsplit(self.url).netloc


def umm(facility: Facility, name: str) -> dict[str, Any]:
    """Return a granule as the catalogue describes it (UMM-G)."""
    content = facility.products[name]
    file_id = f"{name}-GRD_HD"
    times = [f"{t[:4]}-{t[4:6]}-{t[6:11]}:{t[11:13]}:{t[13:]}Z" for t in name.split("_")[4:6]]
    told = {
        "ASCENDING_DESCENDING": "DESCENDING",
        "PATH_NUMBER": "66",
        "PROCESSING_TYPE": "GRD_HD",
        "ASF_PLATFORM": "Sentinel-1A",
        "BYTES": str(len(content)),
        "MD5SUM": facility.md5 or hashlib.md5(content).hexdigest(),
        "POLARIZATION": "HH+HV",
        "BEAM_MODE_TYPE": "IW",
        "FRAME_NUMBER": "250",
    }
    points = [{"Longitude": lon, "Latitude": lat} for lon, lat in facility.corners]
    geometry = {"GPolygons": [{"Boundary": {"Points": points}}]}
    return {
        "meta": {"concept-id": f"G-{name}", "provider-id": "ASF"},
        "umm": {
            "GranuleUR": file_id,
            "AdditionalAttributes": [{"Name": k, "Values": [v]} for k, v in told.items()],
            "TemporalExtent": {
                "RangeDateTime": {"BeginningDateTime": times[0], "EndingDateTime": times[1]}
            },
            "RelatedUrls": [{"Type": "GET DATA", "URL": f"{facility.url}/GRD_HD/SA/{name}.zip"}],
            "DataGranule": {
                "Identifiers": [{"IdentifierType": "ProducerGranuleId", "Identifier": name}],
                "ProductionDateTime": times[1],
            },
            "SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": geometry}},
            "OrbitCalculatedSpatialDomains": [{"OrbitNumber": 31540}],
            "Platforms": [{"ShortName": "SENTINEL-1A", "Instruments": [{"ShortName": "C-SAR"}]}],
            "PGEVersionClass": {"PGEVersion": "003.40"},
            "CollectionReference": {"ShortName": "SENTINEL-1A_DP_GRD_HIGH"},
        },
    }


class _Handler(QuietHandler):
    facility: Facility
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/users/find_or_create_token":
            return self._login()
        assert self.path == "/search/granules.umm_json"
        self.facility.searches.append(parse_qsl(body.decode()))
        if self.facility.answers:
            return self._send(*self.facility.answers.pop(0))
        names = sorted(self.facility.products)
        listed = [value for key, value in self.facility.searches[-1] if "granule_ur" in key.lower()]
        if listed:
            names = [name for name in names if f"{name}-GRD_HD" in listed]
        first = int(self.headers.get("CMR-Search-After") or 0)
        last = first + self.facility.page_size
        headers = {"CMR-Search-After": str(last)} if names[first:last] else {}
        items = [umm(self.facility, name) for name in names[first:last]]
        return self._send(200, json.dumps({"hits": len(names), "items": items}).encode(), headers)

    def _login(self) -> None:
        self.facility.logins += 1
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            return self._send(401, b'{"error": "invalid_credentials"}')
        return self._send(200, json.dumps({"access_token": self.facility.token}).encode())

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.facility.downloads.append((self.path, self.headers.get("Authorization")))
        name = path.rpartition("/")[2].removesuffix(".zip")
        if path.startswith("/signed/"):
            return self._send(200, self.facility.products[name])
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, b"")
        if name not in self.facility.products or name in self.facility.not_found:
            return self._send(404, b"")
        place = f"{self.facility.storage_url}/signed/{name}.zip?signature=abc"
        return self._send(307, b"", {"Location": place})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class PlainAdapter(GuardedAdapter):
    """Sends to loopback by http what the library asks for by https, as it always does."""

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request."""
        assert request.url is not None
        assert request.url.startswith("https://127.0.0.1:"), request.url
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@contextmanager
def asf_server() -> Iterator[Facility]:
    """Run the facility and yield it."""
    facility = Facility()
    with serving(_Handler, facility=facility) as facility.url:
        facility.storage_url = facility.url.replace("127.0.0.1", "localhost")
        yield facility
