"""Cost of the evaluation beside a naive reading of its rules, in one run.

The naive reading takes every rule literally: one full-image comparison per connected component,
the full matrix of pairwise distances, and one pass over the image per class and measure. Both
sides get the same noisy mask and must give identical masks and numbers.

    python benchmarks/evaluation.py [--size 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.core.seeding import generator
from ssl4sar.core.zones import CLASS_COUNT, GLACIER, NA, OCEAN, ROCK
from ssl4sar.metrics.distances import front_distances
from ssl4sar.metrics.fronts import MINIMUM_LENGTH_M, ExtractedFront, extract_front
from ssl4sar.metrics.segmentation import MEASURES, ClassScores, confusion_matrix

RESOLUTION_M = 7
GOAL = 30.0
EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Outcome:
    """Everything that both sides must agree on."""

    extracted: ExtractedFront
    distances_m: NDArray[np.float64]
    measures: NDArray[np.float64]


def noisy_scene(size_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a true zone mask and a prediction full of specks, both (size, size) class ids."""
    rng = generator(0, "benchmark", size_px)
    rows, columns = np.mgrid[:size_px, :size_px] / size_px
    coast = 0.5 + 0.1 * np.sin(9 * rows) + 0.03 * np.sin(40 * rows)
    truth = np.where(columns > coast, OCEAN, GLACIER).astype(np.uint8)
    truth[np.abs(rows - 0.5) > 0.35] = ROCK
    truth[(rows < 0.1) & (columns > 0.8)] = NA
    wave = ndimage.gaussian_filter(rng.normal(size=truth.shape), size_px / 60)
    shifted = columns > coast + 0.02 + 0.4 * wave / wave.std() / 20
    predicted = np.where(
        (truth == GLACIER) | (truth == OCEAN), np.where(shifted, OCEAN, GLACIER), truth
    ).astype(np.uint8)
    specks = ndimage.gaussian_filter(rng.normal(size=truth.shape), 2.0)
    specks = specks > np.quantile(specks, 0.985)
    predicted[specks & (predicted == OCEAN)] = GLACIER
    predicted[specks & (predicted == GLACIER) & (columns < coast - 0.05)] = OCEAN
    return truth, predicted


def naive(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], box: tuple[slice, slice]
) -> Outcome:
    """Score literally: loops over components, pairwise distances, a pass per measure."""
    zones = predicted.copy()
    _keep_largest(zones, zones != OCEAN, OCEAN)
    _keep_largest(zones, zones == OCEAN, GLACIER)
    glacier = np.pad(zones == GLACIER, 1)
    beside = glacier[:-2, 1:-1] | glacier[2:, 1:-1] | glacier[1:-1, :-2] | glacier[1:-1, 2:]
    front = (zones == OCEAN) & beside
    labels, count = ndimage.label(front, EIGHT)
    for label in range(1, count + 1):
        piece = labels == label
        if piece.sum() < MINIMUM_LENGTH_M / RESOLUTION_M:
            front[piece] = False
    boxed = np.zeros_like(front)
    boxed[box] = front[box]
    true_front = extract_front(truth, RESOLUTION_M, box).front
    start, end = np.argwhere(boxed).astype(float), np.argwhere(true_front).astype(float)
    matrix = np.sqrt(((start[:, None, :] - end[None, :, :]) ** 2).sum(axis=2))
    distances_m = np.concatenate([matrix.min(axis=1), matrix.min(axis=0)]) * RESOLUTION_M
    measures = np.array([_measure_pass(name, truth, predicted) for name in MEASURES])
    return Outcome(ExtractedFront(zones, front, boxed), distances_m, measures)


def _keep_largest(zones: NDArray[np.uint8], mask: NDArray[np.bool_], replacement: int) -> None:
    labels, count = ndimage.label(mask, EIGHT)
    sizes = [int((labels == label).sum()) for label in range(1, count + 1)]
    largest = sizes.index(max(sizes)) + 1
    zones[mask & (labels != largest)] = replacement


def _measure_pass(name: str, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> list[float]:
    values = []
    for zone in range(CLASS_COUNT):
        hits = int(((truth == zone) & (predicted == zone)).sum())
        missed = int(((truth == zone) & (predicted != zone)).sum())
        wrong = int(((truth != zone) & (predicted == zone)).sum())
        below = {
            "precision": hits + wrong,
            "recall": hits + missed,
            "f1": 2 * hits + missed + wrong,
            "iou": hits + missed + wrong,
        }[name]
        values.append((2 * hits if name == "f1" else hits) / below)
    return values


def ours(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], box: tuple[slice, slice]
) -> Outcome:
    """Score with the functions of the package."""
    extracted = extract_front(predicted, RESOLUTION_M, box)
    true_front = extract_front(truth, RESOLUTION_M, box).front
    distances = front_distances(extracted.front, true_front, RESOLUTION_M)
    if distances is None:
        raise ValueError("the benchmark scene has no front")
    scores = ClassScores.of(confusion_matrix(truth, predicted))
    measures = np.array([scores.measure(name) for name in MEASURES])
    return Outcome(extracted, distances.all_m, measures)


def timed(work: Callable[[], Outcome]) -> tuple[float, Outcome]:
    """Return the CPU seconds of ``work`` and its outcome."""
    start = time.process_time()
    outcome = work()
    return time.process_time() - start, outcome


def require_identical(one: Outcome, other: Outcome) -> None:
    """Compare every mask and number of both sides, bit for bit.

    Raises:
        AssertionError: they differ.
    """
    np.testing.assert_array_equal(one.extracted.zones, other.extracted.zones)
    np.testing.assert_array_equal(one.extracted.front_raw, other.extracted.front_raw)
    np.testing.assert_array_equal(one.extracted.front, other.extracted.front)
    np.testing.assert_array_equal(one.distances_m, other.distances_m)
    np.testing.assert_array_equal(one.measures, other.measures)


def main() -> int:
    """Run the comparison and print it; fail when the goal of the ratio is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2000, help="side of the mask, pixels")
    parser.add_argument("--rounds", type=int, default=3, help="both sides run once per round")
    options = parser.parse_args()
    truth, predicted = noisy_scene(options.size)
    box = (slice(options.size // 20, options.size), slice(0, options.size - options.size // 20))
    pieces = (
        ndimage.label(predicted != OCEAN, EIGHT)[1] + ndimage.label(predicted == OCEAN, EIGHT)[1]
    )
    sys.stdout.write(f"{options.size}x{options.size} px, {pieces} pieces of land and ocean\n")
    ratios, ours_s, naive_s = [], [], []
    for _ in range(options.rounds):
        fast_s, fast = timed(lambda: ours(truth, predicted, box))
        slow_s, slow = timed(lambda: naive(truth, predicted, box))
        require_identical(slow, fast)
        ours_s.append(fast_s)
        naive_s.append(slow_s)
        ratios.append(slow_s / fast_s)
    ratio = statistics.median(ratios)
    sys.stdout.write(
        f"front {int(fast.extracted.front.sum())} px, {fast.distances_m.size} distances, "
        f"MDE {fast.distances_m.mean():.3f} m\n"
        f"naive {statistics.median(naive_s):.3f} s CPU, ssl4sar {statistics.median(ours_s):.3f} s "
        f"CPU, ratio {ratio:.0f}x (goal {GOAL:.0f}x), identical masks and numbers\n"
    )
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
