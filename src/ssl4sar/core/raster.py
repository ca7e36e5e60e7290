"""Opening rasters of strangers: what a header claims is compared with the size of its file.

A header of a hundred bytes can claim a million rows, and decoders believe it: they spend hours on
blocks that are not there, or return zeros for them. Real images are far from these limits: a scene
of Sentinel-1 has 0.4 billion pixels, and the best compression there is makes one constant block of
JPEG 2000 or Zstandard some 10,000 to 70,000 times smaller.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

#: Pixels of one band; stripmap products, the largest, have up to two billion.
MOST_PX: Final = 4_000_000_000
#: An image of this many bytes in memory does no harm, whatever its file claims.
_HARMLESS_BYTES: Final = 500_000_000
#: Beyond it, so many bytes in memory per byte of the file at most.
_MOST_RATIO: Final = 100_000
#: A block is decoded at once, in memory.
_MOST_BLOCK_BYTES: Final = 2_000_000_000
#: Tags of TIFF (Adobe, TIFF 6.0), and its whole numbers of 1 to 8 bytes.
_WIDTH, _HEIGHT, _SAMPLES, _PLANAR = 256, 257, 277, 284
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_SIZES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_SIZES = 322, 323, 324, 325
_WHOLE_NUMBERS: Final = {1: "u1", 3: "u2", 4: "u4", 16: "u8"}
#: Real images have some thirty.
_MOST_TAGS: Final = 1000
#: Braces, because names of archives may have any ending.
_IN_ZIP: Final = re.compile(r"/vsizip/\{(.+?)\}/")
_NOTHING: Final = np.empty(0, np.uint64)


class UnreadableRasterError(ValueError):
    """A raster cannot be read, or claims what it cannot hold; the message is a phrase."""


@contextmanager
def open_raster(
    path: str | Path, driver: str, *, whole: bool = False, most_bytes: int | None = None
) -> Iterator[Any]:
    """Open a raster whose header is plausible; errors of reading it, too, are one line.

    Args:
        path: the file, or ``/vsizip/{ARCHIVE}/MEMBER``, whose size is that of the archive.
        driver: name of GDAL's driver. One alone: a file must not make the library open others.
        whole: refuse a GeoTIFF with blocks that are not in the file; decoders make zeros of them.
        most_bytes: limit of all bands in memory, for callers that read them at once.

    Yields:
        The open dataset of rasterio.

    Raises:
        UnreadableRasterError: it is damaged, or larger than its file or the limits can hold.
    """
    # Heavy, and needed by few: the rest of the package works without it.
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    path = Path(path)
    archive = _IN_ZIP.match(str(path))
    try:
        with warnings.catch_warnings():
            # Measurements of Sentinel-1 have tie points only.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver=driver) as raster:
                holder = path if archive is None else Path(archive[1])
                _require_plausible(raster, holder.stat().st_size, most_bytes)
                if whole and driver == "GTiff":
                    _require_blocks(path)
                yield raster
    except RasterioError as error:
        reason = str(error.__cause__ or error).replace(str(path), path.name)
        raise UnreadableRasterError(" ".join(reason.split()) or "unreadable") from error


def _require_plausible(raster: Any, file_bytes: int, most_bytes: int | None) -> None:
    shape = f"{raster.height} x {raster.width} pixels"
    if raster.height * raster.width > MOST_PX:
        raise UnreadableRasterError(f"it claims {shape}, more than {MOST_PX / 1e9:g} billion")
    pixel_bytes = sum(np.dtype(kind).itemsize for kind in raster.dtypes)
    claimed = raster.height * raster.width * pixel_bytes
    if claimed > _HARMLESS_BYTES + _MOST_RATIO * file_bytes:
        raise UnreadableRasterError(
            f"it claims {shape}, which its {file_bytes:,} bytes cannot hold"
        )
    block_bytes = max(rows * columns for rows, columns in raster.block_shapes) * pixel_bytes
    if block_bytes > _MOST_BLOCK_BYTES:
        raise UnreadableRasterError(
            f"one of its blocks takes {block_bytes / 1e9:.1f} GB of memory, more than "
            f"{_MOST_BLOCK_BYTES / 1e9:g} GB"
        )
    if most_bytes is not None and claimed > most_bytes:
        raise UnreadableRasterError(
            f"its {shape} in {len(raster.dtypes)} bands take {claimed / 1e9:.1f} GB of memory, "
            f"more than {most_bytes / 1e9:g} GB"
        )


def _require_blocks(path: Path) -> None:
    """Check that every block of the first image of a TIFF has its bytes in the file.

    GDAL gives places of blocks, too, but not of strips that it splits.
    """
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        tags = _first_tags(file, file_bytes)
    columns, rows = _number(tags, _WIDTH), _number(tags, _HEIGHT)
    block = (
        (_number(tags, _TILE_WIDTH), _number(tags, _TILE_HEIGHT))
        if _TILE_WIDTH in tags
        else (columns, min(_number(tags, _ROWS_PER_STRIP, rows), rows))
    )
    count = math.prod(-(-size // step) for size, step in zip((columns, rows), block, strict=True))
    count *= _number(tags, _SAMPLES, 1) if _number(tags, _PLANAR, 1) == 2 else 1
    places = tags.get(_TILE_OFFSETS, tags.get(_STRIP_OFFSETS, _NOTHING))[:count]
    sizes = tags.get(_TILE_SIZES, tags.get(_STRIP_SIZES, _NOTHING))[:count]
    if min(places.size, sizes.size) < count:
        raise UnreadableRasterError(f"it lists {min(places.size, sizes.size)} of {count} blocks")
    empty = int(((places == 0) | (sizes == 0)).sum())
    if empty:
        raise UnreadableRasterError(f"{empty} of its {count} blocks have no data")
    # Sums of such numbers would run over.
    if (places > file_bytes).any() or (sizes > file_bytes - places).any():
        raise UnreadableRasterError("a block ends behind the file")


def _first_tags(file: BinaryIO, file_bytes: int) -> dict[int, NDArray[np.uint64]]:
    """Return the whole numbers among the tags of the first image of a TIFF or BigTIFF."""
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2], "<")
    big = start[2:4] in {b"+\0", b"\0+"}
    # How numbers of entries, values and places are written, and where the first list is.
    short, long, place = ("Q", "Q", start[8:16]) if big else ("H", "I", start[4:8])
    entry = struct.Struct(f"{order}HH{long}")
    inline = struct.calcsize(long)
    try:
        file.seek(*struct.unpack(order + long, place))
        (entries,) = struct.unpack(order + short, file.read(struct.calcsize(short)))
        size = entry.size + inline
        listed = file.read(min(entries, _MOST_TAGS) * size)
        tags = {}
        for first in range(0, len(listed) - size + 1, size):
            tag, kind, count = entry.unpack_from(listed, first)
            if kind not in _WHOLE_NUMBERS or count > file_bytes:
                continue
            dtype = np.dtype(order + _WHOLE_NUMBERS[kind])
            content = listed[first + entry.size : first + size]
            if count * dtype.itemsize > inline:
                file.seek(*struct.unpack(order + long, content))
                content = file.read(count * dtype.itemsize)
            whole = content[: min(count, len(content) // dtype.itemsize) * dtype.itemsize]
            tags[tag] = np.frombuffer(whole, dtype).astype(np.uint64)
    except (struct.error, OSError, OverflowError) as error:
        raise UnreadableRasterError("the header of the TIFF is damaged") from error
    return tags


def _number(tags: Mapping[int, NDArray[np.uint64]], tag: int, default: int = 0) -> int:
    found = tags.get(tag, _NOTHING)
    value = int(found[0]) if found.size else default
    if value < 1:
        raise UnreadableRasterError("the header of the TIFF is damaged")
    return value
