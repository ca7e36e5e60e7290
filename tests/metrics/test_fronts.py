"""Zones to front: hand-made masks, a slow reading of the rules, and symmetries."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssl4sar.core.zones import GLACIER, NA, OCEAN, ROCK
from ssl4sar.metrics.fronts import (
    drop_short_pieces,
    extract_front,
    fill_and_choose_ocean,
)

G, O, R, N = GLACIER, OCEAN, ROCK, NA  # noqa: E741
# With 750 m pixels a single front pixel is long enough: the length rule does nothing.
NO_THRESHOLD_M = 750


def pieces(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """8-connected pieces in reading order of their first pixel, by a plain flood fill."""
    seen = np.zeros_like(mask)
    found = []
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        queue, piece = deque([start]), []
        while queue:
            row, column = queue.popleft()
            piece.append((row, column))
            for r in range(max(row - 1, 0), min(row + 2, mask.shape[0])):
                for c in range(max(column - 1, 0), min(column + 2, mask.shape[1])):
                    if mask[r, c] and not seen[r, c]:
                        seen[r, c] = True
                        queue.append((r, c))
        found.append(piece)
    return found


def largest_only(zones: np.ndarray, *, land: bool) -> tuple[np.ndarray, list[int]]:
    """The zones with one piece of land (or ocean) left, and the sizes of all its pieces."""
    found = pieces((zones != OCEAN) == land)
    sizes = [len(piece) for piece in found]
    zones = zones.copy()
    for index, piece in enumerate(found):
        for place in piece if index != sizes.index(max(sizes)) else ():
            zones[place] = OCEAN if land else GLACIER
    return zones, sizes


def slow_reading(zones: np.ndarray, resolution_m: int) -> tuple[np.ndarray, np.ndarray]:
    zones = largest_only(largest_only(zones, land=True)[0], land=False)[0]
    front = np.zeros(zones.shape, bool)
    for row in range(zones.shape[0]):
        for column in range(zones.shape[1]):
            for r, c in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                inside = 0 <= r < zones.shape[0] and 0 <= c < zones.shape[1]
                if inside and zones[row, column] == OCEAN and zones[r, c] == GLACIER:
                    front[row, column] = True
    for piece in pieces(front):
        for place in piece if len(piece) < 750 / resolution_m else ():
            front[place] = False
    return zones, front


masks = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([NA, ROCK, GLACIER, OCEAN, OCEAN]),
)


@settings(max_examples=60)
@given(masks, st.sampled_from([100, 200, 375, 750]))
def test_equals_the_slow_reading_with_all_ties(zones: np.ndarray, resolution_m: int) -> None:
    expected_zones, expected_front = slow_reading(zones, resolution_m)
    extracted = extract_front(zones, resolution_m)
    np.testing.assert_array_equal(extracted.zones, expected_zones)
    np.testing.assert_array_equal(extracted.front, expected_front)


@pytest.mark.parametrize("density", [0.05, 0.5])
def test_equals_the_slow_reading_on_a_noisy_scene(density: float) -> None:
    rng = np.random.default_rng(int(density * 100))
    zones = np.where(np.arange(70) > 35, OCEAN, GLACIER) * np.ones((60, 1), int)
    specks = rng.random(zones.shape) < density
    zones[specks] = rng.integers(0, 4, int(specks.sum()))
    expected_zones, expected_front = slow_reading(zones.astype(np.uint8), 100)
    extracted = extract_front(zones.astype(np.uint8), 100)
    np.testing.assert_array_equal(extracted.zones, expected_zones)
    np.testing.assert_array_equal(extracted.front, expected_front)


@pytest.mark.parametrize("zone", [NA, ROCK, GLACIER, OCEAN])
def test_one_zone_alone_has_no_front(zone: int) -> None:
    zones = np.full((5, 7), zone, np.uint8)
    extracted = extract_front(zones, NO_THRESHOLD_M, (slice(0, 5), slice(0, 7)))
    assert not extracted.exists
    assert not extracted.front_raw.any()
    np.testing.assert_array_equal(extracted.zones, zones)


def test_islands_become_ocean_and_lakes_become_glacier() -> None:
    zones = np.array(
        [
            [G, G, G, O, O, O],
            [G, O, G, O, R, O],
            [G, G, G, O, O, O],
        ],
        np.uint8,
    )
    filled = fill_and_choose_ocean(zones)
    assert filled[1, 1] == GLACIER
    assert filled[1, 4] == OCEAN
    assert (filled == GLACIER).sum() == 9


def test_equal_pieces_keep_the_first_in_reading_order() -> None:
    zones = np.array([[O, O, G, O, O], [O, O, G, O, O]], np.uint8)
    np.testing.assert_array_equal(fill_and_choose_ocean(zones), [[O, O, G, G, G], [O, O, G, G, G]])


def test_diagonal_pixels_are_connected() -> None:
    zones = np.array([[G, O, O], [O, G, O], [O, O, O]], np.uint8)
    assert (fill_and_choose_ocean(zones) == GLACIER).sum() == 2


@pytest.mark.parametrize(
    ("resolution_m", "kept_px"), [(20, 38), (17, 45), (12, 63), (7, 108), (6, 125)]
)
def test_smallest_kept_length(resolution_m: int, kept_px: int) -> None:
    front = np.zeros((4, 300), bool)
    front[0, :kept_px] = True
    front[2, : kept_px - 1] = True
    kept = drop_short_pieces(front, resolution_m)
    assert kept[0].sum() == kept_px
    assert not kept[2].any()


def test_pieces_cut_by_the_box_are_not_checked_again() -> None:
    zones = np.where(np.arange(20) > 9, OCEAN, GLACIER).astype(np.uint8) * np.ones(
        (60, 1), np.uint8
    )
    extracted = extract_front(zones, 20, (slice(50, 60), slice(0, 20)))
    assert extracted.front_raw.sum() == 60
    assert extracted.front.sum() == 10


def test_input_is_not_changed() -> None:
    zones = np.array([[G, O, R], [G, O, O], [O, O, G]], np.uint8)
    before = zones.copy()
    extract_front(zones, NO_THRESHOLD_M, (slice(0, 2), slice(0, 2)))
    np.testing.assert_array_equal(zones, before)


def no_tie(zones: np.ndarray) -> bool:
    """Whether no two pieces compete for being the largest."""
    filled, land = largest_only(zones, land=True)
    ocean = largest_only(filled, land=False)[1]
    return all(sizes.count(max(sizes)) == 1 for sizes in (land, ocean) if sizes)


@given(masks.filter(no_tie), st.integers(1, 3), st.booleans())
def test_turning_and_mirroring_the_scene_turns_the_front(
    zones: np.ndarray, quarter_turns: int, mirror: bool
) -> None:
    def move(mask: np.ndarray) -> np.ndarray:
        return np.rot90(mask[:, ::-1] if mirror else mask, quarter_turns)

    upright = extract_front(zones, 200)
    turned = extract_front(np.ascontiguousarray(move(zones)), 200)
    np.testing.assert_array_equal(turned.zones, move(upright.zones))
    np.testing.assert_array_equal(turned.front, move(upright.front))


@given(masks)
def test_extraction_repeated_on_its_own_zones_changes_nothing(zones: np.ndarray) -> None:
    once = extract_front(zones, 200)
    twice = extract_front(once.zones, 200)
    np.testing.assert_array_equal(twice.zones, once.zones)
    np.testing.assert_array_equal(twice.front, once.front)
