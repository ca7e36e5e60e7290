"""Files of a store: raw uint8 arrays back to back, hashed while written, mapped to be read.

Every process maps the same pages. Mirrored borders are read by index instead of being stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json

#: File of a store that says where everything is, with the SHA-256 of all other files.
INDEX_NAME: Final = "index.json"
_FIX: Final = "remove the store and rerun the workflow"


class HashingWriter:
    """Append bytes to a file and hash them on the way.

    Args:
        stream: file opened for writing bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.written = 0

    def append(self, array: NDArray[np.uint8]) -> int:
        """Append an array in row-major order; return where it starts, bytes."""
        start = self.written
        data = np.ascontiguousarray(array).data
        self._stream.write(data)
        self._hash.update(data)
        self.written += array.size
        return start

    def hexdigest(self) -> str:
        """Return the SHA-256 of all that was appended."""
        return self._hash.hexdigest()


def read_index(folder: Path, what: str, schema: str) -> dict[str, Any]:
    """Read the index of a store.

    Args:
        folder: folder of the store.
        what: what the store is called, for the error.
        schema: schema that its index must have.

    Raises:
        UserError: missing, damaged or of another schema.
    """
    path = folder / INDEX_NAME
    try:
        index = read_json(path)
        found = index["schema"]
    except FileNotFoundError as error:
        raise UserError(path, f"there is no {what}", "build it with the workflow") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"the index cannot be read ({error})", _FIX) from error
    if found != schema:
        raise UserError(path, f"the index has schema {found}, not {schema}", _FIX)
    return dict(index)


@contextmanager
def entries_of(folder: Path) -> Iterator[None]:
    """Report an entry of an index that has other values than it should as a `UserError`."""
    try:
        yield
    except (TypeError, KeyError, ValueError) as error:
        problem = f"an entry of the index cannot be read ({error})"
        raise UserError(folder / INDEX_NAME, problem, _FIX) from error


def map_array(path: Path, expected_bytes: int) -> NDArray[np.uint8]:
    """Map a file read-only.

    Args:
        path: file.
        expected_bytes: size that the index says.

    Returns:
        (expected_bytes,) uint8.

    Raises:
        UserError: the file is missing or has another size.
    """
    try:
        found_bytes = path.stat().st_size
    except OSError as error:
        raise UserError(path, f"the array cannot be read ({error.strerror})", _FIX) from error
    if found_bytes != expected_bytes:
        raise UserError(
            path, f"the array has {found_bytes} bytes, its index says {expected_bytes}", _FIX
        )
    if expected_bytes == 0:  # an empty file cannot be mapped
        return np.empty(0, np.uint8)
    # The plain array shares the mapping but is sliced several times faster than np.memmap.
    return np.asarray(np.memmap(path, np.uint8, mode="r"))


def reflect_crop(
    array: NDArray[np.uint8],
    row: int,
    column: int,
    height: int,
    width: int,
    out: NDArray[np.uint8],
) -> None:
    """Cut a window that may reach beyond the image, which continues mirrored.

    The mirror is on the outer edge of the border pixels, so these are repeated (``np.pad`` mode
    ``symmetric``); an image smaller than the window is mirrored again and again.

    Args:
        array: (H, W) or (H, W, C) uint8, neither side 0; transpose (C, H, W) without copying.
        row: first row, pixels, any integer.
        column: first column, pixels, any integer.
        height: rows, pixels.
        width: columns, pixels.
        out: (height, width) or (height, width, C) uint8, overwritten.

    Raises:
        ValueError: ``out`` has another shape, or the image is empty.
    """
    rows, columns = array.shape[:2]
    if out.shape != (height, width, *array.shape[2:]):
        raise ValueError(f"the buffer is {out.shape}, not {(height, width, *array.shape[2:])}")
    if row >= 0 and column >= 0 and row + height <= rows and column + width <= columns:
        out[...] = array[row : row + height, column : column + width]
        return
    if rows == 0 or columns == 0:
        raise ValueError("an empty image cannot be mirrored")
    column_runs = list(_mirror_runs(columns, column, width))
    # Whole runs are copied with a stride of +1 or -1: far cheaper than an index per pixel.
    for out_rows, source_rows in _mirror_runs(rows, row, height):
        for out_columns, source_columns in column_runs:
            out[out_rows, out_columns] = array[source_rows, source_columns]


def _mirror_runs(size: int, start: int, length: int) -> Iterator[tuple[slice, slice]]:
    """Yield (place in the window, place in the image) of runs between two mirror lines."""
    done = 0
    while done < length:
        period, first = divmod(start + done, size)
        run = min(size - first, length - done)
        if period % 2 == 0:
            source = slice(first, first + run)
        else:
            last = size - 1 - first
            source = slice(last, last - run if last >= run else None, -1)
        yield slice(done, done + run), source
        done += run
