"""Class probabilities of many scenes in one file, small enough to average ensembles from.

The file is a zip of ``.npy`` arrays that ``numpy.load`` can open: one uint8 array (K, H, W) per
scene that holds ``round(255 p)`` of the zones and, where the network predicts it,
of the front. Reading ``value / 255`` is off by at most 1/510.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.zones import CLASS_COUNT

LEVELS: Final = 255
#: Largest difference between a probability and what is read back.
QUANTISATION_ERROR: Final = 0.5 / LEVELS
_SUFFIX: Final = ".npy"
# The earliest date a zip can hold: the time of writing would change the bytes.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_COMPRESSION_LEVEL: Final = 1
_FIX: Final = "predict again"


class ProbabilityWriter:
    """Adds scenes to an open file; made by :func:`write_probabilities`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names: set[str] = set()

    def add(self, name: str, probabilities: NDArray[np.float32]) -> None:
        """Add a scene.

        Args:
            name: scene name.
            probabilities: (C, H, W) float, values 0-1.

        Raises:
            ValueError: the name is there already, or values are not within 0-1.
        """
        if name in self._names:
            raise ValueError(f"{name} was added before")
        # Sums of shares of windows exceed 1 by rounding.
        slack = 1e-4
        if not (probabilities.min() >= -slack and probabilities.max() <= 1 + slack):
            raise ValueError(f"{name}: probabilities must be within 0 and 1")
        self._names.add(name)
        levels = np.clip(np.rint(probabilities * LEVELS), 0, LEVELS).astype(np.uint8)
        stream = io.BytesIO()
        # The header names the order in memory, which is not part of the content.
        np.lib.format.write_array(stream, np.ascontiguousarray(levels), allow_pickle=False)
        entry = zipfile.ZipInfo(name + _SUFFIX, _DATE)
        self._archive.writestr(entry, stream.getbuffer(), zipfile.ZIP_DEFLATED, _COMPRESSION_LEVEL)


@contextmanager
def write_probabilities(path: str | Path) -> Iterator[ProbabilityWriter]:
    """Open a file for writing; it appears under its name when the block succeeds.

    Equal scenes in equal order give equal bytes with the same zlib.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        yield ProbabilityWriter(archive)


class ProbabilityReader:
    """Reads scenes one by one; use it in a ``with`` block.

    Raises:
        UserError: missing file, or no zip.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._archive = zipfile.ZipFile(self.path)
        except FileNotFoundError as error:
            raise UserError(self.path, "the probabilities are missing", _FIX) from error
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(self.path, f"the file is damaged ({error})", _FIX) from error

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._archive.close()

    @property
    def names(self) -> list[str]:
        """Scene names in the order of writing."""
        return [entry.removesuffix(_SUFFIX) for entry in self._archive.namelist()]

    def read_levels(self, name: str) -> NDArray[np.uint8]:
        """Read a scene as (C, H, W) uint8, ``round(255 p)``.

        Raises:
            UserError: the scene is not in the file, or damaged.
        """
        try:
            with self._archive.open(name + _SUFFIX) as stream:
                levels: NDArray[np.uint8] = np.lib.format.read_array(stream, allow_pickle=False)
                stream.read()  # reaching the end makes zipfile compare the checksum
        except KeyError as error:
            raise UserError(self.path, f"scene {name} is not in the file", _FIX) from error
        except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UserError(self.path, f"scene {name} is damaged ({error})", _FIX) from error
        if levels.dtype != np.uint8 or levels.ndim != 3:
            raise UserError(
                self.path, f"scene {name} holds {levels.shape} {levels.dtype} values", _FIX
            )
        return levels

    def read_front(self, name: str) -> NDArray[np.float32]:
        """Read the probability of the front in a scene, (H, W) float32, off by at most 1/510.

        Raises:
            UserError: the scene is not in the file, or damaged, or its network has no such output.
        """
        levels = self.read_levels(name)
        if len(levels) <= CLASS_COUNT:
            problem = "the network behind it has no output for the front"
            fix = "train it with training.front_loss_weight above 0"
            raise UserError(self.path, problem, fix)
        front: NDArray[np.float32] = np.divide(levels[CLASS_COUNT], LEVELS, dtype=np.float32)
        return front

    def read(self, name: str) -> NDArray[np.float32]:
        """Read a scene as (C, H, W) float32 probabilities, off by at most 1/510.

        Raises:
            UserError: the scene is not in the file, or damaged.
        """
        probabilities: NDArray[np.float32] = np.divide(
            self.read_levels(name), LEVELS, dtype=np.float32
        )
        return probabilities
