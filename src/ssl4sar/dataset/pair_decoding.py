"""Writing a pair store: every image of a checked dataset is decoded once.

Apart from the reading of stores, so that training needs no library for rasters.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import atomic_directory, write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.image import decode_checked
from ssl4sar.core.pair_layout import CHANNELS, PAIR_SPLITS
from ssl4sar.core.progress import track
from ssl4sar.dataset.flat_arrays import INDEX_NAME, HashingWriter
from ssl4sar.dataset.optical import OpticalScale, optical_bytes, read_channels
from ssl4sar.dataset.pair_manifest import OpticalImage, PairImage, PairManifest, SarImage
from ssl4sar.dataset.pair_store import OPTICAL_NAME, SAR_NAME, SCHEMA, PairGlacier, PairScene


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
            "schema": SCHEMA,
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
    _require_size(path, pixels, image)
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
    _require_size(path, pixels, image)
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


def _require_size(path: Path, pixels: NDArray[np.uint8], image: PairImage) -> None:
    # Whoever writes a manifest by other means than the validation may err.
    if pixels.shape[:2] != (image.height, image.width):
        raise UserError(
            path,
            f"the image is {pixels.shape[0]}x{pixels.shape[1]} px, its manifest tells "
            f"{image.height}x{image.width} px",
            "validate the dataset again",
        )
