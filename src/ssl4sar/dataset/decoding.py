"""Writing the stores: every image of a checked dataset is decoded once.

Apart from the reading of stores, so that training needs no library for images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.image import decode_checked, read_image, shared_grid
from ssl4sar.core.pair_layout import CHANNELS, PAIR_SPLITS
from ssl4sar.core.progress import track
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import classes_from_greys
from ssl4sar.dataset import pair_store, store
from ssl4sar.dataset.flat_arrays import INDEX_NAME, HashingWriter
from ssl4sar.dataset.optical import OpticalScale, optical_bytes, read_channels
from ssl4sar.dataset.pair_manifest import OpticalImage, PairImage, PairManifest, SarImage
from ssl4sar.dataset.pair_store import OPTICAL_NAME, SAR_NAME, PairGlacier, PairScene
from ssl4sar.dataset.store import StoreScene, Subset


def build_store(
    tree: CaffeTree, names_train: Sequence[str], names_val: Sequence[str], target: str | Path
) -> None:
    """Decode training scenes into a store, one scene at a time.

    Args:
        tree: tree with the scenes; all come from its ``train`` split.
        names_train: scenes to train on, in the order of the store.
        names_val: scenes to validate on, after them.
        target: folder of the store; it appears complete or not at all, an older one is replaced.

    Raises:
        UserError: a file is missing or damaged, the three images of a scene differ in size or
            place, a grey value is not a zone, or the disk is full.
    """
    validation = set(names_val)
    with atomic_directory(target) as folder:
        scenes: list[StoreScene] = []
        with (
            (folder / store.IMAGES_NAME).open("wb") as images,
            (folder / store.ZONES_NAME).open("wb") as zones,
            (folder / store.FRONTS_NAME).open("wb") as fronts,
        ):
            writers = (HashingWriter(images), HashingWriter(zones), HashingWriter(fronts))
            for name in track([*names_train, *names_val], "decoding scenes"):
                split: Subset = "val" if name in validation else "train"
                scenes.append(_append_scene(tree, name, split, *writers))
        index = {
            "schema": store.SCHEMA,
            "sha256": {
                name: writer.hexdigest()
                for name, writer in zip(store.ARRAY_NAMES, writers, strict=True)
            },
            "scenes": [scene.to_json() for scene in scenes],
        }
        write_json(folder / INDEX_NAME, index)


def _append_scene(
    tree: CaffeTree,
    name: str,
    split: Subset,
    images: HashingWriter,
    zones: HashingWriter,
    fronts: HashingWriter,
) -> StoreScene:
    parsed = SceneName.parse(name)
    paths = (tree.sar("train", name), tree.zones("train", name), tree.front("train", name))
    image, zones_image, front = (read_image(path) for path in paths)
    parts = zip(paths, (image, zones_image, front), strict=True)
    grid, placed = shared_grid(list(parts))
    offset = images.append(image.pixels)
    zones.append(classes_from_greys(zones_image.pixels, paths[1]))
    fronts.append((front.pixels > 0).astype(np.uint8))
    return StoreScene(
        name=name,
        split=split,
        glacier=parsed.glacier,
        resolution_m=parsed.spacing_m(grid, placed),
        height=image.pixels.shape[0],
        width=image.pixels.shape[1],
        offset=offset,
        box=BoundingBox.read(tree.box(name)),
        grid=grid,
    )


def build_pair_store(manifest: PairManifest, scale: OpticalScale, target: str | Path) -> None:
    """Decode the images of a checked dataset into a store, one image at a time.

    Args:
        manifest: manifest of the dataset.
        scale: what becomes 255 in a band of an optical image.
        target: folder of the store; it appears complete or not at all, an older one is replaced.

    Raises:
        UserError: an image is missing, damaged, or not the one that was checked, or the disk is
            full.
    """
    with atomic_directory(target) as folder:
        with (folder / OPTICAL_NAME).open("wb") as stream:
            optical = HashingWriter(stream)
            glaciers = [
                _append_optical(manifest, image, scale, optical)
                for image in track(manifest.optical, "scaling optical images")
            ]
        with (folder / SAR_NAME).open("wb") as stream:
            sar = HashingWriter(stream)
            scenes = [
                _append_sar(manifest, image, sar)
                for split in PAIR_SPLITS
                for image in track(manifest.images(split), f"decoding SAR images, {split}")
            ]
        index = {
            "schema": pair_store.SCHEMA,
            "source": manifest.source,
            "synthetic": manifest.synthetic,
            "included_test_glaciers": manifest.included_test_glaciers,
            "optical_scale": scale,
            "channels": [*CHANNELS, "valid"],
            "sha256": {SAR_NAME: sar.hexdigest(), OPTICAL_NAME: optical.hexdigest()},
            "glaciers": [asdict(glacier) for glacier in glaciers],
            "scenes": [asdict(scene) for scene in scenes],
        }
        write_json(folder / INDEX_NAME, index)


def _append_optical(
    manifest: PairManifest, image: OpticalImage, scale: OpticalScale, writer: HashingWriter
) -> PairGlacier:
    path = manifest.path(image)
    _require_hash(path, sha256_file(path) if path.is_file() else None, image)
    pixels, tops = optical_bytes(read_channels(path), scale)
    return PairGlacier(
        glacier=image.glacier,
        date=image.date,
        height=image.height,
        width=image.width,
        offset=writer.append(pixels),
        valid_fraction=float((pixels[..., -1] > 0).mean()),
        tops=tops,
    )


def _append_sar(manifest: PairManifest, image: SarImage, writer: HashingWriter) -> PairScene:
    path = manifest.path(image)
    data = path.read_bytes() if path.is_file() else None
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    _require_hash(path, digest, image)
    pixels = decode_checked(data or b"", path, lossless=True).pixels
    return PairScene(
        name=path.stem,
        split=image.split,
        glacier=image.glacier,
        date=image.date,
        spacing_m=image.spacing_m or manifest.partner(image).spacing_m,
        height=image.height,
        width=image.width,
        offset=writer.append(pixels),
    )


def _require_hash(path: Path, found: str | None, image: PairImage) -> None:
    if found is None:
        raise UserError(path, "the file is missing", "bring it back or validate the dataset again")
    if found != image.sha256:
        raise UserError(
            path,
            "the file is not the one that was checked",
            "bring it back or validate the dataset again",
        )
