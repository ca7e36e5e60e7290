"""A Copernicus Data Space on this machine: login, catalogue, downloads, and their faults.

Behaves as documented, and as users met it: the front host redirects downloads to another host,
tokens end soon, an account has four sessions (status 429 above), Nodes serve single files of a
product. Runs within a test, or by itself:

    python tests/support/cdse_server.py --root DIR --port 8089

serves the SAFE folders and archives of DIR; with --synthetic NAME instead, synthetic scenes of a
glacier of config/glaciers.geojson. User "user", password "secret".
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import secrets
import threading
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import QuietHandler, serving

TOKEN_PATH = "/auth/realms/CDSE/protocol/openid-connect/token"
PRODUCTS = "/odata/v1/Products"
_PRODUCT = re.compile(rf"{re.escape(PRODUCTS)}\(([^)]+)\)((?:/Nodes\([^)]*\))*)/\$value")
_CHUNK_BYTES = 1 << 16
#: A name of this machine that belongs to no service.
FOREIGN_HOST = "127.0.0.2"
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Fault:
    """What an answer does in place of delivering a file; used up by one answer.

    Attributes:
        status: answer this, with ``body``.
        body: of that answer.
        headers: more of them.
        cut_after: bytes after which the connection is cut.
        ignore_range: deliver all of the file though a part is asked for.
        length_lie: added to Content-Length.
        corrupt: change a byte.
        empty: deliver nothing, with status 200.
        redirect: send the client there.
        silence_s: seconds without a byte.
    """

    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    ignore_range: bool = False
    length_lie: int = 0
    corrupt: bool = False
    empty: bool = False
    redirect: str | None = None
    silence_s: float = 0.0


@dataclass
class Served:
    """A product on the server.

    Attributes:
        name: as the catalogue lists it, with its ending.
        files: content by path within the product; empty where it is one file.
        content: of ``$value``; None packs the files.
        nodes: whether single files are served.
        packs_anew: bytes by which each answer with ``$value`` is longer than the one before, as it
            is packed for it with other times; None delivers the same bytes always.
        packings: what was packed so.
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    content: bytes | None = None
    nodes: bool = True
    packs_anew: int | None = None
    packings: list[bytes] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.name))

    def value(self) -> bytes:
        if self.content is None:
            self.content = packed(self._members())
        return self.content

    def delivered(self) -> bytes:
        """Return what ``$value`` delivers; the catalogue lists `value`."""
        if self.packs_anew is None:
            return self.value()
        number = len(self.packings) + 1
        self.packings.append(packed(self._members(), number, bytes(number * self.packs_anew)))
        return self.packings[-1]

    def _members(self) -> dict[str, bytes]:
        return {f"{self.name}/{path}": content for path, content in self.files.items()}

    def md5(self) -> str:
        return hashlib.md5(self.value()).hexdigest()


@dataclass
class Asked:
    """A request for a product."""

    host: str
    path: str
    has_token: bool
    range: str | None
    status: int = 0


def packed(files: dict[str, bytes], years: int = 0, comment: bytes = b"") -> bytes:
    """Return a zip archive of files of the year 1980, or so many years later."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980 + years, 1, 1, 0, 0, 0))
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        archive.comment = comment
    return stream.getvalue()


class CdseServer:
    """The service; its attributes may be changed while it runs.

    Attributes:
        token_life_s: life of access tokens.
        refresh_life_s: life of refresh tokens.
        sessions: downloads at one time per account.
        cut_after: bytes after which every answer is cut; None never.
        pause_s: pause after every 64 KiB.
        validators: whether answers tell the version of what they deliver.
        heeds_if_range: whether a part is delivered only of the version that is asked for.
        grants: logins by kind, refused ones as "refused".
        most_sessions: most downloads at one time, refused ones included.
        busy: downloads refused because there were too many.
        resumes: answers with status 206.
        foreign: headers of all requests that the foreign host got.
        asked: requests for products.
    """

    def __init__(self, *, port: int = 0, user: str = "user", password: str = "secret") -> None:
        self.user, self.password = user, password
        self.totp: str | None = None
        self.client_id = "cdse-public"
        self.token_life_s = 0.5
        self.refresh_life_s: float = 3600.0
        self.sessions = 4
        self.retry_after = "1"
        self.cut_after: int | None = None
        self.pause_s = 0.0
        self.validators = self.heeds_if_range = True
        self.grants: Counter[str] = Counter()
        self.most_sessions = self.active = self.busy = self.resumes = 0
        self.foreign: list[dict[str, str]] = []
        self.asked: list[Asked] = []
        self.products: dict[str, Served] = {}
        self.catalogue: Callable[[str, str], Answer] | None = None
        #: What the catalogue answers from, for tests that add to it.
        self.answers: Any = None
        self.login_faults: list[Fault] = []
        self.tokens: dict[str, float] = {}
        self.refreshes: dict[str, float] = {}
        self._faults: list[tuple[str, Fault]] = []
        self.lock = threading.Lock()
        self._stack = ExitStack()
        url = self._stack.enter_context(serving(_Handler, port=port, owner=self))
        self.port = int(url.rpartition(":")[2])
        foreign = serving(_ForeignHandler, FOREIGN_HOST, owner=self)
        self.foreign_url = self._stack.enter_context(foreign)

    def __enter__(self) -> CdseServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def catalogue_url(self) -> str:
        return f"http://localhost:{self.port}/odata/v1"

    @property
    def download_url(self) -> str:
        return self.catalogue_url

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{TOKEN_PATH}"

    @property
    def hosts(self) -> tuple[str, str]:
        return (f"localhost:{self.port}", f"127.0.0.1:{self.port}")

    def config_values(self) -> dict[str, Any]:
        """Return the block ``cdse`` of a configuration that uses this server."""
        return {
            "catalogue_url": self.catalogue_url,
            "token_url": self.token_url,
            "download_url": self.download_url,
            "hosts": self.hosts,
        }

    def environment(self) -> dict[str, str]:
        """Return the credentials as environment variables."""
        return {"CDSE_USERNAME": self.user, "CDSE_PASSWORD": self.password}

    def add(self, product: Served) -> Served:
        """Serve a product."""
        self.products[product.id] = product
        return product

    def url(self, product: Served) -> str:
        return f"{self.download_url}/Products({product.id})/$value"

    def fault(self, part_of_path: str, *faults: Fault) -> None:
        """Let the next answers for a path be faulty, one after the other."""
        self._faults += [(part_of_path, fault) for fault in faults]

    @property
    def faults_left(self) -> int:
        """Number of faults that no answer has used up."""
        return len(self._faults)

    def take_fault(self, path: str) -> Fault:
        with self.lock:
            for index, (part, fault) in enumerate(self._faults):
                if part in path:
                    del self._faults[index]
                    return fault
        return Fault()

    def forget_tokens(self) -> None:
        """End all access tokens, as a restart of the service does."""
        with self.lock:
            self.tokens.clear()

    def grant(self, kind: str) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(40), secrets.token_urlsafe(40)
        now = time.monotonic()
        with self.lock:
            self.grants[kind] += 1
            self.tokens[access] = now + self.token_life_s
            self.refreshes[refresh] = now + self.refresh_life_s
        return {
            "access_token": access,
            "expires_in": self.token_life_s,
            "refresh_expires_in": self.refresh_life_s,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": str(uuid.uuid4()),
            "scope": "AUDIENCE_PUBLIC openid email profile ondemand_processing user-context",
        }

    def load(self, root: Path, *, complete: bool = False) -> None:
        """Serve the SAFE folders and archives of a folder, and list them in the catalogue.

        With ``complete`` they are made complete: samples lack the measurements.
        """
        from odata_catalogue import ODataAnswers

        answers = ODataAnswers(origin=f"http://localhost:{self.port}")
        for path in sorted(root.iterdir()):
            served = _from_folder(path) if path.is_dir() else _from_archive(path)
            if served is not None:
                served = completed(served) if complete else served
                self.add(served)
                answers.records.append(record_of(served))
        self.catalogue = answers.answer

    def make_up(self, area: dict[str, Any], scenes: int, size: int = 400_000) -> None:
        """Serve synthetic scenes that cover an area, one every twelve days from January 2020 on.

        Args:
            area: GeoJSON geometry.
            scenes: number of scenes.
            size: bytes of each image.
        """
        from odata_catalogue import ODataAnswers

        self.answers = ODataAnswers(origin=f"http://localhost:{self.port}")
        for number in range(scenes):
            served = self.add(made_safe(synthetic_name(number), size=size, seed=number))
            self.answers.records.append({**record_of(served), "GeoFootprint": area})
        self.catalogue = self.answers.answer


def synthetic_name(number: int) -> str:
    """Return the name of the synthetic scene of a number."""
    start = datetime(2020, 1, 1, 7) + timedelta(days=12 * number)
    stop = start + timedelta(seconds=25)
    times = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
    return f"S1A_IW_GRDH_1SDH_{times}_{30600 + 175 * number:06d}_038000_{0xABC0 + number:X}"


def _from_folder(folder: Path) -> Served | None:
    if folder.suffix != ".SAFE":
        return None
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return Served(folder.name, {str(p.relative_to(folder)): p.read_bytes() for p in found})


def _from_archive(path: Path) -> Served | None:
    if path.suffix != ".zip":
        return None
    name = f"{path.stem}.SAFE"
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.namelist() if not each.endswith("/")]
        files = {each.removeprefix(f"{name}/"): archive.read(each) for each in members}
    return Served(name, files, path.read_bytes())


def completed(served: Served) -> Served:
    """Return a product with synthetic content for what its manifest lists and it does not hold."""
    files = dict(served.files)

    def entry(match: re.Match[str]) -> str:
        path = match["path"]
        content = files.setdefault(path, f"made up for {path}".encode())
        digest = hashlib.md5(content).hexdigest()
        return f"{match['a']}{len(content)}{match['b']}{path}{match['c']}{digest}<"

    listed = re.compile(
        r'(?P<a><byteStream [^>]*size=")\d+(?P<b>"[^>]*>\s*<fileLocation [^>]*href="\./)'
        r'(?P<path>[^"]+)(?P<c>"[^>]*>\s*<checksum [^>]*>)\w+<'
    )
    manifest = listed.sub(entry, files["manifest.safe"].decode())
    return Served(served.name, files | {"manifest.safe": manifest.encode()})


def record_of(served: Served) -> dict[str, Any]:
    """Return the record of a Sentinel-1 product in the catalogue, footprint by its manifest."""
    from odata_catalogue import sar_record

    platform, mode, kind, level, start, stop, orbit, datatake, _ = re.split(
        "_", served.name.removesuffix(".SAFE")
    )
    begin, end = (datetime.strptime(f"{each}+0000", "%Y%m%dT%H%M%S%z") for each in (start, stop))
    manifest = served.files.get("manifest.safe", b"").decode()
    corners = re.search(r"<gml:coordinates>([^<]+)<", manifest)
    footprint = None
    if corners is not None:
        points = [tuple(map(float, each.split(","))) for each in corners[1].split()]
        ring = [[lon, lat] for lat, lon in (*points, points[0])]
        footprint = {"type": "Polygon", "coordinates": [ring]}
    direction = re.search(r"<s1:pass>(\w+)<", manifest)
    return sar_record(
        begin,
        seconds=(end - begin).total_seconds(),
        platform=platform,
        kind=f"{mode}_{kind}",
        polarisation=level[2:],
        orbit=int(orbit),
        datatake=datatake,
        direction=direction[1] if direction else "ASCENDING",
        footprint=footprint,
        Id=served.id,
        Name=served.name,
        ContentLength=len(served.value()),
        Checksum=[{"Value": served.md5(), "Algorithm": "MD5", "ChecksumDate": ""}],
    )


def made_safe(
    name: str = "S1A_IW_GRDH_1SDH_20200101T070000_20200101T070025_030600_038000_ABCD",
    *,
    size: int = 300_000,
    algorithm: str = "MD5",
    seed: int = 0,
) -> Served:
    """Return a synthetic Sentinel-1 product with a manifest that holds."""
    low = name.lower().split("_")
    stem = f"{low[0]}-{low[1]}-grd-{{}}-{low[4]}-{low[5]}-{low[6]}-{low[7]}-00{{}}"
    files = {}
    for number, pol in enumerate(("hh", "hv"), start=1):
        one = stem.format(pol, number)
        for path in (
            f"annotation/{one}.xml",
            f"annotation/calibration/calibration-{one}.xml",
            f"annotation/calibration/noise-{one}.xml",
            f"annotation/rfi/rfi-{one}.xml",
        ):
            files[path] = f"<product><polarisation>{pol}</polarisation>{path}</product>".encode()
        digest = hashlib.shake_256(f"{name} {pol} {seed}".encode())
        files[f"measurement/{one}.tiff"] = b"II*\0" + digest.digest(size)
    files["preview/quick-look.png"] = b"\x89PNG" + bytes(100)
    return Served(f"{name}.SAFE", {"manifest.safe": manifest_of(files, algorithm), **files})


def manifest_of(files: dict[str, bytes], algorithm: str = "MD5") -> bytes:
    """Return a manifest that lists files."""
    kind = {"MD5": "md5", "SHA3-256": "sha3_256"}[algorithm]
    entries = "".join(
        f'<dataObject ID="x{number}"><byteStream mimeType="text/xml" size="{len(content)}">'
        f'<fileLocation locatorType="URL" href="./{path}"/>'
        f'<checksum checksumName="{algorithm}">{hashlib.new(kind, content).hexdigest()}</checksum>'
        "</byteStream></dataObject>"
        for number, (path, content) in enumerate(files.items())
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<xfdu:XFDU '
        'xmlns:xfdu="urn:ccsds:schema:xfdu:1" version="esa/safe/sentinel-1.0">'
        f"<dataObjectSection>{entries}</dataObjectSection></xfdu:XFDU>"
    ).encode()


class _Base(QuietHandler):
    owner: CdseServer

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def tell(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json"} | (headers or {})
        self.answer(status, kind, json.dumps(value).encode())


class _ForeignHandler(_Base):
    def do_GET(self) -> None:
        self.owner.foreign.append(dict(self.headers))
        self.answer(200, {}, b"content of another host")

    def do_POST(self) -> None:
        self.do_GET()


class _Handler(_Base):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
        if self.path != TOKEN_PATH:
            self.tell(404, {"error": "RESTEASY003210: Could not find resource"})
            return
        owner = self.owner
        with owner.lock:
            fault = owner.login_faults.pop(0) if owner.login_faults else None
        if fault is not None:
            time.sleep(fault.silence_s)
            self.answer(fault.status or 200, fault.headers, fault.body)
        elif form.get("client_id") != owner.client_id:
            self.tell(401, {"error": "invalid_client", "error_description": "Invalid client"})
        elif form.get("grant_type") == "refresh_token":
            self._refresh(form.get("refresh_token", ""))
        else:
            self._log_in(form)

    def _log_in(self, form: dict[str, str]) -> None:
        owner = self.owner
        right = form.get("username") == owner.user and form.get("password") == owner.password
        if not right or form.get("totp") != owner.totp:
            with owner.lock:
                owner.grants["refused"] += 1
            told = {
                "error": "invalid_grant",
                "error_description": f"Invalid user credentials {form.get('password')}",
            }
            self.tell(401, told)
        else:
            self.tell(200, owner.grant("password"))

    def _refresh(self, token: str) -> None:
        with self.owner.lock:
            end = self.owner.refreshes.pop(token, 0.0)
        if end < time.monotonic():
            told = {"error": "invalid_grant", "error_description": f"Token {token} is not active"}
            self.tell(400, told)
        else:
            self.tell(200, self.owner.grant("refresh"))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        match = _PRODUCT.fullmatch(path)
        if match is not None:
            self._product(match, path)
        elif self.owner.catalogue is not None and path.startswith(PRODUCTS):
            self.answer(*self.owner.catalogue(parts.path, parts.query))
        else:
            self.tell(404, {"detail": "Not Found"})

    def _product(self, match: re.Match[str], path: str) -> None:
        owner = self.owner
        host = self.headers.get("Host", "").partition(":")[0]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(host, path, bool(token), self.headers.get("Range"))
        owner.asked.append(asked)
        if host == "localhost":
            asked.status = 301
            target = f"http://127.0.0.1:{owner.port}{self.path}"
            self.answer(301, {"Location": target}, b"")
            return
        if owner.tokens.get(token, 0.0) < time.monotonic():
            asked.status = 401
            self.tell(401, {"detail": "Expired signature!"})
            return
        content = self._content(match)
        if content is None:
            asked.status = 404
            self.tell(404, {"detail": "Product not found in catalogue"})
            return
        with owner.lock:
            owner.active += 1
            owner.most_sessions = max(owner.most_sessions, owner.active)
            too_many = owner.active > owner.sessions
            owner.busy += too_many
        self._counted = True
        try:
            if too_many:
                asked.status = 429
                self._leave()
                told = {"detail": f"Max session number {owner.sessions} exceeded."}
                self.tell(429, told, {"Retry-After": owner.retry_after})
            else:
                asked.status = self._deliver(content, owner.take_fault(path))
        finally:
            self._leave()

    def _leave(self) -> None:
        with self.owner.lock:
            self.owner.active -= self._counted
            self._counted = False

    def _content(self, match: re.Match[str]) -> bytes | None:
        product = self.owner.products.get(match[1])
        if product is None:
            return None
        nodes = re.findall(r"/Nodes\(([^)]*)\)", match[2])
        if not nodes:
            return product.delivered()
        if not product.nodes or nodes[0] != product.name:
            return None
        return product.files.get("/".join(nodes[1:]))

    def _deliver(self, content: bytes, fault: Fault) -> int:
        owner = self.owner
        time.sleep(fault.silence_s)
        if fault.redirect is not None:
            self.answer(302, {"Location": fault.redirect}, b"")
            return 302
        if fault.status is not None or fault.empty:
            self.answer(fault.status or 200, fault.headers, fault.body)
            return fault.status or 200
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        if fault.corrupt:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        start = self._start(tag) if not fault.ignore_range else 0
        if start and start >= len(content):
            self.answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
            return 416
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            owner.resumes += 1
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if owner.validators:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) + fault.length_lie))
        self.end_headers()
        cuts = [each for each in (fault.cut_after, owner.cut_after) if each is not None]
        if fault.length_lie < 0:
            cuts.append(len(body) + fault.length_lie)
        self._send(body[: min(cuts, default=len(body))])
        self.close_connection = True
        return 206 if start else 200

    def _start(self, tag: str) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = not self.owner.heeds_if_range or self.headers.get("If-Range") in {None, tag}
        return int(asked[1]) if asked and current else 0

    def _send(self, body: bytes) -> None:
        for start in range(0, len(body), _CHUNK_BYTES):
            if start + _CHUNK_BYTES >= len(body):
                # A client that has the last bytes may be back before this thread goes on.
                self._leave()
            self.wfile.write(body[start : start + _CHUNK_BYTES])
            time.sleep(self.owner.pause_s)
        self.wfile.flush()


@contextmanager
def serve_cdse(**options: Any) -> Iterator[CdseServer]:
    """Serve within a test."""
    with CdseServer(**options) as server:
        yield server


def _area(glacier: str) -> dict[str, Any]:
    path = Path(__file__).resolve().parents[2] / "config" / "glaciers.geojson"
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    found = [each for each in features if each["properties"]["name"] == glacier]
    if not found:
        raise SystemExit(f"{glacier}: is not in {path}")
    area: dict[str, Any] = found[0]["geometry"]
    return area


def main() -> None:
    """Serve a folder until the process is ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--root", type=Path, help="folder with NAME.SAFE, NAME.zip")
    source.add_argument(
        "--synthetic", metavar="GLACIER", help="serve twelve synthetic scenes of it"
    )
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--token-life-s", type=float, default=600.0)
    parser.add_argument(
        "--complete", action="store_true", help="make up what a manifest lists in vain"
    )
    options = parser.parse_args()
    with serve_cdse(port=options.port) as server:
        server.token_life_s = options.token_life_s
        if options.root is not None:
            server.load(options.root, complete=options.complete)
        else:
            server.make_up(_area(options.synthetic), 12)
        print(f"serving {len(server.products)} products; in the configuration:", flush=True)
        print(json.dumps({"cdse": server.config_values()}, indent=2), flush=True)
        print(" ".join(f"{k}={v}" for k, v in server.environment().items()), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
