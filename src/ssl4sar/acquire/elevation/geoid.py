"""Heights of the geoid above the ellipsoid, from a grid: they turn heights above sea into others.

A height h above the ellipsoid is the height H above the geoid plus the undulation N: h = H + N.
Grids come as GTX (NOAA's format, as PROJ ships it) or GeoTIFF; both belong to points.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssl4sar.acquire.elevation.raster import opened
from ssl4sar.acquire.elevation.service import PATIENT
from ssl4sar.acquire.network.download import download
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.cached_file import cached_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.progress import log
from ssl4sar.core.record import Record
from ssl4sar.core.retry import Patience

#: Longitude, latitude and EGM96 undulation (m) of two places: near Rome, and at Jakobshavn Isbrae.
#: EGM2008 differs by about a metre; a grid that is turned, shifted or of another sign by far more.
CONTROL_POINTS: Final = ((12.5, 42.0, 48.61), (-49.8, 69.2, 29.16))
_CONTROL_TOLERANCE_M: Final = 5.0
#: The geoid is between -107 m (south of India) and 86 m (New Guinea).
_LOWEST_M: Final = -120.0
_HIGHEST_M: Final = 100.0
#: Value of pixels without an undulation in GTX files.
_GTX_VOID: Final = -88.8888
#: South, west, spacing of rows and columns, numbers of both: big-endian.
_GTX_HEADER: Final = struct.Struct(">4d2i")
_VOID_TOLERANCE_M: Final = 1e-3
#: The tiles of GLO-30 refer to this geoid.
TILES_GEOID: Final = "EGM2008"
_FIX: Final = "give a geoid grid, GTX or GeoTIFF (elevation.geoid_url, or --geoid of sar process)"


class GeoidRecord(Record):
    """The grid that was fetched.

    Attributes:
        model: geoid that it describes, e.g. EGM2008.
        url: address that it came from.
        bytes: size of the file.
        sha256: hash of its content.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.geoid/1"
    NAME: ClassVar[str] = "record of a geoid grid"

    model: str
    url: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class GeoidGrid:
    """A grid of undulations.

    Attributes:
        undulations_m: (rows, columns) float32, metres; the first row is the southernmost. NaN is
            unknown. A grid around the globe has its first column once more at the end.
        west: longitude of the first column, degrees.
        south: latitude of the first row, degrees.
        column_deg: spacing of the columns.
        row_deg: spacing of the rows.
        source: file it comes from, for errors.
    """

    undulations_m: NDArray[np.float32]
    west: float
    south: float
    column_deg: float
    row_deg: float
    source: str

    def undulation_m(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
        """Return undulations, interpolated bilinearly.

        Args:
            lon: degrees, any turn of the globe; an array that broadcasts with ``lat``.
            lat: degrees, -90 to 90.

        Returns:
            Metres, in the broadcast shape.

        Raises:
            UserError: a place is outside the grid or where it has no value.
        """
        rows, columns = self.undulations_m.shape
        lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
        # Rounding must not push a place on the western edge to the eastern end.
        x = np.mod(lon - self.west + 1e-9, 360.0) / self.column_deg
        y = (lat - self.south) / self.row_deg
        inside = (x <= columns - 1 + 1e-6) & (y >= -1e-6) & (y <= rows - 1 + 1e-6)
        if not np.all(inside):
            raise self._not_covered(lon, lat, inside)
        # Columns and rows are looked up apart, so that a raster's axes stay small until the end.
        column = np.minimum(x.astype(np.intp), columns - 2)
        row = np.clip(y.astype(np.intp), 0, rows - 2)
        east, north = x - column, y - row
        grid = self.undulations_m
        found: NDArray[np.float64] = (
            grid[row, column] * (1 - east) * (1 - north)
            + grid[row, column + 1] * east * (1 - north)
            + grid[row + 1, column] * (1 - east) * north
            + grid[row + 1, column + 1] * east * north
        )
        if np.isnan(found).any():
            raise self._not_covered(lon, lat, ~np.isnan(found))
        return found

    def _not_covered(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], inside: NDArray[np.bool_]
    ) -> UserError:
        place = np.unravel_index(int(np.argmin(inside)), inside.shape)
        at_lon = np.broadcast_to(lon, inside.shape)[place]
        at_lat = np.broadcast_to(lat, inside.shape)[place]
        return UserError(
            self.source,
            f"the geoid grid has no value at {at_lon:.4f} E, {at_lat:.4f} N",
            "use a grid that covers the area, best of the whole globe",
        )


def read_geoid(path: str | Path) -> GeoidGrid:
    """Read a geoid grid.

    Args:
        path: GTX or GeoTIFF with undulations in metres; of the globe or a part, rows from the north
            or from the south.

    Raises:
        UserError: the file is missing, broken, turned, has a scale, an offset or another unit, or
            holds no undulations.
    """
    if not Path(path).is_file():
        raise UserError(path, "the file does not exist", _FIX)
    gtx = _gtx(Path(path))
    if gtx is not None:
        edge, values, nodata = gtx
    else:
        with opened(path) as file:
            edge, nodata = file.transform, file.nodata
            values = file.read(1).astype(np.float32)
    if edge.b != 0 or edge.d != 0 or edge.a <= 0 or edge.e == 0:
        raise UserError(path, "the grid is turned", _FIX)
    rows, columns = values.shape
    south = edge.f + (0.5 if edge.e > 0 else rows - 0.5) * edge.e
    if rows < 2 or columns < 2 or south < -90.0001 or south + (rows - 1) * abs(edge.e) > 90.0001:
        raise UserError(path, "this is not a grid in degrees", _FIX)
    if edge.e < 0:
        values = values[::-1]
    if nodata is not None and not np.isnan(nodata):
        values[np.abs(values - np.float32(nodata)) < _VOID_TOLERANCE_M] = np.nan
    if np.isnan(values).all() or not _plausible(values):
        raise UserError(
            path,
            f"it holds no undulations: they are between {_LOWEST_M:g} and {_HIGHEST_M:g} m",
            _FIX,
        )
    if abs(columns * edge.a - 360.0) < 0.01 * edge.a:
        values = np.concatenate([values, values[:, :1]], axis=1)
    return GeoidGrid(
        np.ascontiguousarray(values), edge.c + 0.5 * edge.a, south, edge.a, abs(edge.e), str(path)
    )


def _gtx(path: Path) -> tuple[Any, NDArray[np.float32], float] | None:
    """Read a GTX file: place, rows from the south, value without a meaning; None of another file.

    It is known by its header and size: GDAL knows it by its name alone, and ours is another one.
    """
    from rasterio.transform import Affine

    with path.open("rb") as stream:
        header = stream.read(_GTX_HEADER.size)
        if len(header) < _GTX_HEADER.size:
            return None
        south, west, row_deg, column_deg, rows, columns = _GTX_HEADER.unpack(header)
        if rows < 1 or columns < 1:
            return None
        if path.stat().st_size != _GTX_HEADER.size + 4 * rows * columns:
            return None
        values = np.frombuffer(stream.read(), ">f4").reshape(rows, columns).astype(np.float32)
    corner = (west - column_deg / 2, south - row_deg / 2)
    return Affine(column_deg, 0, corner[0], 0, row_deg, corner[1]), values, _GTX_VOID


def _plausible(values: NDArray[Any]) -> bool:
    return bool(np.nanmin(values) >= _LOWEST_M and np.nanmax(values) <= _HIGHEST_M)


def check_geoid(grid: GeoidGrid) -> None:
    """Compare a grid of the globe with known undulations.

    Raises:
        UserError: it does not cover the control points, or differs from them by more than 5 m.
    """
    for lon, lat, expected_m in CONTROL_POINTS:
        found_m = float(grid.undulation_m(lon, lat))
        if abs(found_m - expected_m) > _CONTROL_TOLERANCE_M:
            raise UserError(
                grid.source,
                f"the undulation at {lon:g} E, {lat:g} N is {found_m:.2f} m, expected about "
                f"{expected_m:.0f} m",
                _FIX,
            )


def fetch_geoid(
    config: ElevationConfig, target: str | Path, patience: Patience = PATIENT
) -> GeoidRecord:
    """Fetch and check the geoid grid; a checked one that is there is reused.

    Args:
        config: with ``geoid_url``, ``geoid_sha256`` and ``geoid_model``.
        target: file to write, GTX or GeoTIFF, e.g. ``geoid.tif``; ``geoid.tif.json``, its record,
            is beside it.
        patience: with the service.

    Returns:
        The record.

    Raises:
        UserError: no address is configured, the download fails, or the file is not such a grid.
    """
    url = config.geoid_url
    if url is None:
        raise UserError("elevation.geoid_url", "is null: there is no grid to fetch", _FIX)
    target = Path(target)
    warn_of_other_geoid(config.geoid_model)
    expected = [] if config.geoid_sha256 is None else [Checksum("sha256", config.geoid_sha256)]
    got = cached_file(
        target,
        url,
        lambda path: download(url, path, expected, patience=patience),
        lambda path: check_geoid(read_geoid(path)),
        expected,
    )
    record = GeoidRecord(model=config.geoid_model, url=url, bytes=got.bytes, sha256=got.sha256)
    record.write(target.with_name(target.name + ".json"))
    return record


def warn_of_other_geoid(model: str) -> None:
    """Warn if the geoid is not that of the tiles: heights are then off by its difference."""
    if model != TILES_GEOID:
        log(
            f"elevation.geoid_model {model}: the tiles refer to {TILES_GEOID}, so ellipsoidal "
            "heights are wrong by the difference of the two, about a metre"
        )
