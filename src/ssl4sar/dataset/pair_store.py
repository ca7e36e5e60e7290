"""The pair store: all pairs decoded once into flat, memory-mapped bytes.

The published loader keeps padded copies of all images in the memory of every process. Here one
copy is on disk, which all processes map. The channels of an optical pixel are side by side, so
that a row of a window is one run of bytes: a third to a half more crops per second than from
planes (``benchmarks/pretraining_crops.py``). Windows are cut with
:func:`ssl4sar.dataset.flat_arrays.reflect_crop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import CHANNELS, PairSplit
from ssl4sar.dataset.flat_arrays import INDEX_NAME, entries_of, map_array, read_index

SCHEMA: Final = "ssl4sar.pair-store/1"
SAR_NAME: Final = "sar.u8"
OPTICAL_NAME: Final = "optical.u8"
ARRAY_NAMES: Final = (SAR_NAME, OPTICAL_NAME)
#: The channels of a pixel and, last, whether all of them are known.
DEPTH: Final = len(CHANNELS) + 1


@dataclass(frozen=True)
class PairGlacier:
    """Where the optical image of a glacier is in the store, and its facts.

    Attributes:
        glacier: its name.
        date: day of the acquisition, YYYY-MM-DD; None where it is not known.
        height: rows, pixels; also of every Sentinel-1 image of the glacier.
        width: columns, pixels; likewise.
        offset: first byte in ``optical.u8``.
        valid_fraction: share of pixels that are known in all channels, 0-1.
        tops: value of every channel that became 255; 0 where a channel has none above 0.
    """

    glacier: str
    date: str | None
    height: int
    width: int
    offset: int
    valid_fraction: float
    tops: tuple[float, ...]


@dataclass(frozen=True)
class PairScene:
    """Where a Sentinel-1 image is in the store, and its facts.

    Attributes:
        name: file name without its ending.
        split: training or validation.
        glacier: its glacier.
        date: day of the acquisition, YYYY-MM-DD; None where it is not known.
        spacing_m: pixel size, metres, its own or that of its optical image; None where neither is
            known.
        height: rows, pixels.
        width: columns, pixels.
        offset: first byte in ``sar.u8``.
    """

    name: str
    split: PairSplit
    glacier: str
    date: str | None
    spacing_m: float | None
    height: int
    width: int
    offset: int


@dataclass(frozen=True, eq=False)
class PairStore:
    """A read-only store; pickling sends the path, so that worker processes map it themselves.

    Attributes:
        path: absolute folder of the store.
        scenes: the Sentinel-1 images, training before validation.
        glaciers: the optical images by glacier.
        synthetic: whether the images are rendered, not observed.
        included_test_glaciers: glaciers of the test set that are in it, which marks a result.
        sha256: hash of the index, which holds the hashes of the arrays: the store's identity.
    """

    path: Path
    scenes: tuple[PairScene, ...]
    glaciers: dict[str, PairGlacier]
    synthetic: bool
    included_test_glaciers: tuple[str, ...]
    sha256: str
    _sar: NDArray[np.uint8]
    _optical: NDArray[np.uint8]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map the store of a folder; of the arrays the sizes are checked, not the contents.

        Raises:
            UserError: a file is missing, the index is damaged or of another schema, or an array
                does not have the size that the index says.
        """
        folder = Path(path).resolve()
        index = read_index(folder, "pair store", SCHEMA)
        with entries_of(folder):
            scenes = tuple(PairScene(**entry) for entry in index["scenes"])
            listed = [PairGlacier(**{**e, "tops": tuple(e["tops"])}) for e in index["glaciers"]]
            synthetic, included = bool(index["synthetic"]), tuple(index["included_test_glaciers"])
        sar_bytes = sum(scene.height * scene.width for scene in scenes)
        optical_bytes = sum(glacier.height * glacier.width * DEPTH for glacier in listed)
        return cls(
            folder,
            scenes,
            {glacier.glacier: glacier for glacier in listed},
            synthetic,
            included,
            sha256_file(folder / INDEX_NAME),
            map_array(folder / SAR_NAME, sar_bytes),
            map_array(folder / OPTICAL_NAME, optical_bytes),
        )

    def __len__(self) -> int:
        """Return the number of Sentinel-1 images."""
        return len(self.scenes)

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        """Reopen by path in another process instead of copying the pixels."""
        return (type(self).open, (self.path,))

    def numbers(self, split: PairSplit) -> tuple[int, ...]:
        """Return the numbers of the Sentinel-1 images of a split."""
        return tuple(n for n, scene in enumerate(self.scenes) if scene.split == split)

    def sar(self, number: int) -> NDArray[np.uint8]:
        """Return a view of a Sentinel-1 image, (H, W) uint8 grey, read-only."""
        scene = self.scenes[number]
        pixels = self._sar[scene.offset : scene.offset + scene.height * scene.width]
        return pixels.reshape(scene.height, scene.width)

    def optical(self, number: int) -> NDArray[np.uint8]:
        """Return a view of the optical partner of a Sentinel-1 image, read-only.

        Returns:
            (H, W, 15) uint8 on the same pixel grid: 14 channels, 0-255, and last 255 where all
            of them are known, else 0.
        """
        partner = self.glaciers[self.scenes[number].glacier]
        end = partner.offset + partner.height * partner.width * DEPTH
        return self._optical[partner.offset : end].reshape(partner.height, partner.width, DEPTH)
