"""Made-up elevation tiles and glaciers, and a loopback service that serves files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.service import TileRecord
from ssl4sar.acquire.elevation.tiles import Tile

#: Rows of made-up tiles: enough to see a pixel, few enough to be fast.
ROWS = 40
Terrain = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def slope(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return heights that grow with longitude and latitude: linear, so interpolation is exact."""
    return 100.0 + 300.0 * (lon % 360.0) / 360.0 + 5.0 * lat


def glacier(*boxes: tuple[float, float, float, float], name: str = "Made") -> Glacier:
    """Return a glacier whose area are boxes (west, south, east, north)."""
    return Glacier(
        name=name,
        long_name=name,
        region="nowhere",
        area=MultiPolygon([box(*each) for each in boxes]),
        epsg=32633,
    )


def tile_heights(
    tile: Tile, columns: int = ROWS, terrain: Terrain = slope, rows: int = ROWS
) -> NDArray[np.float32]:
    """Return the heights of a tile, (rows, columns) from the north-west."""
    lon = tile.west + np.arange(columns) / columns
    lat = tile.south + 1 - np.arange(rows) / rows
    return np.broadcast_to(terrain(lon[None, :], lat[:, None]), (rows, columns)).astype(np.float32)


def write_tile(
    path: Path,
    tile: Tile,
    heights: NDArray[np.float32],
    *,
    point: bool = True,
    crs: str = "EPSG:4326",
    nodata: float | None = None,
    shift_px: float = 0.0,
) -> None:
    """Write heights as the tile's GeoTIFF, with either convention of pixels."""
    rows, columns = heights.shape
    edge = Affine(
        1 / columns,
        0,
        tile.west - (0.5 + shift_px) / columns,
        0,
        -1 / rows,
        tile.south + 1 + 0.5 / rows,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=1,
        dtype="float32",
        crs=crs,
        transform=edge,
        nodata=nodata,
        compress="deflate",
    ) as file:
        file.write(heights, 1)
        file.update_tags(AREA_OR_POINT="Point" if point else "Area")


def put_tile(folder: Path, tile: Tile, heights: NDArray[np.float32] | None) -> None:
    """Leave a tile as a fetch does; without heights it is sea."""
    path = folder / f"{tile.name}.tif"
    record = TileRecord(tile=tile.name, sea=True, url="made", evidence="made")
    if heights is not None:
        write_tile(path, tile, heights)
        record = TileRecord(
            tile=tile.name,
            sea=False,
            url="made",
            evidence="made",
            bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            rows=heights.shape[0],
            columns=heights.shape[1],
        )
    record.write(folder / f"{tile.name}.json")


@dataclass
class FileService:
    """Files by path, and how they are served.

    Attributes:
        files: content by path.
        statuses: answers by path before the content, e.g. 503.
        break_after: bytes of an answer before the connection breaks, by path; one per answer.
        asked: method and path of every request, in order.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    break_after: dict[str, list[int]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    service: FileService

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def _answer(self, *, send: bool) -> None:
        service = self.service
        service.asked.append((self.command, self.path))
        statuses = service.statuses.get(self.path, [])
        content = service.files.get(self.path)
        if statuses or content is None:
            self.send_response(statuses.pop(0) if statuses else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked:
            service.ranges.append(asked)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not send:
            return
        breaks = service.break_after.get(self.path)
        body = content[start:]
        self.wfile.write(body[: breaks.pop(0)] if breaks else body)
        self.close_connection = True


@contextmanager
def file_service() -> Iterator[FileService]:
    """Serve files on a free port of the loopback."""
    service = FileService()
    handler = type("OwnHandler", (_Handler,), {"service": service})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    service.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
