"""The training store: all training scenes decoded once into flat, memory-mapped arrays.

Decoding a PNG for every crop costs a hundred times the crop itself, and padded copies in memory
double the data per process. The store keeps raw uint8 pixels back to back; every process maps the
same pages, and mirrored borders are read by index instead of being stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.gray_png import read_gray
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import track
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import classes_from_greys
from ssl4sar.dataset.flat_arrays import INDEX_NAME, HashingWriter, map_array

SCHEMA: Final = "ssl4sar.training-store/1"
IMAGES_NAME: Final = "images.u8"
ZONES_NAME: Final = "zones.u8"
FRONTS_NAME: Final = "fronts.u8"
_ARRAY_NAMES: Final = (IMAGES_NAME, ZONES_NAME, FRONTS_NAME)
_FIX: Final = "remove the store and rerun the workflow"

Subset = Literal["train", "val"]


@dataclass(frozen=True)
class StoreScene:
    """Where a scene lies in the store, and its facts.

    Attributes:
        name: scene name.
        split: training or validation.
        glacier: glacier token of the name.
        resolution_m: pixel size of the name, whole metres.
        height: rows, pixels.
        width: columns, pixels.
        offset: first pixel in ``images.u8`` and ``zones.u8``, bytes.
        front_offset: first pixel in ``fronts.u8``, bytes; None for training scenes.
        box: bounding box of the dynamic front, pixels.
    """

    name: str
    split: Subset
    glacier: str
    resolution_m: int
    height: int
    width: int
    offset: int
    front_offset: int | None
    box: BoundingBox


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
            path: folder written by :func:`build_store`.

        Raises:
            UserError: a file is missing, the index is damaged or of another schema, or an array
                does not have the size that the index tells.
        """
        folder = Path(path).resolve()
        index = _read_index(folder)
        scenes = _scenes_of(index, folder)
        pixels = sum(scene.height * scene.width for scene in scenes)
        front_pixels = sum(
            scene.height * scene.width for scene in scenes if scene.front_offset is not None
        )
        return cls(
            folder,
            scenes,
            sha256_file(folder / INDEX_NAME),
            map_array(folder / IMAGES_NAME, pixels, _FIX),
            map_array(folder / ZONES_NAME, pixels, _FIX),
            map_array(folder / FRONTS_NAME, front_pixels, _FIX),
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
        """Return a view of the labelled front of a scene, (H, W) uint8 0/1, read-only.

        Raises:
            ValueError: the scene is not for validation, so its front is not in the store.
        """
        scene = self.scenes[number]
        if scene.front_offset is None:
            raise ValueError(f"the store holds no front of the training scene {scene.name}")
        return _view(self._fronts, scene.front_offset, scene)


def build_store(
    tree: CaffeTree, names_train: Sequence[str], names_val: Sequence[str], target: str | Path
) -> None:
    """Decode training scenes into a store, one scene at a time.

    Args:
        tree: tree with the scenes; all come from its ``train`` split.
        names_train: scenes to train on, in the order of the store.
        names_val: scenes to validate on, after them; only these keep their fronts.
        target: folder of the store; it appears complete or not at all, an older one is replaced.

    Raises:
        UserError: a scene is named twice, a file is missing or damaged, the three images of a
            scene differ in size, a grey value is no zone, or the disk is full.
    """
    names = [*names_train, *names_val]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(twice[0], "the scene is in the store twice", "list every scene once")
    validation = set(names_val)
    with atomic_directory(target) as folder:
        scenes: list[StoreScene] = []
        with (
            (folder / IMAGES_NAME).open("wb") as images,
            (folder / ZONES_NAME).open("wb") as zones,
            (folder / FRONTS_NAME).open("wb") as fronts,
        ):
            writers = (HashingWriter(images), HashingWriter(zones), HashingWriter(fronts))
            for name in track(names, "decoding scenes"):
                scenes.append(_append(tree, name, name in validation, *writers))
        index = {
            "schema": SCHEMA,
            "sha256": {
                name: writer.hexdigest() for name, writer in zip(_ARRAY_NAMES, writers, strict=True)
            },
            "scenes": [asdict(scene) for scene in scenes],
        }
        write_json(folder / INDEX_NAME, index)


def reflect_crop(
    array: NDArray[np.uint8],
    row: int,
    column: int,
    height: int,
    width: int,
    out: NDArray[np.uint8],
) -> None:
    """Cut a window that may reach beyond the image, which continues mirrored.

    The mirror lies on the outer edge of the border pixels, so these are repeated (``np.pad`` mode
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


def _append(
    tree: CaffeTree,
    name: str,
    keep_front: bool,
    images: HashingWriter,
    zones: HashingWriter,
    fronts: HashingWriter,
) -> StoreScene:
    parsed = SceneName.parse(name)
    image = read_gray(tree.sar("train", name))
    zones_path = tree.zones("train", name)
    classes = classes_from_greys(read_gray(zones_path), zones_path)
    _require_size(zones_path, classes, image)
    front_offset = None
    if keep_front:
        front_path = tree.front("train", name)
        front = (read_gray(front_path) > 0).astype(np.uint8)
        _require_size(front_path, front, image)
        front_offset = fronts.append(front)
    offset = images.append(image)
    zones.append(classes)
    return StoreScene(
        name=name,
        split="val" if keep_front else "train",
        glacier=parsed.glacier,
        resolution_m=parsed.resolution_m,
        height=image.shape[0],
        width=image.shape[1],
        offset=offset,
        front_offset=front_offset,
        box=BoundingBox.read(tree.box(name)),
    )


def _require_size(path: Path, mask: NDArray[np.uint8], image: NDArray[np.uint8]) -> None:
    if mask.shape != image.shape:
        raise UserError(
            path,
            f"the mask is {mask.shape[0]}x{mask.shape[1]} px, its image "
            f"{image.shape[0]}x{image.shape[1]} px",
            "replace it by the mask of this image",
        )


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX_NAME
    try:
        index = read_json(path)
        schema = index["schema"]
        hashes = index["sha256"]
        if schema == SCHEMA and (set(hashes) != set(_ARRAY_NAMES) or not index["scenes"]):
            raise UserError(path, "the index is not complete", _FIX)
    except FileNotFoundError as error:
        raise UserError(path, "there is no training store", "build it with the workflow") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"the index cannot be read ({error})", _FIX) from error
    if schema != SCHEMA:
        raise UserError(path, f"the index has schema {schema}, not {SCHEMA}", _FIX)
    return dict(index)


def _scenes_of(index: dict[str, Any], folder: Path) -> tuple[StoreScene, ...]:
    path = folder / INDEX_NAME
    try:
        scenes = tuple(
            StoreScene(**{**entry, "box": BoundingBox(**entry["box"])}) for entry in index["scenes"]
        )
        # Scenes that lie back to back cannot reach beyond the arrays, whose sizes are compared.
        offset = front_offset = 0
        for scene in scenes:
            expected_front = front_offset if scene.split == "val" else None
            if (scene.offset, scene.front_offset) != (offset, expected_front):
                raise UserError(path, f"{scene.name} does not lie where it should", _FIX)
            pixels = scene.height * scene.width
            offset += pixels
            front_offset += pixels if scene.split == "val" else 0
    except (TypeError, KeyError) as error:
        raise UserError(path, f"a scene of the index cannot be read ({error})", _FIX) from error
    return scenes


def _view(flat: NDArray[np.uint8], offset: int, scene: StoreScene) -> NDArray[np.uint8]:
    end = offset + scene.height * scene.width
    return flat[offset:end].reshape(scene.height, scene.width)
