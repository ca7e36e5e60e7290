from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.acquire.caffe import find_caffe_root
from ssl4sar.core.errors import UserError


def test_the_real_tree_is_found_from_above(test_data: Path) -> None:
    root = test_data / "caffe80" / "data_raw"
    assert find_caffe_root(root) == root
    assert find_caffe_root(root.parent) == root


@pytest.mark.parametrize("place", [".", "data_raw", "a/b/c/d"])
def test_the_tree_is_found_below_a_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / place / "sar_images").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "data_raw" / "sar_images").mkdir(parents=True)
    (tmp_path / ".cache" / "sar_images").mkdir(parents=True)
    assert find_caffe_root(tmp_path) == tmp_path / place


def test_folders_without_exactly_one_tree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: the folder does not exist"):
        find_caffe_root(tmp_path / "nowhere")
    with pytest.raises(UserError, match="there is no CaFFe tree"):
        find_caffe_root(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name / "sar_images").mkdir(parents=True)
    with pytest.raises(UserError, match=r"several CaFFe trees \(one, two\)"):
        find_caffe_root(tmp_path)
