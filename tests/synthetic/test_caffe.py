"""The rendered CaFFe tree: names, files, labels, seeds, difficulty."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ssl4sar.config.scene import SceneConfig
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import SPLITS, CaffeTree
from ssl4sar.core.gray_png import read_gray
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.scene_name import GLACIERS, TEST_GLACIERS, SceneName
from ssl4sar.core.zones import GLACIER, OCEAN, ROCK, classes_from_greys
from ssl4sar.synthetic.caffe import (
    OFFICIAL_COUNTS,
    front_pixels,
    plan_scenes,
    render_caffe,
    render_scene,
)
from ssl4sar.synthetic.sensors import SENSORS

TINY = SceneConfig(train_images=5, test_images=2, extent_km=3.0)


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256_file(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic")
    render_caffe(TINY, root)
    return CaffeTree(root)


@pytest.fixture(scope="module")
def scenes(tree):
    """Split, name, grey image, classes, front and box of every scene."""
    return [
        (
            split,
            SceneName.parse(name),
            read_gray(tree.sar(split, name)),
            classes_from_greys(read_gray(tree.zones(split, name)), name),
            read_gray(tree.front(split, name)),
            BoundingBox.read(tree.box(name)),
        )
        for split in SPLITS
        for name in tree.names(split)
    ]


def test_plan_has_the_wanted_counts_and_split():
    plans = plan_scenes(SceneConfig(train_images=40, test_images=12))
    assert Counter(plan.split for plan in plans) == {"train": 40, "test": 12}
    assert {plan.name.glacier for plan in plans} == set(GLACIERS)
    for plan in plans:
        assert (plan.split == "test") == (plan.name.glacier in TEST_GLACIERS)


@pytest.mark.parametrize("seed", range(2))
def test_plan_names_parse_and_are_in_the_mission_years(seed):
    plans = plan_scenes(SceneConfig(train_images=60, test_images=20, seed=seed))
    assert len({str(plan.name) for plan in plans}) == len(plans)
    for plan in plans:
        name = SceneName.parse(str(plan.name))
        assert name == plan.name
        assert (name.sensor, name.resolution_m) in OFFICIAL_COUNTS[name.glacier]
        assert SENSORS[name.sensor].first <= name.date <= SENSORS[name.sensor].last


def test_official_counts_add_up():
    split = Counter()
    for glacier, products in OFFICIAL_COUNTS.items():
        split["test" if glacier in TEST_GLACIERS else "train"] += sum(products.values())
    assert split == {"train": 559, "test": 122}


def test_tree_is_complete_and_says_that_it_is_synthetic(tree, scenes):
    assert len(scenes) == 7
    assert "SYNTHETIC" in (tree.root / "README.txt").read_text()
    for split, name, *_ in scenes:
        for path in (
            tree.sar(split, str(name)),
            tree.zones(split, str(name)),
            tree.front(split, str(name)),
        ):
            assert b"SYNTHETIC scene" in path.read_bytes()
    assert len(hashes(tree.root)) == 4 * len(scenes) + 1


def test_images_of_a_scene_share_the_size_of_the_area(scenes):
    sizes: dict[str, set[tuple[int, int]]] = {}
    for _, name, grey, zones, front, _ in scenes:
        assert grey.shape == zones.shape == front.shape
        sides_m = np.array(grey.shape) * name.resolution_m
        assert (sides_m > 0.78 * 3000).all()
        assert (sides_m < 1.22 * 3000).all()
        sizes.setdefault(name.glacier, set()).add(tuple(np.round(sides_m / 200)))
    assert all(len(found) == 1 for found in sizes.values())


def test_zones_hold_rock_glacier_and_ocean(scenes):
    for _, name, _, zones, _, _ in scenes:
        shares = np.bincount(zones.ravel(), minlength=4) / zones.size
        assert min(shares[[ROCK, GLACIER, OCEAN]]) > 0.01, name


def test_front_lies_on_ocean_beside_glacier_in_the_box(scenes):
    for _, name, _, zones, front, box in scenes:
        assert set(np.unique(front)) == {0, 255}
        rows, columns = np.nonzero(front)
        assert (zones[rows, columns] == OCEAN).all()
        padded = np.pad(zones == GLACIER, 1)
        near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        assert near[rows, columns].all()
        window = np.zeros(front.shape, bool)
        window[box.window(*front.shape, str(name))] = True
        assert window[rows, columns].all(), name


def test_true_zones_give_the_true_front(scenes):
    """The benchmark's rules, in a few independent lines, find the labelled front again."""
    neighbours = np.ones((3, 3))
    for _, name, _, zones, front, box in scenes:
        land, _ = ndimage.label(zones != OCEAN, neighbours)
        largest = np.bincount(land[land > 0]).argmax()
        water = land != largest
        sea, _ = ndimage.label(water, neighbours)
        water = sea == np.bincount(sea[sea > 0]).argmax()
        ice = ~water & ((zones == GLACIER) | (zones == OCEAN))
        edge = water & ndimage.binary_dilation(ice)
        pieces, count = ndimage.label(edge, neighbours)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        kept = np.isin(
            pieces, [i for i in range(1, count + 1) if sizes[i] * name.resolution_m >= 750]
        )
        found = np.zeros_like(kept)
        window = box.window(*front.shape, str(name))
        found[window] = kept[window]
        assert found.any(), name
        assert found.sum() * name.resolution_m >= 750
        true = front > 0
        distances = np.concatenate(
            [
                ndimage.distance_transform_edt(~true)[found],
                ndimage.distance_transform_edt(~found)[true],
            ]
        )
        assert distances.mean() < 1.0, name


@pytest.mark.slow
def test_same_seed_same_bytes_for_any_number_of_workers(tree, tmp_path):
    render_caffe(TINY, tmp_path, workers=2)
    assert hashes(tmp_path) == hashes(tree.root)


def test_scene_does_not_depend_on_the_scenes_before_it(tree, tmp_path):
    plan = plan_scenes(TINY)[-1]
    render_scene(TINY, plan, tmp_path)
    alone = hashes(tmp_path)
    assert len(alone) == 4
    assert alone.items() <= hashes(tree.root).items()


def brightness_auc(grey, zones):
    """Probability that a glacier pixel is brighter than an ocean pixel, ties one half."""
    ice = np.bincount(grey[zones == GLACIER], minlength=256) / (zones == GLACIER).sum()
    sea = np.bincount(grey[zones == OCEAN], minlength=256) / (zones == OCEAN).sum()
    return float((ice * (np.cumsum(sea) - sea / 2)).sum())


@pytest.mark.slow
def test_difficulty_makes_brightness_useless_but_keeps_the_labels(tmp_path):
    means, labels = [], []
    for difficulty in (0.0, 1.0, 2.0):
        config = SceneConfig(
            train_images=10, test_images=4, extent_km=3.0, difficulty=difficulty, seed=3
        )
        tree = CaffeTree(tmp_path / str(difficulty))
        values, zones_of = [], []
        for plan in plan_scenes(config):
            if plan.name.resolution_m < 12:
                continue
            render_scene(config, plan, tree.root)
            name = str(plan.name)
            zones = classes_from_greys(read_gray(tree.zones(plan.split, name)), name)
            auc = brightness_auc(read_gray(tree.sar(plan.split, name)), zones)
            values.append(max(auc, 1 - auc))
            zones_of.append(zones)
        means.append(np.mean(values))
        labels.append(zones_of)
    assert means[0] > 0.9
    assert means[0] > means[1] + 0.05
    assert means[1] > means[2]
    for easy, hard in zip(labels[0], labels[2], strict=True):
        np.testing.assert_array_equal(easy, hard)


def test_front_pixels_drop_short_pieces():
    zones = np.full((20, 40), OCEAN, np.uint8)
    zones[:5] = GLACIER
    zones[12, 20:23] = GLACIER
    front = front_pixels(zones, min_length_px=20)
    assert front[5].all()
    assert front.sum() == 40
    assert front_pixels(zones, min_length_px=2).sum() == 40 + 8
    assert not front_pixels(zones, min_length_px=100).any()
