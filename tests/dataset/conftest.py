"""Tiny datasets that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pair_folder import PairFolder, write_pairs

from ssl4sar.core.caffe_layout import CaffeTree


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
