"""Pretraining crops per second and core beside two naive readings, in one run.

A crop is a window of the SAR image and of all optical channels with their mask, 16 bytes per
pixel, in a batch buffer. Naive A decodes PNG and GeoTIFF, mirrors the border and cuts; naive B
keeps mirrored copies in memory and turns each crop into floats, as a loader that hands out tensors
does. All sides cut the same windows and must agree in every pixel. Two more rates tell what the
layout of the store is worth and what it could be at most: planes per channel instead of channels
side by side, and copies of as many bytes in one piece.

    python benchmarks/pretraining_crops.py [--glaciers 3] [--crops 300] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.pair_layout import BANDS, OPTICAL_FOLDER, SAR_FOLDERS
from ssl4sar.core.seeding import generator
from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.optical import optical_bytes, read_channels
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import DEPTH, OPTICAL_NAME, PairStore
from ssl4sar.dataset.pair_validation import validate_pairs

#: The mean size of the published images.
HEIGHT_PX = WIDTH_PX = 1433
SIDE_PX = 512
BATCH = 4
GOAL_PER_S = 3_000
#: Smallest and largest side of a window, and how far it may reach beyond the border, as a share.
KINDS = {
    "512 px inside the image": (512, 512, 0.0),
    "512 px up to a quarter beyond": (512, 512, 0.25),
    "358-511 px as the recipe draws": (358, 511, 0.0),
}

Window = tuple[int, int, int, int]
Bytes = NDArray[np.uint8]


def write_pairs(root: Path, glaciers: int) -> PairManifest:
    """Write pairs with speckle, which is as hard to decode as real images."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    (root / OPTICAL_FOLDER).mkdir(parents=True)
    for number in range(glaciers):
        rng = generator(0, "pretraining crops", number)
        image = np.clip(rng.gamma(3.0, 30.0, (HEIGHT_PX, WIDTH_PX)), 0, 255).astype(np.uint8)
        for split, folder in SAR_FOLDERS.items():
            shown = image if split == "train" else image[::-1]
            write_gray(root / folder / f"S1_G{number}_20200703_014.png", shown)
        path = root / OPTICAL_FOLDER / f"G{number}_20200703_S2.tif"
        profile = {"driver": "GTiff", "count": len(BANDS), "dtype": "uint16", "compress": "deflate"}
        with rasterio.open(path, "w", height=HEIGHT_PX, width=WIDTH_PX, **profile) as raster:
            for band in range(1, len(BANDS) + 1):
                raster.write(image * np.uint16(40) + np.uint16(band), band)
    report = validate_pairs(root, PairRules("synthetic", ()))
    return report.checked_manifest("the benchmark")


def draw_windows(images: int, crops: int, kind: str) -> list[Window]:
    """Return (image, row, column, side) of random windows."""
    rng = generator(1, "pretraining windows", images, crops, kind)
    smallest, largest, reach = KINDS[kind]
    windows: list[Window] = []
    for number in rng.integers(0, images, crops).tolist():
        side = int(rng.integers(smallest, largest + 1))
        beyond = int(reach * side)
        row = int(rng.integers(-beyond, HEIGHT_PX - side + beyond + 1))
        column = int(rng.integers(-beyond, WIDTH_PX - side + beyond + 1))
        windows.append((number, row, column, side))
    return windows


@dataclass(frozen=True)
class Buffer:
    """A batch: SAR windows and optical windows with channels side by side."""

    sar: Bytes
    optical: Bytes

    @classmethod
    def empty(cls) -> Buffer:
        """Return a batch of zeros."""
        shape = (BATCH, SIDE_PX, SIDE_PX)
        return cls(np.zeros(shape, np.uint8), np.zeros((*shape, DEPTH), np.uint8))


def store_crops(store: PairStore, windows: list[Window], batch: Buffer) -> None:
    """Cut windows out of the memory-mapped store."""
    for place, (number, row, column, side) in enumerate(windows):
        slot = place % BATCH
        sar, optical = batch.sar[slot, :side, :side], batch.optical[slot, :side, :side]
        reflect_crop(store.sar(number), row, column, side, side, sar)
        reflect_crop(store.optical(number), row, column, side, side, optical)


def plane_crops(
    sar: list[Bytes], planes: list[Bytes], windows: list[Window], batch: tuple[Bytes, Bytes]
) -> None:
    """Cut the same windows out of memory-mapped planes, one per channel."""
    for place, (number, row, column, side) in enumerate(windows):
        slot = place % BATCH
        reflect_crop(sar[number], row, column, side, side, batch[0][slot, :side, :side])
        out = batch[1][slot, :, :side, :side].transpose(1, 2, 0)
        reflect_crop(planes[number].transpose(1, 2, 0), row, column, side, side, out)


def copies(source: Bytes, windows: list[Window], target: Bytes) -> None:
    """Copy as many bytes as the windows hold, each in one piece."""
    for place, (number, row, column, side) in enumerate(windows):
        length = side * side * (DEPTH + 1)
        start = ((number * HEIGHT_PX + abs(row)) * WIDTH_PX + abs(column)) * DEPTH
        start %= source.size - length
        target[place % BATCH, :length] = source[start : start + length]


def mirrored(array: Bytes) -> Bytes:
    """Return the image with a mirrored border of one window."""
    border = ((SIDE_PX, SIDE_PX), (SIDE_PX, SIDE_PX), (0, 0))[: array.ndim]
    return np.pad(array, border, mode="symmetric")


def cut_mirrored(array: Bytes, window: Window) -> Bytes:
    """Cut a window out of an image that is mirrored by a whole window on every side."""
    _, row, column, side = window
    row, column = row + SIDE_PX, column + SIDE_PX
    return array[row : row + side, column : column + side]


def decoded_crops(manifest: PairManifest, windows: list[Window], batch: Buffer) -> None:
    """Naive A: decode, scale and mirror for every crop."""
    for place, window in enumerate(windows):
        image, slot, side = manifest.sar[window[0]], place % BATCH, window[3]
        channels = read_channels(manifest.path(manifest.partner(image)))
        sar, optical = read_gray(manifest.path(image)), optical_bytes(channels, "maximum")[0]
        batch.sar[slot, :side, :side] = cut_mirrored(mirrored(sar), window)
        batch.optical[slot, :side, :side] = cut_mirrored(mirrored(optical), window)


def float_crops(
    sar: list[Bytes], optical: list[Bytes], windows: list[Window], batch: NDArray[np.float32]
) -> None:
    """Naive B: mirrored copies in memory, all channels as planes of floats in [0, 1]."""
    for place, window in enumerate(windows):
        slot, side = place % BATCH, window[3]
        out = batch[slot, :, :side, :side]
        out[0] = cut_mirrored(sar[window[0]], window).astype(np.float32) / 255
        cut = cut_mirrored(optical[window[0]], window)
        out[1:] = cut.transpose(2, 0, 1).astype(np.float32) / 255


def rate(cut: Callable[[list[Window]], None], windows: list[Window]) -> float:
    """Return crops per second of CPU time, which other load on the machine does not change."""
    start = time.process_time()
    cut(windows)
    return len(windows) / (time.process_time() - start)


def main() -> int:
    """Measure and print; return 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--glaciers", type=int, default=3, help="optical images in the store")
    parser.add_argument("--crops", type=int, default=300, help="crops per round")
    parser.add_argument("--rounds", type=int, default=3, help="all sides run once per round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_pairs(Path(folder) / "pairs", options.glaciers)
        build_pair_store(manifest, "maximum", Path(folder) / "store")
        sides = Sides(manifest, PairStore.open(Path(folder) / "store"), Path(folder))
        good = [sides.measure(kind, options) for kind in KINDS]
    return 0 if all(good) else 1


class Sides:
    """All ways to cut windows out of the same pairs."""

    def __init__(self, manifest: PairManifest, store: PairStore, folder: Path) -> None:
        self.manifest, self.store = manifest, store
        numbers = range(len(store))
        self.sar = [store.sar(number) for number in numbers]
        planes: dict[str, Bytes] = {}
        padded: dict[str, Bytes] = {}
        for number, scene in enumerate(store.scenes):
            if scene.glacier not in planes:
                path = folder / f"{scene.glacier}.u8"
                store.optical(number).transpose(2, 0, 1).tofile(path)
                shape = (DEPTH, scene.height, scene.width)
                planes[scene.glacier] = np.asarray(np.memmap(path, np.uint8, "r", shape=shape))
                padded[scene.glacier] = mirrored(store.optical(number))
        self.planes = [planes[scene.glacier] for scene in store.scenes]
        self.padded_optical = [padded[scene.glacier] for scene in store.scenes]
        self.padded_sar = [mirrored(image) for image in self.sar]
        self.ours, self.decoded = Buffer.empty(), Buffer.empty()
        self.floats = np.zeros((BATCH, DEPTH + 1, SIDE_PX, SIDE_PX), np.float32)
        plane_shape = (BATCH, DEPTH, SIDE_PX, SIDE_PX)
        self.by_plane = (np.zeros_like(self.ours.sar), np.zeros(plane_shape, np.uint8))
        self.whole = np.asarray(np.memmap(store.path / OPTICAL_NAME, np.uint8, "r"))
        self.copied = np.zeros((BATCH, SIDE_PX**2 * (DEPTH + 1)), np.uint8)

    def measure(self, kind: str, options: argparse.Namespace) -> bool:
        """Print the rates for one kind of window; return whether the goal is reached."""
        windows = draw_windows(len(self.store), options.crops, kind)
        sides: list[tuple[Callable[[list[Window]], None], list[Window]]] = [
            (lambda w: store_crops(self.store, w, self.ours), windows),
            (lambda w: plane_crops(self.sar, self.planes, w, self.by_plane), windows),
            (lambda w: copies(self.whole, w, self.copied), windows),
            (lambda w: decoded_crops(self.manifest, w, self.decoded), windows[:BATCH]),
            (
                lambda w: float_crops(self.padded_sar, self.padded_optical, w, self.floats),
                windows[:100],
            ),
        ]
        self.compare(windows[:BATCH], [cut for cut, _ in sides])
        rates = [[rate(cut, some) for cut, some in sides] for _ in range(options.rounds)]
        fast, planes, copied, decoding, converting = (
            statistics.median(column) for column in zip(*rates, strict=True)
        )
        ratios = [
            statistics.median(r[0] / r[other] for r in rates) for other in range(1, len(sides))
        ]
        sys.stdout.write(
            f"{kind}: ssl4sar {fast:,.0f} crops/s/core (goal {GOAL_PER_S:,}); "
            f"decoding each time {decoding:,.1f} ({ratios[2]:,.0f}x); "
            f"mirrored copies as floats {converting:,.0f} ({ratios[3]:.1f}x); "
            f"a plane per channel {planes:,.0f} ({ratios[0]:.2f}x); "
            f"copies in one piece {copied:,.0f} ({ratios[1]:.2f}x); identical pixels\n"
        )
        return fast >= GOAL_PER_S

    def compare(self, few: list[Window], cuts: list[Callable[[list[Window]], None]]) -> None:
        """Cut the same windows by all sides.

        Raises:
            AssertionError: the sides cut different pixels.
        """
        for cut in cuts:
            cut(few)
        for slot, (_, _, _, side) in enumerate(few):
            window = (slot, slice(side), slice(side))
            ours = np.dstack((self.ours.sar[window], self.ours.optical[window]))
            decoded = np.dstack((self.decoded.sar[window], self.decoded.optical[window]))
            planes = np.concatenate((self.by_plane[0][slot, None], self.by_plane[1][slot]))[
                :, :side, :side
            ]
            floats = np.rint(self.floats[slot, :, :side, :side] * 255)
            others = (decoded, planes.transpose(1, 2, 0), floats.transpose(1, 2, 0))
            if not all(np.array_equal(ours, other) for other in others):
                raise AssertionError("the sides cut different pixels")


if __name__ == "__main__":
    sys.exit(main())
