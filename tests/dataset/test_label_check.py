"""Zones and front of a scene are compared with each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ssl4sar.core.caffe_layout import SPLITS, CaffeTree
from ssl4sar.core.zones import GLACIER, NA, OCEAN, ROCK, ocean_beside_glacier
from ssl4sar.dataset.label_check import LabelFault, label_fault
from ssl4sar.evaluate.scoring import LabelFolders


def bay(height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Zones with rock above and below a glacier, ocean to the right, and their front."""
    zones = np.full((height, width), GLACIER, np.uint8)
    zones[:, width // 2 :] = OCEAN
    zones[: height // 4] = ROCK
    zones[-height // 8 :] = ROCK
    return zones, ocean_beside_glacier(zones)


def test_labels_that_belong_together() -> None:
    zones, front = bay()
    assert label_fault(zones, front, 20) is None
    assert label_fault(zones, np.zeros_like(front), 20) is None


@pytest.mark.slow
def test_every_real_label_passes(test_data: Path) -> None:
    tree = CaffeTree(test_data / "caffe80" / "data_raw")
    folders = [LabelFolders.of_tree(tree, split) for split in SPLITS] + [
        LabelFolders(*(test_data / "golden" / f for f in ("zones", "fronts", "bounding_boxes")))
    ]
    count = 0
    for labels in folders:
        for name in labels.names():
            scene = labels.read(name)
            arguments = (scene.zones, scene.front, scene.name.resolution_m)
            assert label_fault(*arguments) is None, name
            assert refused(label_fault(scene.zones, ~scene.front, scene.name.resolution_m)), name
            count += 1
    assert count == 501


def refused(fault: LabelFault | None) -> bool:
    return fault is not None and fault.impossible


def swapped(zones: np.ndarray, one: int, other: int) -> np.ndarray:
    table = np.arange(4, dtype=np.uint8)
    table[[one, other]] = other, one
    return table[zones]


@pytest.mark.parametrize(
    ("one", "other"), [(ROCK, GLACIER), (ROCK, OCEAN), (NA, OCEAN), (NA, GLACIER)]
)
def test_swapped_zones_are_refused(one: int, other: int) -> None:
    zones, front = bay()
    assert refused(label_fault(swapped(zones, one, other), front, 20))


@pytest.mark.parametrize(
    ("width_px", "impossible"), [(2, False), (3, False), (5, True), (11, True)]
)
def test_a_wide_front(width_px: int, impossible: bool) -> None:
    zones, front = bay()
    wide = ndimage.binary_dilation(front, np.ones((width_px, width_px)))
    fault = label_fault(zones, wide, 7)
    assert fault is not None
    assert fault.impossible == impossible


@pytest.mark.parametrize(
    ("resolution_m", "off_px", "expected"),
    [(7, 14, None), (7, 16, True), (20, 5, None), (20, 7, True), (80, 3, None), (80, 5, True)],
)
def test_a_front_of_another_scene_is_refused_and_another_annotator_is_not(
    resolution_m: int, off_px: int, expected: bool | None
) -> None:
    zones, front = bay()
    fault = label_fault(zones, np.roll(front, off_px, axis=1), resolution_m)
    assert (fault is None and expected is None) or (fault is not None and fault.impossible)


def test_the_share_decides_between_odd_and_impossible() -> None:
    zones, front = bay()
    moved = np.roll(front, 40, axis=1)
    rows = np.flatnonzero(front.any(axis=1))
    for share, impossible in ((0.2, False), (0.6, True)):
        last = rows[0] + round(share * len(rows))
        mixed = front.copy()
        mixed[:last] = moved[:last]
        fault = label_fault(zones, mixed, 20)
        assert fault is not None
        assert fault.impossible == impossible


def test_a_front_that_is_partly_in_shadow_or_at_the_border_passes() -> None:
    zones, front = bay()
    shadow = zones.copy()
    shadow[30:90] = NA
    assert label_fault(shadow, front, 20) is None
    rows = slice(40, 80)  # the front reaches from border to border
    assert label_fault(zones[rows], front[rows], 20) is None
    shadow[:] = NA
    assert refused(label_fault(shadow, front, 20))


def test_ocean_and_glacier_swapped_are_odd() -> None:
    zones, front = bay()
    fault = label_fault(swapped(zones, GLACIER, OCEAN), front, 20)
    assert fault is not None
    assert not fault.impossible
    assert "not swapped" in fault.fix
