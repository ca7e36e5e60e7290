from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from pair_folder import PairFolder, write_pairs

from ssl4sar.core.errors import UserError
from ssl4sar.workflow import fingerprint
from ssl4sar.workflow.fingerprint import folder_fingerprint, pair_fingerprint


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "above" / "tree"
    for folder in ("sar_images/train", "sar_images/test", "zones/train", "bounding_boxes"):
        (root / folder).mkdir(parents=True)
    (root / "zones/train/a.png").write_bytes(b"a")
    (root / "bounding_boxes/b.txt").write_bytes(b"b")
    return root


def test_content_counts_time_and_place_do_not(tree: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    before = folder_fingerprint(tree, memory)
    os.utime(tree / "bounding_boxes/b.txt", (1, 1))
    assert folder_fingerprint(tree, memory) == before
    moved = tree.rename(tmp_path / "moved")
    assert folder_fingerprint(moved, memory) == before
    box = moved / "bounding_boxes/b.txt"
    box.write_bytes(b"c")
    changed = folder_fingerprint(moved, memory)
    assert changed != before
    box.write_bytes(b"b")
    assert folder_fingerprint(moved, memory) == before
    box.rename(box.with_name("d.txt"))
    assert folder_fingerprint(moved, memory) not in {before, changed}


def test_only_the_tree_is_read(tree: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    before = folder_fingerprint(tree, memory)
    (tree / "films").mkdir()
    (tree / "films/long.mp4").write_bytes(b"film")
    (tree.parent / "archive.zip").write_bytes(b"zip")
    assert folder_fingerprint(tree, memory) == before
    assert folder_fingerprint(tree.parent, memory) == before
    for name in (".DS_Store", "._a.png", "Thumbs.db"):  # whoever looks at a folder leaves them
        (tree / "zones/train" / name).write_bytes(b"left behind")
    assert folder_fingerprint(tree, memory) == before
    assert "long.mp4" not in memory.read_text()
    assert "archive.zip" not in memory.read_text()


def test_linked_folders_are_followed(tree: Path, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    before = folder_fingerprint(tree, memory)
    (tree / "zones/train").rename(tmp_path / "elsewhere")
    (tree / "zones/train").symlink_to(tmp_path / "elsewhere")
    assert folder_fingerprint(tree, memory) == before
    (tmp_path / "elsewhere/a.png").write_bytes(b"other")
    assert folder_fingerprint(tree, memory) != before


def test_second_look_reads_no_file(tree: Path, tmp_path: Path, monkeypatch) -> None:
    memory = tmp_path / "memory.json"
    first = folder_fingerprint(tree, memory)

    def fail(path: Path) -> str:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(fingerprint, "sha256_file", fail)
    assert folder_fingerprint(tree, memory) == first


def test_much_hashing_is_reported_and_none_is_silent(
    tree: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    folder_fingerprint(tree, tmp_path / "few.json")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(fingerprint, "_MANY_BYTES", 2)
    folder_fingerprint(tree, tmp_path / "many.json")
    assert "hashing" in capsys.readouterr().err
    folder_fingerprint(tree, tmp_path / "many.json")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_memory_is_only_slower(tree: Path, tmp_path: Path, damage: str) -> None:
    memory = tmp_path / "memory.json"
    first = folder_fingerprint(tree, memory)
    memory.write_text(damage)
    assert folder_fingerprint(tree, memory) == first


def test_folders_without_a_tree_are_reported(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UserError, match=r"caffe\.root: .*/no: the folder does not exist"):
        folder_fingerprint(tmp_path / "no", tmp_path / "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: there is no CaFFe tree"):
        folder_fingerprint(tmp_path / "empty", tmp_path / "m")
    (tmp_path / "empty/sar_images/train").mkdir(parents=True)
    with pytest.raises(UserError, match="empty: the tree holds no file"):
        folder_fingerprint(tmp_path / "empty", tmp_path / "m")


def test_a_relative_folder_is_reported_with_its_absolute_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        folder_fingerprint("data/raw", tmp_path / "m")
    told = str(caught.value)
    assert "data/raw: " in told
    assert str(tmp_path.resolve() / "data/raw") in told


@pytest.fixture
def pairs(tmp_path: Path) -> PairFolder:
    return write_pairs(tmp_path / "pairs")


def test_pairs_are_tracked_by_their_content_alone(pairs: PairFolder, tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    first = pair_fingerprint(pairs.root, memory)
    image = pairs.root / pairs.train / "S1_A_20200703_014.png"
    os.utime(image, (1, 1))
    (pairs.root / "README.txt").write_text("beside the layout")
    (pairs.root / pairs.train / ".DS_Store").write_bytes(b"left behind")
    shutil.copytree(pairs.root, tmp_path / "moved")
    assert pair_fingerprint(pairs.root, memory) == first
    assert pair_fingerprint(tmp_path / "moved", tmp_path / "other.json") == first
    for file in (image, pairs.root / "dataset.json", pairs.root / pairs.optical / "A.tif"):
        file.write_bytes(b"other")
        after = pair_fingerprint(pairs.root, memory)
        assert after != first
        first = after


def test_what_is_not_a_dataset_of_pairs_is_reported_with_its_key(tmp_path: Path) -> None:
    told = f"ssl4sar.root: {tmp_path}: the folders are missing: unlabeled_data_raw_train"
    with pytest.raises(UserError, match=re.escape(told)):
        pair_fingerprint(tmp_path, tmp_path / "memory.json")
    for folder in ("unlabeled_data_raw_train", "unlabeled_data_raw_val", "data_optical"):
        (tmp_path / folder).mkdir()
    with pytest.raises(UserError, match="the dataset holds no file"):
        pair_fingerprint(tmp_path, tmp_path / "memory.json")
