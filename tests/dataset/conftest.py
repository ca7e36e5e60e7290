"""Tiny datasets that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pair_folder import PairFolder, write_pairs

from ssl4sar.core.caffe_layout import CaffeTree
from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs


@pytest.fixture
def own_tree(tiny_caffe: Path, tmp_path: Path) -> CaffeTree:
    """A copy of the tiny tree."""
    root = tmp_path / "own" / "data_raw"
    shutil.copytree(tiny_caffe, root)
    return CaffeTree(root)


@pytest.fixture
def pairs(tmp_path: Path) -> PairFolder:
    """A tiny pretraining dataset that a test may spoil."""
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def manifest(pairs: PairFolder) -> PairManifest:
    report = validate_pairs(pairs.root, PairRules("synthetic", ("b",), allow_test_glaciers=True))
    return report.checked_manifest("report.json")


@pytest.fixture
def built_pairs(manifest: PairManifest, tmp_path: Path) -> Path:
    build_pair_store(manifest, "maximum", tmp_path / "store")
    return tmp_path / "store"
