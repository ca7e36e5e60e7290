"""Files of a store: raw uint8 arrays back to back, hashed while written, mapped to be read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError

#: File of a store that says where everything lies, with the SHA-256 of all other files.
INDEX_NAME: Final = "index.json"


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


def map_array(path: Path, expected_bytes: int, fix: str) -> NDArray[np.uint8]:
    """Map a file read-only.

    Args:
        path: file.
        expected_bytes: size that the index tells.
        fix: what to do where it has another size, for the error.

    Returns:
        (expected_bytes,) uint8.

    Raises:
        UserError: the file is missing or has another size.
    """
    try:
        found_bytes = path.stat().st_size
    except OSError as error:
        raise UserError(path, f"the array cannot be read ({error.strerror})", fix) from error
    if found_bytes != expected_bytes:
        raise UserError(
            path, f"the array has {found_bytes} bytes, its index tells {expected_bytes}", fix
        )
    if expected_bytes == 0:  # an empty file cannot be mapped
        return np.empty(0, np.uint8)
    # The plain array shares the mapping but is sliced several times faster than np.memmap.
    return np.asarray(np.memmap(path, np.uint8, mode="r"))
