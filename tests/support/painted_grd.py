"""Made-up GRD products with pixels: targets are painted where the exact solver sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made_grd
import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import Affine

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.annotation import Annotation, read_annotation

#: Gains of the calibration: power = DN^2 / A^2.
GAINS = {"sigmaNought": 100.0, "betaNought": 80.0, "gamma": 120.0}
SHAPE = made_grd.LINES, made_grd.PIXELS
Terrain = Callable[[np.ndarray, np.ndarray], np.ndarray]


def hills(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return heights of hills a dozen kilometres apart, metres: narrow ones would bend targets."""
    return 400 + 150 * np.sin(lat * 60) * np.cos(lon * 20)


def annotation() -> Annotation:
    """Return the annotation of the made-up product."""
    return read_annotation(made_grd.annotation_xml().encode(), "made up")


def area(side: int = 300, spacing: float = 40.0) -> Grid:
    """Return a grid about the centre of the scene."""
    time_s = made_grd.LINES / 2 * made_grd.INTERVAL_S
    slant_m = made_grd.NEAR_M + made_grd.PIXELS / 2 * made_grd.SPACING_M / made_grd.SLOPE
    lon, lat, _ = made_grd.seen_at(np.array([time_s]), np.array([slant_m]))
    x, y = Transformer.from_crs(4326, 32632, always_xy=True).transform(lon[0], lat[0])
    corner = x - side * spacing / 2, y + side * spacing / 2
    left, top = (round(each / spacing) * spacing for each in corner)
    return Grid.at(left, top, spacing, (side, side), "EPSG:32632")


def lon_lat(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) longitudes and latitudes of the centres of a grid."""
    transformer = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    lon, lat = transformer.transform(*np.broadcast_arrays(grid.x(), grid.y()))
    return lon, lat


def write_model(
    path: Path,
    grid: Grid,
    terrain: Terrain = hills,
    *,
    crs: str = "EPSG:4326",
    margin_deg: float = 0.15,
    step_deg: tuple[float, float] = (3 / 3600, 1 / 3600),
    west_shift: float = 0.0,
    **tags: str,
) -> Path:
    """Write the heights of terrain in degrees around a grid; voids are NaN."""
    lon, lat = lon_lat(grid)
    lon = np.where(lon < lon[0, 0] - 180, lon + 360, lon)
    west, north = lon.min() - margin_deg * 2, lat.max() + margin_deg
    columns = int((lon.max() + margin_deg * 2 - west) / step_deg[0])
    rows = int((north - lat.min() + margin_deg) / step_deg[1])
    x, y = (
        west + (np.arange(columns) + 0.5) * step_deg[0],
        north - (np.arange(rows) + 0.5) * step_deg[1],
    )
    heights = np.broadcast_to(terrain(x[None, :], y[:, None]), (rows, columns))
    transform = Affine(step_deg[0], 0, west + west_shift, 0, -step_deg[1], north)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=rows,
        count=1,
        dtype="float32",
        crs=crs,
        transform=transform,
    ) as file:
        file.write(heights.astype(np.float32), 1)
        file.update_tags(**tags)
    return path


def image_positions(
    lon: np.ndarray, lat: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return lines and pixels of points by the exact solver."""
    scene = annotation()
    return scene.image_position(to_radar(scene.orbit, to_ecef(lon, lat, height)))


def painted(line: np.ndarray, pixel: np.ndarray, sigma_px: float = 2.0) -> np.ndarray:
    """Return digital numbers with bright Gaussian targets over a background of 20."""
    power = np.full(SHAPE, 20.0**2)
    rows, columns = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])[None, :]
    for row, column in zip(line.ravel(), pixel.ravel(), strict=True):
        squares = (rows - row) ** 2 + (columns - column) ** 2
        power += 3000.0**2 * np.exp(-squares / (2 * sigma_px**2))
    return np.rint(np.sqrt(power)).astype(np.uint16)


def write_product(parent: Path, numbers: np.ndarray, noise: float = 0.0) -> Path:
    """Write a product whose two polarisations show the same digital numbers."""
    image = _tiff(numbers)
    files = {}
    for path, content in made_grd.grd_files().items():
        name = path.rpartition("/")[2]
        if name.startswith("calibration-"):
            files[path] = _calibration().encode()
        elif name.startswith("noise-"):
            files[path] = _noise(noise).encode()
        else:
            files[path] = image if path.startswith("measurement") else content
    return made_grd.write_grd(parent, files)


def _tiff(numbers: np.ndarray) -> bytes:
    with rasterio.MemoryFile() as memory:
        height, width = numbers.shape
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype=numbers.dtype
        ) as file:
            file.write(numbers, 1)
        return bytes(memory.read())


def _calibration() -> str:
    ends = f"0 {made_grd.PIXELS - 1}"
    values = "".join(f"<{name}>{gain} {gain}</{name}>" for name, gain in GAINS.items())
    vectors = "".join(
        f"<calibrationVector><azimuthTime>2026-03-05T06:54:{second}</azimuthTime>"
        f"<line>0</line><pixel>{ends}</pixel>{values}</calibrationVector>"
        for second in ("32.0", "37.0")
    )
    return f"<calibration>{vectors}</calibration>"


def _noise(power: float) -> str:
    ends = f"0 {made_grd.PIXELS - 1}"
    vectors = "".join(
        f"<noiseRangeVector><line>{line}</line><pixel>{ends}</pixel>"
        f"<noiseRangeLut>{power} {power}</noiseRangeLut></noiseRangeVector>"
        for line in (0, made_grd.LINES - 1)
    )
    return f"<noise>{vectors}<noiseAzimuthVectorList/></noise>"
