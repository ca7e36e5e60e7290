"""Tiny stores: zones with glacier left, ocean right, rock above, no data below; and pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pair_folder import write_pairs
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.zones import GLACIER, NA, OCEAN, ROCK, greys_from_classes
from ssl4sar.dataset.decoding import build_pair_store, build_store
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs
from ssl4sar.metrics.fronts import extract_front

RESOLUTION_M = 50
MEAN_GREYS = np.array([20, 200, 120, 60])
TRAIN = ("DBE_2011-01-01_TSX", "SI_2011-01-02_TSX", "DBE_2011-01-03_TSX", "SI_2011-01-04_TSX")
VALIDATION = ("DBE_2011-01-05_TSX", "JAC_2011-01-06_TSX")


def _write_scene(tree: CaffeTree, name: str, number: int) -> None:
    random = np.random.default_rng(number)
    height, width = 96, 96 + 10 * number
    zones = np.full((height, width), GLACIER, np.uint8)
    zones[:, width // 2 + number :] = OCEAN
    zones[:10] = ROCK
    zones[-10:] = NA
    image = np.clip(MEAN_GREYS[zones] + random.normal(0, 15, zones.shape), 0, 255)
    front = extract_front(zones, RESOLUTION_M).front
    write_gray(tree.sar("train", name), image.astype(np.uint8))
    write_gray(tree.zones("train", name), greys_from_classes(zones))
    write_gray(tree.front("train", name), front.astype(np.uint8) * 255)
    BoundingBox(0, width, 0, height).write(tree.box(name))


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store with four training and two validation scenes."""
    folder = tmp_path_factory.mktemp("tiny")
    tree = CaffeTree(folder / "tree")
    train, validation = (
        [f"{name}_{RESOLUTION_M}_1_001" for name in names] for names in (TRAIN, VALIDATION)
    )
    for number, name in enumerate((*train, *validation)):
        _write_scene(tree, name, number)
    build_store(tree, train, validation, folder / "store")
    return folder / "store"


@pytest.fixture
def convolved_in() -> Iterator[set[tuple[str, torch.dtype]]]:
    """The precisions in which convolutions really compute, by what the network is doing.

    Weights are stored in float32 whatever the recipe says, so they tell nothing.
    """
    seen: set[tuple[str, torch.dtype]] = set()

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(module, nn.Conv2d):
            seen.add(("training" if module.training else "validation", output.dtype))

    hook = register_module_forward_hook(note)
    yield seen
    hook.remove()


@dataclass(frozen=True)
class TinyPairs:
    """A tiny dataset for the pretraining, to be read only.

    Attributes:
        manifest: its manifest.
        store: folder of its store.
    """

    manifest: Path
    store: Path


@pytest.fixture(scope="session")
def tiny_pairs(tmp_path_factory: pytest.TempPathFactory) -> TinyPairs:
    """Three glaciers, six images to train on, two to validate on, a corner without data."""
    folder = tmp_path_factory.mktemp("tiny_pairs")
    write_pairs(folder / "pairs")
    rules = PairRules("synthetic", ("b",), allow_test_glaciers=True)
    manifest = validate_pairs(folder / "pairs", rules).checked_manifest("report.json")
    manifest.write(folder / "dataset.json")
    build_pair_store(manifest, "maximum", folder / "store")
    return TinyPairs(folder / "dataset.json", folder / "store")
