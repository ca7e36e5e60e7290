"""A tiny CaFFe tree that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ssl4sar.core.caffe_layout import CaffeTree


@pytest.fixture
def own_tree(tiny_caffe: Path, tmp_path: Path) -> CaffeTree:
    """A copy of the tiny tree."""
    root = tmp_path / "own" / "data_raw"
    shutil.copytree(tiny_caffe, root)
    return CaffeTree(root)
