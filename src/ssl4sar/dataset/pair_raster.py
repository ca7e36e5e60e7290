"""Reading the images of a pretraining dataset: 8-bit SAR images and multi-band optical rasters.

The raster library is imported where it is needed: training reads stores, not rasters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import GrayImage, decode_lossless
from ssl4sar.core.pair_layout import RASTER_BANDS
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.dataset.scene_check import png_damage

#: Endings of files beside an image that georeference it, after its stem or its whole name.
GEOREFERENCES: Final = (".pgw", ".pngw", ".tfw", ".tifw", ".tiffw", ".wld", ".aux.xml", ".prj")
#: Grids that differ by less at every corner are the same, pixels.
_GRID_TOLERANCE_PX: Final = 0.01
#: An image is decoded at once. The largest published ones have a few hundred megabytes.
MOST_BYTES: Final = 8_000_000_000
_AGAIN: Final = "replace the file by the original"

Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """The pixel grid of an image.

    Attributes:
        height: rows, pixels.
        width: columns, pixels.
        crs: coordinate reference system, an authority code or WKT; None where it is not known.
        transform: (a, b, c, d, e, f) with x = a column + b row + c, y = d column + e row + f;
            None where it is not known.
        spacing_m: pixel size, metres; None without both, or where units are angles.
    """

    height: int
    width: int
    crs: str | None = None
    transform: Transform | None = None
    spacing_m: float | None = None

    def difference(self, other: Grid) -> str | None:
        """Tell how this grid differs from another one as far as both are known, else None."""
        if (self.height, self.width) != (other.height, other.width):
            return (
                f"the image is {self.height}x{self.width} px, its optical image "
                f"{other.height}x{other.width} px"
            )
        if self.crs is not None and other.crs is not None and not _same_crs(self.crs, other.crs):
            return f"the image is in {_short(self.crs)}, its optical image in {_short(other.crs)}"
        if self.transform is None or other.transform is None:
            return None
        offset_px = _largest_offset_px(self, self.transform, other.transform)
        if offset_px <= _GRID_TOLERANCE_PX:
            return None
        return (
            f"the image lies up to {offset_px:.3g} pixels off its optical image "
            f"(transforms {_shown(self.transform)} and {_shown(other.transform)})"
        )


@dataclass(frozen=True)
class OpticalHeader:
    """What an optical raster tells without its pixels.

    Attributes:
        grid: pixel grid.
        bands: number of bands.
        names: description of every band; empty where there is none.
        dtype: type of the pixels, as NumPy names it.
    """

    grid: Grid
    bands: int
    names: tuple[str, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Channels:
    """Pixels of the 14 channels of an optical raster.

    Attributes:
        values: (14, H, W) in the type of the file.
        known: (14, H, W) bool: finite, and not marked as no data.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W) bool: all channels are known.

        Zero in every channel means no data, too: so do exports in whole numbers tell what lies
        outside the scene, with class 0 ("no data") in the scene classification.
        """
        valid: NDArray[np.bool_] = self.known.all(axis=0) & (self.values != 0).any(axis=0)
        return valid


def decode_sar(data: bytes, path: Path) -> GrayImage:
    """Decode a Sentinel-1 image, PNG or GeoTIFF by the ending of its name.

    The published loader converts every PNG to 8-bit grey. Here that is done where nothing is lost.

    Args:
        data: content of the file.
        path: the file, for its ending and for errors.

    Raises:
        UserError: damaged, or not 8-bit grey.
    """
    if path.suffix.lower() == ".png":
        image = decode_lossless(data, path)
        damage = png_damage(data)
        if damage is not None:
            raise UserError(path, f"the PNG is damaged ({damage})", _AGAIN)
        return image
    with _opened(path, "GTiff") as raster:
        if raster.count != 1 or raster.dtypes[0] != "uint8":
            raise UserError(
                path,
                f"the image has {_bands(raster.count)} of {raster.dtypes[0]}, not 8-bit grey",
                "convert it to a single band of 8 bits",
            )
        return GrayImage(raster.read(1), None)


def sar_grid(path: Path, height: int, width: int) -> Grid:
    """Return the grid of a Sentinel-1 image, by its own georeference or a file beside it.

    Args:
        path: image.
        height: rows, pixels.
        width: columns, pixels.

    Raises:
        UserError: the image or its georeference cannot be read.
    """
    if path.suffix.lower() != ".png":
        with _opened(path, "GTiff") as raster:
            return _grid_of(raster)
    if not any(place.is_file() for place in georeferences(path)):
        return Grid(height, width)
    with _opened(path, "PNG") as raster:
        return _grid_of(raster)


def georeferences(path: Path) -> Iterator[Path]:
    """Yield where a file that georeferences an image may lie; other systems write ``.PGW``."""
    for suffix in (*GEOREFERENCES, *map(str.upper, GEOREFERENCES)):
        yield path.with_suffix(suffix)
        yield path.with_name(path.name + suffix)


def optical_header(path: Path) -> OpticalHeader:
    """Read what an optical raster tells without its pixels.

    Raises:
        UserError: it is no readable GeoTIFF.
    """
    with _opened(path, "GTiff") as raster:
        names = tuple(name or "" for name in raster.descriptions)
        return OpticalHeader(_grid_of(raster), raster.count, names, raster.dtypes[0])


def read_channels(path: Path) -> Channels:
    """Read the 14 channels of an optical raster.

    Raises:
        UserError: it is no readable GeoTIFF, has fewer than 15 bands, or complex pixels.
    """
    with _opened(path, "GTiff") as raster:
        if raster.count < RASTER_BANDS[-1]:
            raise UserError(
                path,
                f"the raster has {_bands(raster.count)}, {RASTER_BANDS[-1]} are needed",
                "export all bands of Sentinel-2 Level-2A up to SCL",
            )
        if "complex" in raster.dtypes[0]:
            raise UserError(
                path, f"the pixels are {raster.dtypes[0]}", "export reflectances, not complex data"
            )
        values: NDArray[Any] = raster.read(RASTER_BANDS)
        known: NDArray[np.bool_] = raster.read_masks(RASTER_BANDS) != 0
    if values.dtype.kind == "f":
        known &= np.isfinite(values)
    return Channels(values, known)


@contextmanager
def _opened(path: Path, driver: str) -> Iterator[Any]:
    try:
        with open_raster(path, driver, most_bytes=MOST_BYTES) as raster:
            yield raster
    except UnreadableRasterError as error:
        fix = f"{_AGAIN}, or by a section of it"
        raise UserError(path, f"the raster cannot be read ({error})", fix) from error


def _grid_of(raster: Any) -> Grid:
    transform: Transform = tuple(raster.transform)[:6]
    if raster.transform.is_identity:
        return Grid(raster.height, raster.width)
    spacing_m = None
    if raster.crs is not None and raster.crs.is_projected:
        _, metres = raster.crs.linear_units_factor
        spacing_m = math.sqrt(abs(raster.transform.determinant)) * metres
    crs = raster.crs.to_string() if raster.crs else None
    return Grid(raster.height, raster.width, crs, transform, spacing_m)


def _same_crs(one: str, other: str) -> bool:
    if one == other:
        return True
    from rasterio.crs import CRS

    return bool(CRS.from_string(one) == CRS.from_string(other))


def _largest_offset_px(grid: Grid, one: Transform, other: Transform) -> float:
    """Return how far a corner of the grid is displaced at most, in pixels of ``one``."""
    a, b, _, d, e, _ = one
    pixel = math.sqrt(abs(a * e - b * d))
    corners = [(0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)]
    return max(math.dist(_place(one, *c), _place(other, *c)) for c in corners) / pixel


def _place(transform: Transform, column: int, row: int) -> tuple[float, float]:
    a, b, c, d, e, f = transform
    return a * column + b * row + c, d * column + e * row + f


def _shown(transform: Transform) -> str:
    return "(" + ", ".join(f"{value:.10g}" for value in transform) + ")"


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else f"{crs[:37]}..."


def _bands(count: int) -> str:
    return "1 band" if count == 1 else f"{count} bands"
