from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.manifest import (
    Source,
    TreeManifest,
    build_manifest,
)
from ssl4sar.dataset.official import NATIVE_SIZES_PX
from ssl4sar.dataset.validation import validate_tree


def test_a_manifest_survives_writing_and_reading(tiny_caffe: Path, tmp_path: Path) -> None:
    report = validate_tree(tiny_caffe)
    manifest = build_manifest(
        tiny_caffe, "local", None, report.scenes, report.sizes_px, report.files
    )
    manifest.write(tmp_path / "m.json")
    again = TreeManifest.read(tmp_path / "m.json")
    assert again == manifest
    assert again.tree.names("train") == again.scenes["train"]
    assert not again.synthetic
    assert not again.comparable_with_published


def test_a_manifest_moves_with_its_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one" / "runs" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    build_manifest("runs/a/tree", "local", 20, {"train": [], "test": []}, {}, {}).write(
        "runs/a/tree.json"
    )
    assert TreeManifest.read("runs/a/tree.json").root == "runs/a/tree"
    moved = (tmp_path / "one" / "runs").rename(tmp_path / "two")
    assert TreeManifest.read(moved / "a" / "tree.json").root == str(tmp_path / "two/a/tree")
    # As a shared cache serves it: the link decides, not the place it leads to.
    link = tmp_path / "other" / "tree.json"
    link.parent.mkdir()
    link.symlink_to(moved / "a" / "tree.json")
    assert TreeManifest.read(link).root == str(tmp_path / "other" / "tree")


@pytest.mark.parametrize(
    ("source", "spacing_m", "comparable"),
    [
        ("pangaea", None, True),
        ("local", None, True),
        ("synthetic", None, False),
        ("pangaea", 20, False),
    ],
)
def test_only_the_official_native_test_set_is_comparable(
    test_data: Path, source: Source, spacing_m: int | None, comparable: bool
) -> None:
    names = (test_data / "splits/caffe_official_test_122.txt").read_text().split()
    parts = {name: name.split("_") for name in names}
    sizes = {n: NATIVE_SIZES_PX.get((p[0], int(p[3])), (470, 440)) for n, p in parts.items()}
    manifest = build_manifest("r", source, spacing_m, {"train": [], "test": names}, sizes, {})
    assert manifest.comparable_with_published is comparable
    fewer = build_manifest("r", source, spacing_m, {"train": [], "test": names[1:]}, sizes, {})
    assert not fewer.comparable_with_published


def test_bad_manifests_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with pytest.raises(UserError, match=r"m\.json: the manifest of a CaFFe tree is missing"):
        TreeManifest.read(path)
    values = {"schema": "ssl4sar.caffe-tree/2", "files": {}, "root": "x"}
    for text in ("{", json.dumps({"schema": "other/1"}), json.dumps(values)):
        path.write_text(text)
        with pytest.raises(UserError, match=r"m\.json: this is not a valid manifest of a CaFFe"):
            TreeManifest.read(path)
