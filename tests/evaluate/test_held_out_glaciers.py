"""`caffe.test_glaciers`: all images of some glaciers are the test split, wherever they are."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ssl4sar.config.loading import study_from
from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.caffe_layout import SPLITS
from ssl4sar.core.errors import UserError
from ssl4sar.core.scene_name import SceneName
from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.manifest import Source, TreeManifest, build_manifest
from ssl4sar.dataset.official import NATIVE_SIZES_PX
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.dataset.validation import validate_tree
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import dataset_of
from ssl4sar.evaluate.scoring import LabelFolders, score_folder
from ssl4sar.predict.tree import predict_tree
from ssl4sar.report.scene_view import read_view

#: One of the folder train and one of the folder test.
HELD_OUT = ["JAC", "COL"]
CONFIG = PredictionConfig(stride_px=16, centre_px=16, sigma_px=4.0)


class Bright(nn.Module):
    """Ocean where the image is bright, else glacier."""

    input_px = 16
    out_channels = 4

    def forward(self, image: Tensor) -> Tensor:
        zeros = image.new_zeros(len(image), 2, *image.shape[-2:])
        return torch.cat([zeros - 9, -image, image - 1], 1)


def manifest_of(root: Path, test_glaciers: list[str] | None) -> TreeManifest:
    report = validate_tree(root, 1, test_glaciers)
    assert report.errors == []
    facts = report.sizes_px, report.files, report.grids
    return build_manifest(root, "local", None, report.scenes, *facts, test_glaciers)


def moved_by_hand(source: Path, root: Path) -> Path:
    """Return a copy of a tree in which the files themselves were moved."""
    shutil.copytree(source, root)
    for path in [path for path in root.rglob("*.png") if path.parent.name in SPLITS]:
        split = "test" if path.name.split("_")[0] in HELD_OUT else "train"
        path.rename(path.parent.with_name(split) / path.name)
    return root


def products(manifest: TreeManifest, out: Path) -> dict[str, Any]:
    """Return what training, prediction, scores and pictures make of a tree."""
    tree, names = manifest.tree, manifest.scenes["test"]
    *train, last = manifest.scenes["train"]
    build_store(tree, train, [last], out / "store")
    network = Bright().eval()
    zones = out / "zones"
    predicted = predict_tree(
        network, tree, "test", names, zones, zones.with_suffix(".npz"), CONFIG, "cpu", {}
    )
    labels, fronts = LabelFolders.of_tree(tree, "test"), out / "fronts"
    scores = score_folder(zones, labels, names, fronts_out=fronts)
    baselines = score_baselines(labels, names, sar_path=partial(tree.sar, "test"))
    paths = {"predictions": zones, "fronts": fronts, "synthetic": False}
    views = [read_view(tree, "test", score, **paths) for score in scores]  # type: ignore[arg-type]
    return {
        "store": {p.name: p.read_bytes() for p in sorted((out / "store").iterdir())},
        "predicted": predicted,
        "scores": scores,
        "baselines": baselines,
        "pictures": [(view.sar.tolist(), view.labels.zones.tolist()) for view in views],
    }


@pytest.mark.parametrize("spacing_m", [None, 20])
def test_the_split_is_that_of_files_moved_by_hand(
    tiny_caffe: Path, tmp_path: Path, spacing_m: int | None
) -> None:
    chosen = manifest_of(tiny_caffe, HELD_OUT)
    by_hand = manifest_of(moved_by_hand(tiny_caffe, tmp_path / "moved"), None)
    assert chosen.files.keys() != by_hand.files.keys()
    if spacing_m is not None:
        chosen = resample_tree(chosen, spacing_m, tmp_path / "chosen_tree")
        by_hand = resample_tree(by_hand, spacing_m, tmp_path / "by_hand_tree")
        assert chosen.files == by_hand.files
        assert chosen.moved == {}
    assert chosen.scenes == by_hand.scenes
    assert {SceneName.parse(name).glacier for name in chosen.scenes["train"]} == {"Crane", "Mapple"}
    assert chosen.test_glaciers == ("COL", "JAC")
    chosen.write(tmp_path / "manifest.json")
    assert TreeManifest.read(tmp_path / "manifest.json") == chosen
    one, other = products(chosen, tmp_path / "one"), products(by_hand, tmp_path / "other")
    assert one == other


@pytest.mark.parametrize("split", SPLITS)
def test_the_images_may_all_be_in_one_folder(tiny_caffe: Path, tmp_path: Path, split: str) -> None:
    root = tmp_path / "tree"
    shutil.copytree(tiny_caffe, root)
    for folder in [path for path in root.glob("*/*") if path.name in SPLITS and path.name != split]:
        for path in folder.iterdir():
            path.rename(folder.with_name(split) / path.name)
        folder.rmdir()
    assert len(validate_tree(root).errors) == 3
    assert manifest_of(root, HELD_OUT).scenes == manifest_of(tiny_caffe, HELD_OUT).scenes


@pytest.mark.parametrize(
    ("glaciers", "problem"),
    [
        (["JAC", "Jorum"], "no image shows Jorum; name some of the glaciers of the tree: COL, "),
        (["COL", "Crane", "JAC", "Mapple"], "none is left to train on"),
    ],
)
def test_a_split_that_cannot_be_is_refused_before_the_files_are_read(
    tiny_caffe: Path, glaciers: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl4sar.dataset.validation._read_scenes", lambda *_: pytest.fail("read"))
    with pytest.raises(UserError, match=problem) as caught:
        validate_tree(tiny_caffe, 1, glaciers)
    assert str(caught.value).startswith("caffe.test_glaciers: ")


def test_the_command_line_names_glaciers_and_each_once() -> None:
    study = study_from({"name": "x", "caffe_test_glaciers": ["JAC", "COL"]}, "f")
    assert study.caffe.test_glaciers == ("JAC", "COL")
    assert study.caffe.source == "synthetic"
    with pytest.raises(UserError, match=r"caffe\.test_glaciers: JAC is there twice"):
        study_from({"name": "x", "caffe_test_glaciers": ["JAC", "COL", "JAC"]}, "f")
    with pytest.raises(UserError, match=r"caffe\.test_glaciers"):
        study_from({"name": "x", "caffe_test_glaciers": []}, "f")


def official(test_data: Path, source: Source, test_glaciers: list[str] | None) -> TreeManifest:
    """Return a manifest of the official names."""
    lists = {"train": "train_559", "test": "test_122"}
    scenes = {
        split: (test_data / f"splits/caffe_official_{file}.txt").read_text().split()
        for split, file in lists.items()
    }
    sizes = {}
    for name in [*scenes["train"], *scenes["test"]]:
        scene = SceneName.parse(name)
        sizes[name] = NATIVE_SIZES_PX.get((scene.glacier, scene.resolution_m), (470, 440))
    return build_manifest("r", source, None, scenes, sizes, {}, None, test_glaciers)  # type: ignore[arg-type]


def test_results_name_the_split_and_are_not_comparable(test_data: Path) -> None:
    manifest = official(test_data, "pangaea", ["JAC"])
    assert len(manifest.scenes["test"]) == 159
    dataset = dataset_of(manifest, "run")
    assert dataset.test_glaciers == ["JAC"]
    assert not dataset.comparable_with_published
    assert "NOT comparable" in dataset.note
    assert "the test split is all images of JAC" in dataset.note
    # What the benchmark holds out itself is its own split, however it was chosen.
    same = official(test_data, "pangaea", ["Mapple", "COL"])
    assert same.moved == {}
    assert dataset_of(same, "run").comparable_with_published
    assert dataset_of(official(test_data, "pangaea", None), "run").test_glaciers is None
