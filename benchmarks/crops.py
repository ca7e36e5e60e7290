"""Training crops per second and core beside two naive readings, in one run.

A crop is a window of image and zones in a batch buffer. Naive A decodes both PNGs, mirrors the
border and cuts; naive B keeps mirrored copies in memory and turns each crop into floats, as a
loader that hands out tensors does. All sides cut the same windows and must agree in every pixel.

    python benchmarks/crops.py [--scenes 8] [--crops 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import classes_from_greys
from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.flat_arrays import reflect_crop
from ssl4sar.dataset.store import Store

HEIGHT_PX, WIDTH_PX, SIDE_PX = 1500, 1300, 512
BATCH = 16
GOAL_PER_S = 15_000
#: How far a window may reach beyond the border, as a share of its side.
REACH = {"inside the image": 0.0, "up to a quarter beyond": 0.25}

Window = tuple[int, int, int]
Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def write_tree(root: Path, scenes: int) -> CaffeTree:
    """Write scenes with speckle, which is as hard to decode as real SAR images."""
    tree = CaffeTree(root)
    for index in range(scenes):
        name = f"JAC_2010-01-{index + 1:02}_TSX_7_1_001"
        rng = generator(0, "crops", index)
        image = np.clip(rng.gamma(3.0, 30.0, (HEIGHT_PX, WIDTH_PX)), 0, 255).astype(np.uint8)
        zones = np.full(image.shape, 127, np.uint8)
        zones[:, WIDTH_PX // 2 + 40 * index :] = 254
        zones[:200] = 64
        write_gray(tree.sar("train", name), image)
        write_gray(tree.zones("train", name), zones)
        BoundingBox(0.0, WIDTH_PX, 0.0, HEIGHT_PX).write(tree.box(name))
    return tree


def draw_windows(scenes: int, crops: int, reach: float) -> list[Window]:
    """Return (scene, row, column) of random windows."""
    rng = generator(1, "windows", scenes, crops, str(reach))
    beyond = int(reach * SIDE_PX)
    rows = rng.integers(-beyond, HEIGHT_PX - SIDE_PX + beyond + 1, crops)
    columns = rng.integers(-beyond, WIDTH_PX - SIDE_PX + beyond + 1, crops)
    numbers = rng.integers(0, scenes, crops)
    return list(zip(numbers.tolist(), rows.tolist(), columns.tolist(), strict=True))


def cut_mirrored(array: NDArray[np.uint8], row: int, column: int) -> NDArray[np.uint8]:
    """Cut a window out of an image that is mirrored by a whole window on every side."""
    row, column = row + SIDE_PX, column + SIDE_PX
    return array[row : row + SIDE_PX, column : column + SIDE_PX]


def mirrored(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with a mirrored border of one window."""
    return np.pad(array, SIDE_PX, mode="symmetric")


def store_crops(store: Store, windows: list[Window], batch: Batch) -> None:
    """Cut windows out of the memory-mapped store."""
    for place, (number, row, column) in enumerate(windows):
        slot = place % BATCH
        reflect_crop(store.image(number), row, column, SIDE_PX, SIDE_PX, batch[0][slot])
        reflect_crop(store.zones(number), row, column, SIDE_PX, SIDE_PX, batch[1][slot])


def decoded_crops(tree: CaffeTree, names: list[str], windows: list[Window], batch: Batch) -> None:
    """Naive A: decode and mirror for every crop."""
    for place, (number, row, column) in enumerate(windows):
        zones_path = tree.zones("train", names[number])
        image = mirrored(read_gray(tree.sar("train", names[number])))
        zones = mirrored(classes_from_greys(read_gray(zones_path), zones_path))
        batch[0][place % BATCH] = cut_mirrored(image, row, column)
        batch[1][place % BATCH] = cut_mirrored(zones, row, column)


def float_crops(
    images: list[NDArray[np.uint8]],
    zones: list[NDArray[np.uint8]],
    windows: list[Window],
    batch: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    """Naive B: mirrored copies in memory, greys as floats in [0, 1], labels as 64-bit integers."""
    for place, (number, row, column) in enumerate(windows):
        image = cut_mirrored(images[number], row, column)
        batch[0][place % BATCH] = image.astype(np.float32) / 255
        batch[1][place % BATCH] = cut_mirrored(zones[number], row, column).astype(np.int64)


def rate(cut: Callable[[list[Window]], None], windows: list[Window]) -> float:
    """Return crops per second of CPU time, which other load on the machine does not change."""
    start = time.process_time()
    cut(windows)
    return len(windows) / (time.process_time() - start)


def main() -> int:
    """Measure and print; return 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8, help="scenes in the store")
    parser.add_argument("--crops", type=int, default=2000, help="crops per round")
    parser.add_argument("--rounds", type=int, default=3, help="all sides run once per round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = write_tree(Path(folder) / "tree", options.scenes)
        names = tree.names("train")
        build_store(tree, names, [], Path(folder) / "store")
        store = Store.open(Path(folder) / "store")
        good = [measure(tree, names, store, reach, options) for reach in REACH]
    return 0 if all(good) else 1


def measure(
    tree: CaffeTree, names: list[str], store: Store, reach: str, options: argparse.Namespace
) -> bool:
    """Print the rates for one kind of window; return whether the goal is reached."""
    images = [mirrored(store.image(number)) for number in range(len(store))]
    zones = [mirrored(store.zones(number)) for number in range(len(store))]
    shape = (BATCH, SIDE_PX, SIDE_PX)
    ours = (np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    naive = (np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    floats = (np.zeros(shape, np.float32), np.zeros(shape, np.int64))
    windows = draw_windows(options.scenes, options.crops, REACH[reach])
    few = windows[:BATCH]

    store_crops(store, few, ours)
    decoded_crops(tree, names, few, naive)
    float_crops(images, zones, few, floats)
    for side in (naive, (np.rint(floats[0] * 255), floats[1])):
        if not all(np.array_equal(a, b) for a, b in zip(ours, side, strict=True)):
            raise AssertionError("the sides cut different pixels")

    rates: list[tuple[float, float, float]] = []
    for _ in range(options.rounds):
        rates.append(
            (
                rate(lambda w: store_crops(store, w, ours), windows),
                rate(lambda w: decoded_crops(tree, names, w, naive), few),
                rate(lambda w: float_crops(images, zones, w, floats), windows[:200]),
            )
        )
    fast, decoding, converting = (statistics.median(column) for column in zip(*rates, strict=True))
    by_decoding = statistics.median(r[0] / r[1] for r in rates)
    by_floats = statistics.median(r[0] / r[2] for r in rates)
    sys.stdout.write(
        f"{SIDE_PX} px windows {reach}: ssl4sar {fast:,.0f} crops/s/core (goal {GOAL_PER_S:,}); "
        f"decoding each time {decoding:,.0f} ({by_decoding:,.0f}x); "
        f"mirrored copies as floats {converting:,.0f} ({by_floats:.1f}x); identical pixels\n"
    )
    return fast >= GOAL_PER_S


if __name__ == "__main__":
    sys.exit(main())
