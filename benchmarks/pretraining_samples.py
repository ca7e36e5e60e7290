"""Pairs for the pretraining per second and core, cut and resized, beside naive ways, in one run.

A pair is a window of a SAR image with the same window of 14 optical channels and their mask. Cut:
from memory-mapped uint8 arrays into one buffer; naive: from mirrored copies in memory into floats,
as a loader that hands out tensors does. Resized: as products with narrow bands of matrices; naive:
torch's own kernel. All sides give the same pixels.

    python benchmarks/pretraining_samples.py [--samples 400] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.core.seeding import generator
from ssl4sar.dataset.pair_store import DEPTH
from ssl4sar.train.loop.batches import BatchKey
from ssl4sar.train.loop.sampling import Window
from ssl4sar.train.pretext.pair_crops import PairBatch, PairDataset
from ssl4sar.train.pretext.pair_resize import pairs_on_device, resize_cubic
from ssl4sar.train.pretext.pair_sampling import PairDraw, PairSampleDrawer

SIDE_PX = 1433  # the published mean size of an image
INPUTS_PX = (128, 512)
BATCH = 4
GOAL_PER_S = 3_000
IMAGES = 4


class MappedPairs:
    """Random images in two memory-mapped files, as the store of pairs maps them."""

    def __init__(self, folder: Path) -> None:
        self._maps: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        self.scenes = [type("Scene", (), {"name": str(i)})() for i in range(IMAGES)]
        for number in range(IMAGES):
            random = generator(0, "pairs", number)
            arrays = []
            for kind, shape in (("sar", (SIDE_PX, SIDE_PX)), ("opt", (SIDE_PX, SIDE_PX, DEPTH))):
                pixels = random.integers(0, 256, shape, dtype=np.uint8)
                if kind == "opt":
                    pixels[..., -1] = 255
                path = folder / f"{kind}{number}"
                pixels.tofile(path)
                arrays.append(np.asarray(np.memmap(path, np.uint8, mode="r")).reshape(shape))
            self._maps.append((arrays[0], arrays[1]))

    def sar(self, number: int) -> NDArray[np.uint8]:
        """Return a SAR image."""
        return self._maps[number][0]

    def optical(self, number: int) -> NDArray[np.uint8]:
        """Return an optical image with its mask."""
        return self._maps[number][1]


class WholeWindows:
    """Draws windows of the size of the input within the image: nothing is mirrored."""

    def __init__(self, input_px: int) -> None:
        self.input_px = input_px

    def mask(self, epoch: int, index: int) -> None:
        """Mask nothing."""

    def draw(self, epoch: int, index: int) -> PairDraw:
        """Return a window that depends on the number of the sample."""
        random = generator(1, "windows", epoch, index)
        row, column = random.integers(0, SIDE_PX - self.input_px + 1, 2).tolist()
        return PairDraw(Window(index % IMAGES, row, column, self.input_px, self.input_px))


def cpu_s(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Return the CPU time of work on some items; nothing of it is kept."""
    start = time.process_time()
    for item in items:
        work(item)
    return time.process_time() - start


def keys(samples: int) -> list[BatchKey]:
    """Return the batches of an epoch."""
    return [BatchKey(0, tuple(range(i, i + BATCH))) for i in range(0, samples, BATCH)]


def naive_cut(
    padded: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]], draw: PairDraw
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut a window out of copies that are mirrored by half an image; floats, channels first."""
    window, margin = draw.window, SIDE_PX // 2
    rows = slice(window.row + margin, window.row + margin + window.height_px)
    columns = slice(window.column + margin, window.column + margin + window.width_px)
    sar, optical = padded[window.image]
    planes = np.ascontiguousarray(optical[rows, columns].transpose(2, 0, 1))
    return sar[rows, columns].astype(np.float32) / 255, planes.astype(np.float32) / 255


def measure_cuts(
    store: MappedPairs, name: str, dataset: PairDataset, options: argparse.Namespace
) -> bool:
    """Print the rates of cutting; return whether the goal is reached."""
    margin = ((SIDE_PX // 2, SIDE_PX // 2),) * 2
    padded = [
        (
            np.pad(store.sar(number), margin, mode="symmetric"),
            np.pad(store.optical(number), (*margin, (0, 0)), mode="symmetric"),
        )
        for number in range(IMAGES)
    ]
    for pair, draw in zip((batch := dataset[keys(BATCH)[0]]).pairs(), batch.draws, strict=True):
        sar, optical = naive_cut(padded, draw)
        if not (
            np.array_equal(np.rint(sar * 255), pair.sar.numpy())
            and np.array_equal(np.rint(optical * 255).transpose(1, 2, 0), pair.optical.numpy())
        ):
            raise AssertionError("the sides cut different pixels")
    draws = [dataset.drawer.draw(0, index) for index in range(options.samples)]
    few = draws[: options.samples // 10]
    fast, naive = [], []
    for _ in range(options.rounds):
        fast.append(options.samples / cpu_s(dataset.__getitem__, keys(options.samples)))
        naive.append(len(few) / cpu_s(lambda draw: naive_cut(padded, draw), few))
    ratio = statistics.median(f / n for f, n in zip(fast, naive, strict=True))
    sys.stdout.write(
        f"{name}: ssl4sar {statistics.median(fast):,.0f} pairs/s/core (goal {GOAL_PER_S:,}); "
        f"mirrored copies as floats {statistics.median(naive):,.0f} ({ratio:.0f}x); "
        "identical pixels\n"
    )
    return statistics.median(fast) >= GOAL_PER_S


def measure_resizing(batches: list[PairBatch], input_px: int, rounds: int) -> None:
    """Print the times of resizing."""
    planes = [
        torch.rand(DEPTH, draw.window.height_px, draw.window.width_px) * 255
        for batch in batches
        for draw in batch.draws
    ]
    out = torch.empty(DEPTH, input_px, input_px)
    size = (input_px, input_px)

    def by_torch(image: torch.Tensor) -> torch.Tensor:
        return interpolate(image[None], size, mode="bicubic", align_corners=False)[0]

    def by_bands(image: torch.Tensor) -> None:
        resize_cubic(image, out)

    by_bands(planes[-1])
    difference = float((out - by_torch(planes[-1])).abs().max())
    if difference > 1e-3:
        raise AssertionError("the sides give different pixels")
    times = [
        [cpu_s(work, planes) / len(planes) * 1e3 for work in (by_bands, by_torch)]
        for _ in range(rounds)
    ]
    bands, kernel = (statistics.median(column) for column in zip(*times, strict=True))
    whole = statistics.median(
        cpu_s(lambda batch: pairs_on_device(batch, input_px), batches) / len(planes) * 1e3
        for _ in range(rounds)
    )
    sys.stdout.write(
        f"{input_px} px resized: {bands:.2f} ms per pair on a core, torch's kernel {kernel:.2f} "
        f"({kernel / bands:.1f}x), apart by {difference:.0e} grey values; from bytes to input and "
        f"target {whole:.2f} ms\n"
    )


def main() -> int:
    """Measure and print; return 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=400, help="pairs per round")
    parser.add_argument("--rounds", type=int, default=3, help="all sides run once per round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        store = MappedPairs(Path(folder))
        for input_px in INPUTS_PX:
            drawer = PairSampleDrawer(
                [(SIDE_PX, SIDE_PX)] * IMAGES,
                input_px=input_px,
                config=OptTranslatorConfig(),
                seed=0,
            )
            drawn = PairDataset(store, range(IMAGES), drawer)
            whole = PairDataset(store, range(IMAGES), WholeWindows(input_px))
            good &= measure_cuts(store, f"{input_px} px windows inside the image", whole, options)
            good &= measure_cuts(store, f"{input_px} px, as drawn", drawn, options)
            batches = [drawn[key] for key in keys(40)]
            measure_resizing(batches, input_px, options.rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
