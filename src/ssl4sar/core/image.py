"""8-bit grey images with their coordinates: PNG or GeoTIFF, by the ending of the name.

A GeoTIFF carries its grid in itself, a PNG in a file beside it (a world file, or what GDAL writes)
or not at all. The raster library is imported where it is needed: most trees are PNGs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.gray_png import (
    MAX_PIXELS,
    GrayImage,
    decode_gray,
    decode_lossless,
    png_damage,
    read_gray,
    read_text,
    write_gray,
)
from ssl4sar.core.grid import Grid
from ssl4sar.core.raster import UnreadableRasterError, open_raster

PNG: Final = ".png"
TIFF: Final = ".tif"
#: Endings of files beside an image that georeference it, after its stem or its whole name.
GEOREFERENCES: Final = (".pgw", ".pngw", ".tfw", ".tifw", ".tiffw", ".wld", ".aux.xml", ".prj")
#: An image is decoded at once. The largest published ones have a few hundred megabytes.
MOST_BYTES: Final = 8_000_000_000
_AGAIN: Final = "replace the file by the original"


class GeoImage(NamedTuple):
    """A grey image and where it is.

    Attributes:
        pixels: (H, W) uint8.
        grid: its grid; None where the file has no coordinates.
    """

    pixels: NDArray[np.uint8]
    grid: Grid | None


def read_image(path: str | Path) -> GeoImage:
    """Read an 8-bit single-channel image and its coordinates.

    Raises:
        UserError: missing, damaged, or not 8-bit grey.
    """
    path = Path(path)
    if is_png(path):
        pixels = read_gray(path)
        return GeoImage(pixels, image_grid(path))
    if not path.is_file():
        raise UserError(path, "the file does not exist", "check the folder and the name")
    with open_image(path, "GTiff") as raster:
        return GeoImage(_grey_band(raster, path), raster_grid(raster, path))


def shared_grid(images: Sequence[tuple[Path, GeoImage]]) -> tuple[Grid | None, Path]:
    """Return the grid of the images of one scene, and the first of their files that has it.

    Args:
        images: files and contents; the first file is the image, the others are its masks.

    Returns:
        The grid and its file; None and the first file where none has coordinates.

    Raises:
        UserError: an image differs from those before it in size or place.
    """
    (placed, (first, grid)), *masks = images
    for path, (mask, mask_grid) in masks:
        if mask.shape != first.shape:
            raise UserError(
                path,
                f"the mask is {mask.shape[0]}x{mask.shape[1]} px, its image "
                f"{first.shape[0]}x{first.shape[1]} px",
                "replace it by the mask of this image",
            )
        if grid is None:
            grid, placed = (mask_grid, path) if mask_grid is not None else (None, placed)
        else:
            require_place(path, mask_grid, grid)
    return grid, placed


def require_place(path: Path, grid: Grid | None, expected: Grid | None) -> None:
    """Refuse an image on another grid than that of its scene, as far as both are known.

    Raises:
        UserError: they differ.
    """
    if grid is None or expected is None:
        return
    fault = grid.difference(expected, "another image of its scene")
    if fault is not None:
        raise UserError(path, fault, "bring all images of the scene to one pixel grid")


def decode_checked(data: bytes, path: Path, *, lossless: bool = False) -> GrayImage:
    """Decode an image whose file was read already, with every checksum.

    Args:
        data: content of the file.
        path: the file, for its ending and for errors; a GeoTIFF is read from it.
        lossless: accept 8-bit grey that is stored as colours, see
            :func:`~ssl4sar.core.gray_png.decode_lossless`.

    Raises:
        UserError: damaged, or not 8-bit grey.
    """
    if not is_png(path):
        with open_image(path, "GTiff") as raster:
            return GrayImage(_grey_band(raster, path), None)
    image = decode_lossless(data, path) if lossless else GrayImage(decode_gray(data, path), None)
    damage = png_damage(data)
    if damage is not None:
        raise UserError(path, f"the PNG is damaged ({damage})", _AGAIN)
    return image


def image_grid(path: Path) -> Grid | None:
    """Return the grid of an image, by its own coordinates or a file beside it; None without.

    Raises:
        UserError: the image or its coordinates cannot be read.
    """
    if is_png(path) and not any(place.is_file() for place in georeferences(path)):
        return None
    with open_image(path, "PNG" if is_png(path) else "GTiff") as raster:
        return raster_grid(raster, path)


def georeferences(path: Path) -> Iterator[Path]:
    """Yield where a file that georeferences an image may be; other systems write ``.PGW``."""
    for suffix in (*GEOREFERENCES, *map(str.upper, GEOREFERENCES)):
        yield path.with_suffix(suffix)
        yield path.with_name(path.name + suffix)


def write_image(
    path: Path,
    pixels: NDArray[np.uint8],
    grid: Grid | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write (H, W) uint8: a GeoTIFF where there is a grid, else a PNG; atomically.

    Args:
        path: the file; its ending is replaced by that of the format.
        pixels: (H, W) uint8.
        grid: where it is.
        notes: short texts for the file, e.g. that the image is synthetic.

    Returns:
        The file that was written.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    if grid is None:
        path = path.with_suffix(PNG)
        write_gray(path, pixels, notes)
        return path
    path = path.with_suffix(TIFF)
    write_geotiff(path, pixels[None], grid, tags=notes or {})
    return path


def read_notes(path: Path) -> dict[str, str]:
    """Read the short texts of an image.

    Raises:
        UserError: missing, or not readable.
    """
    if is_png(path):
        return read_text(path)
    with open_image(path, "GTiff") as raster:
        return {str(key): str(value) for key, value in raster.tags().items()}


@contextmanager
def open_image(path: Path, driver: str) -> Iterator[Any]:
    """Open a raster that is read at once.

    Args:
        path: the file.
        driver: name of GDAL's driver.

    Yields:
        The open dataset of rasterio.

    Raises:
        UserError: it is damaged, or larger than its file or the limits can hold.
    """
    try:
        with open_raster(path, driver, most_bytes=MOST_BYTES) as raster:
            yield raster
    except UnreadableRasterError as error:
        fix = f"{_AGAIN}, or by a section of it"
        raise UserError(path, f"the raster cannot be read ({error})", fix) from error


def raster_grid(raster: Any, path: Path) -> Grid | None:
    """Return the grid of an open dataset of rasterio; None where it has no coordinates.

    Raises:
        UserError: its coordinates cannot be used.
    """
    try:
        return Grid.of_raster(raster)
    except ValueError as error:
        raise UserError(path, f"its coordinates cannot be used ({error})", _AGAIN) from error


def is_png(path: Path) -> bool:
    """Return whether a file is called a PNG."""
    return path.suffix.lower() == PNG


def _grey_band(raster: Any, path: Path) -> NDArray[np.uint8]:
    if raster.count != 1 or raster.dtypes[0] != "uint8":
        bands = "1 band" if raster.count == 1 else f"{raster.count} bands"
        raise UserError(
            path,
            f"the image has {bands} of {raster.dtypes[0]}, not 8-bit grey",
            "convert it to a single band of 8 bits",
        )
    if raster.height * raster.width > MAX_PIXELS:
        size = f"{raster.width}x{raster.height} px"
        raise UserError(path, f"{size} are more than the {MAX_PIXELS:,} that are read", "cut it")
    pixels: NDArray[np.uint8] = raster.read(1)
    return pixels
