"""The training store: all training scenes decoded once into flat, memory-mapped arrays.

Decoding a PNG for every crop costs a hundred times the crop itself, and padded copies in memory
double the data per process. The store holds raw uint8 pixels (:mod:`ssl4sar.dataset.flat_arrays`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.flat_arrays import INDEX_NAME, entries_of, map_array, read_index

SCHEMA: Final = "ssl4sar.training-store/2"
IMAGES_NAME: Final = "images.u8"
ZONES_NAME: Final = "zones.u8"
FRONTS_NAME: Final = "fronts.u8"
ARRAY_NAMES: Final = (IMAGES_NAME, ZONES_NAME, FRONTS_NAME)

Subset = Literal["train", "val"]


@dataclass(frozen=True)
class StoreScene:
    """Where a scene is in the store, and its facts.

    Attributes:
        name: scene name.
        split: training or validation.
        glacier: glacier token of the name.
        resolution_m: pixel size, metres: that of the grid, without one that of the name.
        height: rows, pixels.
        width: columns, pixels.
        offset: first pixel in each array, bytes.
        box: bounding box of the dynamic front, pixels.
        grid: where the pixels are; None without coordinates.
    """

    name: str
    split: Subset
    glacier: str
    resolution_m: float
    height: int
    width: int
    offset: int
    box: BoundingBox
    grid: Grid | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; without coordinates there is no key for them."""
        values = asdict(self)
        values.pop("grid")
        return values if self.grid is None else {**values, "grid": self.grid.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Rebuild a scene from :meth:`to_json`."""
        grid = Grid.from_json(values["grid"]) if "grid" in values else None
        return cls(**{**values, "box": BoundingBox(**values["box"]), "grid": grid})


@dataclass(frozen=True, eq=False)
class Store:
    """A read-only store; pickling sends the path, so that worker processes map it themselves.

    Attributes:
        path: absolute folder of the store.
        scenes: what the store holds, in order.
        sha256: hash of the index, which holds the hashes of the arrays: the store's identity.
    """

    path: Path
    scenes: tuple[StoreScene, ...]
    sha256: str
    _images: NDArray[np.uint8]
    _zones: NDArray[np.uint8]
    _fronts: NDArray[np.uint8]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map the store of a folder; of the arrays the sizes are checked, not the contents.

        Args:
            path: folder written by :func:`ssl4sar.dataset.decoding.build_store`.

        Raises:
            UserError: a file is missing, the index is damaged or of another schema, or an array
                does not have the size that the index says.
        """
        folder = Path(path).resolve()
        index = read_index(folder, "training store", SCHEMA)
        with entries_of(folder):
            scenes = tuple(StoreScene.from_json(entry) for entry in index["scenes"])
        pixels = sum(s.height * s.width for s in scenes)
        return cls(
            folder,
            scenes,
            sha256_file(folder / INDEX_NAME),
            map_array(folder / IMAGES_NAME, pixels),
            map_array(folder / ZONES_NAME, pixels),
            map_array(folder / FRONTS_NAME, pixels),
        )

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.scenes)

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        """Reopen by path in another process instead of copying the pixels."""
        return (type(self).open, (self.path,))

    def image(self, number: int) -> NDArray[np.uint8]:
        """Return a view of the SAR image of a scene, (H, W) uint8 grey, read-only."""
        scene = self.scenes[number]
        return _view(self._images, scene.offset, scene)

    def zones(self, number: int) -> NDArray[np.uint8]:
        """Return a view of the zones of a scene, (H, W) uint8 class ids 0-3, read-only."""
        scene = self.scenes[number]
        return _view(self._zones, scene.offset, scene)

    def front(self, number: int) -> NDArray[np.uint8]:
        """Return a view of the labelled front of a scene, (H, W) uint8 0/1, read-only."""
        scene = self.scenes[number]
        return _view(self._fronts, scene.offset, scene)


def _view(flat: NDArray[np.uint8], offset: int, scene: StoreScene) -> NDArray[np.uint8]:
    end = offset + scene.height * scene.width
    return flat[offset:end].reshape(scene.height, scene.width)
