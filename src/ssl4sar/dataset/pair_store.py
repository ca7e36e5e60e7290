"""The pair store: all pairs decoded once into flat, memory-mapped bytes.

The published loader keeps padded copies of all images in the memory of every process. Here one
copy lies on disk, which all processes map. The channels of an optical pixel lie side by side, so
that a row of a window is one run of bytes: a third to a half more crops per second than from
planes (``benchmarks/pretraining_crops.py``). Windows are cut with
:func:`ssl4sar.dataset.store.reflect_crop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import CHANNELS, PairSplit
from ssl4sar.dataset.flat_arrays import INDEX_NAME, map_array

SCHEMA: Final = "ssl4sar.pair-store/1"
SAR_NAME: Final = "sar.u8"
OPTICAL_NAME: Final = "optical.u8"
_ARRAY_NAMES: Final = (SAR_NAME, OPTICAL_NAME)
#: The channels of a pixel and, last, whether all of them are known.
DEPTH: Final = len(CHANNELS) + 1
_FIX: Final = "remove the store and rerun the workflow"


@dataclass(frozen=True)
class PairGlacier:
    """Where the optical image of a glacier lies in the store, and its facts.

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
    """Where a Sentinel-1 image lies in the store, and its facts.

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

        Args:
            path: folder written by :func:`ssl4sar.dataset.pair_decoding.build_pair_store`.

        Raises:
            UserError: a file is missing, the index is damaged or of another schema, or an array
                does not have the size that the index tells.
        """
        folder = Path(path).resolve()
        index = _read_index(folder)
        scenes, glaciers = _entries_of(index, folder)
        sar_bytes = sum(scene.height * scene.width for scene in scenes)
        channel_bytes = sum(g.height * g.width * DEPTH for g in glaciers.values())
        return cls(
            folder,
            scenes,
            glaciers,
            bool(index["synthetic"]),
            tuple(index["included_test_glaciers"]),
            sha256_file(folder / INDEX_NAME),
            map_array(folder / SAR_NAME, sar_bytes, _FIX),
            map_array(folder / OPTICAL_NAME, channel_bytes, _FIX),
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


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX_NAME
    try:
        index = read_json(path)
        schema = index["schema"]
        if schema == SCHEMA:
            complete = set(index["sha256"]) == set(_ARRAY_NAMES) and index["scenes"]
            if not complete or not {"synthetic", "included_test_glaciers"} <= set(index):
                raise UserError(path, "the index is not complete", _FIX)
    except FileNotFoundError as error:
        raise UserError(path, "there is no pair store", "build it with the workflow") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"the index cannot be read ({error})", _FIX) from error
    if schema != SCHEMA:
        raise UserError(path, f"the index has schema {schema}, not {SCHEMA}", _FIX)
    return dict(index)


def _entries_of(
    index: dict[str, Any], folder: Path
) -> tuple[tuple[PairScene, ...], dict[str, PairGlacier]]:
    path = folder / INDEX_NAME
    try:
        scenes = tuple(PairScene(**entry) for entry in index["scenes"])
        listed = [PairGlacier(**{**e, "tops": tuple(e["tops"])}) for e in index["glaciers"]]
        glaciers = {glacier.glacier: glacier for glacier in listed}
        # Images that lie back to back cannot reach beyond the arrays, whose sizes are compared.
        end = 0
        for glacier in listed:
            _require_place(path, glacier.glacier, glacier.offset, end)
            end += glacier.height * glacier.width * DEPTH
        end = 0
        for scene in scenes:
            _require_place(path, scene.name, scene.offset, end)
            end += scene.height * scene.width
            partner = glaciers.get(scene.glacier)
            size = None if partner is None else (partner.height, partner.width)
            if size != (scene.height, scene.width):
                raise UserError(path, f"{scene.name} has no optical image of its size", _FIX)
    except (TypeError, KeyError) as error:
        raise UserError(path, f"an entry of the index cannot be read ({error})", _FIX) from error
    if len(glaciers) < len(listed):
        raise UserError(path, "a glacier is there twice", _FIX)
    return scenes, glaciers


def _require_place(path: Path, name: str, offset: int, expected: int) -> None:
    if offset != expected:
        raise UserError(path, f"{name} does not lie where it should", _FIX)
