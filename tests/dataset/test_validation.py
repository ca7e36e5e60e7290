from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.listing import record_files
from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.manifest import TreeManifest, build_manifest
from ssl4sar.dataset.official import NATIVE_SIZES_PX
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.dataset.validation import ValidationReport, validate_tree

WriteScene = Callable[[Path, Split, str, int, int], None]
TEST_NAME = "COL_2012-03-04_TDX_7_1_024"


@pytest.mark.slow
def test_the_real_tree_is_good(test_data: Path) -> None:
    report = validate_tree(test_data / "caffe80" / "data_raw")
    assert report.errors == []
    counts = report.counts()
    assert counts["train"]["scenes"] == 412
    assert counts["test"]["scenes"] == 69
    assert counts["train"]["glaciers"] == {"DBE": 133, "JAC": 159, "SI": 120}
    assert counts["train"]["resolutions_m"] == {"80": 412}
    assert counts["test"]["height_px"] == (297, 297)
    assert len(report.files) == 4 * 481
    report.raise_if_bad("report.json")


def test_a_good_tree_has_counts_hashes_and_no_problem(tiny_caffe: Path, tmp_path: Path) -> None:
    report = validate_tree(tiny_caffe)
    assert report.problems == []
    assert report.sizes_px[TEST_NAME] == (63, 78)
    tree = CaffeTree(tiny_caffe)
    assert report.scenes == {"train": tree.names("train"), "test": tree.names("test")}
    path = tree.zones("test", TEST_NAME)
    assert report.files[path.relative_to(tiny_caffe).as_posix()].sha256 == sha256_file(path)
    report.write(tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["ok"] is True
    assert written["files"] == 32
    assert written["counts"]["train"] == {
        "scenes": 6,
        "glaciers": {"Crane": 3, "JAC": 3},
        "sensors": {"S1": 3, "TSX": 3},
        "resolutions_m": {"7": 3, "20": 3},
        "qualities": {"1": 3, "2": 3},
        "height_px": [24, 60],
        "width_px": [36, 80],
    }
    assert "train: 6 scenes, heights 24-60 px, widths 36-80 px" in report.as_text()


def test_all_problems_are_listed_and_summarised(own_tree: CaffeTree, tmp_path: Path) -> None:
    names = own_tree.names("train")
    for name in names:
        own_tree.zones("train", name).write_bytes(b"")
    own_tree.front("test", TEST_NAME).unlink()
    report = validate_tree(own_tree.root)
    assert len(report.errors) == 7
    text = report.as_text()
    for problem in report.problems:
        assert f"error {problem.file}: {problem.problem}" in text
    with pytest.raises(UserError, match="has 7 errors") as caught:
        report.raise_if_bad(tmp_path / "report.json")
    message = str(caught.value)
    assert str(own_tree.root) in message
    assert str(tmp_path / "report.json") in message
    assert f"{TEST_NAME}_front.png: the file is missing" in message
    assert "and 2 more" in message
    assert "\n" not in message


def test_warnings_do_not_stop(own_tree: CaffeTree) -> None:
    (own_tree.root / "zones" / "train" / "notes.md").write_bytes(b"")
    (own_tree.root / "old").mkdir()
    report = validate_tree(own_tree.root)
    assert [problem.severity for problem in report.problems] == ["warning", "warning"]
    report.raise_if_bad("report.json")


def test_missing_folders_are_listed(own_tree: CaffeTree) -> None:
    shutil.rmtree(own_tree.root / "fronts")
    shutil.rmtree(own_tree.root / "bounding_boxes")
    shutil.rmtree(own_tree.root / "sar_images" / "test")
    files = {p.file for p in validate_tree(own_tree.root).errors if "folder" in p.problem}
    assert files == {"fronts/train", "fronts/test", "bounding_boxes", "sar_images/test"}


def test_masks_without_an_image_are_errors_and_boxes_warnings(own_tree: CaffeTree) -> None:
    own_tree.sar("test", TEST_NAME).unlink()
    problems = {p.file: p for p in validate_tree(own_tree.root).problems}
    assert {file: p.severity for file, p in problems.items()} == {
        f"zones/test/{TEST_NAME}_zones.png": "error",
        f"fronts/test/{TEST_NAME}_front.png": "error",
        f"bounding_boxes/{TEST_NAME}_front_extent_coord.txt": "warning",
    }
    assert all("no SAR image" in p.problem for p in problems.values())


COARSE = TEST_NAME.replace("_7_1_", "_20_2_")
WRONG_SIZE = "JAC_2014-01-03_TSX_20_1_014"


@pytest.mark.parametrize(
    ("split", "name", "size", "expected"),
    [
        ("test", "COL_2012-03-04_TDX_7_1_24", (30, 40), ("error", "the name does not read")),
        ("train", TEST_NAME, (63, 78), ("error", f"is in the training split ({TEST_NAME})")),
        ("train", COARSE, (22, 27), ("error", f"is in the training split ({COARSE})")),
        ("test", COARSE, (22, 27), ("warning", f"the same acquisition is there as {COARSE}")),
        ("train", WRONG_SIZE, (60, 80), ("warning", "1200 m differs from the usual 420 m of JAC")),
        ("train", "Col_2012-03-04_TDX_7_1_024", (63, 78), ("error", "COL is written Col")),
        ("train", "Thwaites_2014-01-03_S1_20_1_014", (60, 80), ("warning", "in no season")),
    ],
)
def test_a_scene_that_does_not_fit_is_noticed(
    own_tree: CaffeTree,
    write_scene: WriteScene,
    split: Split,
    name: str,
    size: tuple[int, int],
    expected: tuple[str, str],
) -> None:
    write_scene(own_tree.root, split, name, *size)
    problems = validate_tree(own_tree.root).problems
    assert {p.severity for p in problems} == {expected[0]} or name == TEST_NAME
    (problem,) = [p for p in problems if expected[1] in p.problem]
    at = (split, name) if "training split" not in problem.problem else ("test", TEST_NAME)
    assert problem.severity == expected[0]
    assert problem.file in {f"sar_images/{at[0]}/{at[1]}.png", f"sar_images/test/{TEST_NAME}.png"}


def test_a_tree_without_scenes_or_folder(tmp_path: Path) -> None:
    (tmp_path / "sar_images" / "train").mkdir(parents=True)
    problems = {(p.file, p.problem) for p in validate_tree(tmp_path).errors}
    assert ("sar_images/train", "there is no scene") in problems
    with pytest.raises(UserError, match="nowhere: the folder does not exist"):
        validate_tree(tmp_path / "nowhere")


@pytest.mark.parametrize(("split", "severity"), [("train", "error"), ("test", "warning")])
def test_a_copied_image_is_noticed(
    own_tree: CaffeTree, write_scene: WriteScene, split: Split, severity: str
) -> None:
    copy = "COL_2013-03-04_TDX_7_1_024"
    write_scene(own_tree.root, split, copy, 63, 78)
    shutil.copy(own_tree.sar("test", TEST_NAME), own_tree.sar(split, copy))
    (problem,) = validate_tree(own_tree.root).problems
    assert problem.severity == severity
    assert "is the same file as" in problem.problem


def test_a_tree_that_should_be_official_and_is_not_has_errors(tiny_caffe: Path) -> None:
    report = validate_tree(tiny_caffe)
    assert not report.is_official
    strict = report.as_official()
    assert [(p.file, p.problem) for p in strict.errors] == [
        ("sar_images/test", "this is not the official split: 122 scenes are expected, 2 found"),
        ("sar_images/train", "this is not the official split: 559 scenes are expected, 6 found"),
    ]
    assert report.errors == []
    assert report.split_line() == "this is not the official split: 6 train, 2 test"


def test_the_official_names_and_sizes_have_no_error(test_data: Path) -> None:
    lists = {"train": "train_559", "test": "test_122"}
    scenes = {
        split: (test_data / f"splits/caffe_official_{file}.txt").read_text().split()
        for split, file in lists.items()
    }
    parts = {name: name.split("_") for name in scenes["test"]}
    sizes = {n: NATIVE_SIZES_PX.get((p[0], int(p[3])), (470, 440)) for n, p in parts.items()}
    report = ValidationReport(root="r", scenes=scenes, sizes_px=sizes, files={})
    assert report.is_official
    assert report.as_official() == report
    assert report.split_line() == "this is the official split: 559 train, 122 test"


def test_what_systems_leave_behind_is_ignored(own_tree: CaffeTree) -> None:
    for folder in (*own_tree.root.rglob("*"), own_tree.root):
        if folder.is_dir():
            for name in ("._x.png", ".DS_Store", "Thumbs.db"):
                (folder / name).write_bytes(b"AppleDouble")
    (own_tree.root / "__MACOSX" / "zones").mkdir(parents=True)
    assert validate_tree(own_tree.root).problems == []


def test_endings_count_in_any_case(own_tree: CaffeTree, tmp_path: Path) -> None:
    expected = validate_tree(own_tree.root)
    names = [own_tree.names(split) for split in ("train", "test")]
    resample_tree(manifest_of(expected), 20, tmp_path / "lower")
    build_store(own_tree, names[0][:4], names[0][4:], tmp_path / "lower store")
    for file in [path for path in own_tree.root.rglob("*") if path.is_file()]:
        name = file.name.replace("_zones", "_ZONES").replace("_front", "_Front")
        file.rename(file.with_name(name).with_suffix(file.suffix.upper()))
    assert [own_tree.names(split) for split in ("train", "test")] == names
    report = validate_tree(own_tree.root)
    assert report.problems == []
    assert report.scenes == expected.scenes
    assert len(report.files) == len(expected.files)
    resample_tree(manifest_of(report), 20, tmp_path / "upper")
    build_store(own_tree, names[0][:4], names[0][4:], tmp_path / "upper store")
    assert record_files(tmp_path / "upper") == record_files(tmp_path / "lower")
    assert record_files(tmp_path / "upper store") == record_files(tmp_path / "lower store")


def manifest_of(report: ValidationReport) -> TreeManifest:
    return build_manifest(report.root, "local", None, report.scenes, report.sizes_px, report.files)


@pytest.mark.parametrize("kind", ["sar", "zones", "front", "box"])
def test_two_files_that_differ_by_case_are_an_error(own_tree: CaffeTree, kind: str) -> None:
    arguments = (TEST_NAME,) if kind == "box" else ("test", TEST_NAME)
    file = getattr(own_tree, kind)(*arguments)
    file.with_suffix(file.suffix.upper()).write_bytes(file.read_bytes())
    (error,) = validate_tree(own_tree.root).errors
    assert error.problem.endswith("by case only")
    assert error.fix == "keep one of the two"


@pytest.mark.parametrize(
    ("folder", "split"), [("sar_images", "val"), ("zones", "validation"), ("fronts", "Test")]
)
def test_folders_of_other_splits_are_errors(own_tree: CaffeTree, folder: str, split: str) -> None:
    shutil.copytree(own_tree.root / folder / "train", own_tree.root / folder / split)
    (error,) = validate_tree(own_tree.root).errors
    assert error.file == f"{folder}/{split}"
    assert error.problem == "the folder is not part of CaFFe, its 6 entries are not used"
    assert ("caffe.validation_fraction" in error.fix) == split.startswith("val")


def test_folders_and_images_beside_the_layout_are_listed(own_tree: CaffeTree) -> None:
    name = "JAC_2010-01-03_TSX_7_1_014"
    (own_tree.root / "README.txt").touch()
    (own_tree.root / "patches").mkdir()
    (own_tree.root / "overview.png").touch()
    (own_tree.root / "zones" / "train" / "empty").mkdir()
    (own_tree.root / "zones" / "val").mkdir()
    (own_tree.root / "fronts" / "train" / f"{name}_front.tif").touch()
    (own_tree.root / "sar_images" / f"{name}.png").touch()
    told = [(p.severity, p.file) for p in validate_tree(own_tree.root).problems]
    assert told == [
        ("error", f"fronts/train/{name}_front.tif"),
        ("error", f"sar_images/{name}.png"),
        ("warning", "overview.png"),
        ("warning", "patches"),
        ("warning", "zones/train/empty"),
        ("warning", "zones/val"),
    ]


def test_labels_that_contradict_each_other_are_errors(own_tree: CaffeTree) -> None:
    file = own_tree.front("test", TEST_NAME)
    right = read_gray(file)
    for wrong, severity in (
        (255 - right, "error"),
        (np.roll(right, 30, axis=1), "error"),
        (ndimage.maximum_filter(right, 3), "warning"),
    ):
        write_gray(file, wrong)
        (problem,) = validate_tree(own_tree.root).problems
        assert problem.severity == severity
        assert problem.file == f"fronts/test/{TEST_NAME}_front.png"
