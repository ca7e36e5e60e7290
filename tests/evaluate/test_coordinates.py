"""Coordinates travel from the images of a tree to its fronts, and say how long a pixel is."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import georeferences, read_image, write_image
from ssl4sar.core.listing import folder_files
from ssl4sar.dataset.decoding import build_store
from ssl4sar.dataset.manifest import TreeManifest, build_manifest
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.dataset.store import Store
from ssl4sar.dataset.validation import ValidationReport, validate_tree
from ssl4sar.evaluate.command import EvaluateRequest, evaluate
from ssl4sar.evaluate.scores_file import read_scores, write_scores
from ssl4sar.evaluate.scoring import LabelFolders, score_folder
from ssl4sar.predict.tree import predict_tree

CORNER = (500000.0, 6100000.0)
CONFIG = PredictionConfig(stride_px=16, centre_px=32, sigma_px=4.0)
OFFICIAL = "COL_2012-03-04_TDX_7_1_024"
NEW = "Thwaites_2012-03-04_S1_20_1_024"


class Bright(nn.Module):
    """Bright is ocean, dark glacier."""

    input_px = 64
    out_channels = 4

    def forward(self, image: Tensor) -> Tensor:
        centres = torch.tensor([9.0, 9.0, 0.2, 0.8]).view(1, 4, 1, 1)
        return -((image - centres) ** 2) * 1000


def place(tree: CaffeTree, spacing: dict[int, float], kinds: tuple[str, ...]) -> None:
    """Turn PNGs of a tree into GeoTIFFs; ``spacing`` is by the pixel size of the name."""
    for split in ("train", "test"):
        for name in tree.names(split):
            for kind in kinds:
                path = getattr(tree, kind)(split, name)
                pixels = read_gray(path)
                grid = Grid.at(*CORNER, spacing[int(name.split("_")[3])], pixels.shape, "EPSG:3031")
                path.unlink()
                write_image(path, pixels, grid)


@pytest.fixture
def tree(tiny_caffe: Path, tmp_path: Path, write_scene: object) -> CaffeTree:
    shutil.copytree(tiny_caffe, tmp_path / "data_raw")
    write_scene(tmp_path / "data_raw", "test", NEW, 40, 50)  # type: ignore[operator]
    return CaffeTree(tmp_path / "data_raw")


def manifest_of(report: ValidationReport) -> TreeManifest:
    sizes, files = report.sizes_px, report.files
    return build_manifest(report.root, "local", None, report.scenes, sizes, files, report.grids)


def predict(manifest: TreeManifest, out: Path, split: Split = "test") -> dict[str, dict]:
    names = manifest.scenes[split]
    done = predict_tree(
        Bright().eval(),
        manifest.tree,
        split,
        names,
        out,
        out.with_suffix(".npz"),
        CONFIG,
        "cpu",
        {},
        manifest.grids,
    )
    return done["scenes"]


@pytest.mark.parametrize("kinds", [("sar", "zones", "front"), ("front",)])
def test_from_the_file_to_the_front(
    tree: CaffeTree, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    place(tree, {7: 20 / 3, 20: 20.0}, kinds)
    report = validate_tree(tree.root)
    assert [p.file for p in report.problems] == [
        tree.sar("test", NEW).relative_to(tree.root).as_posix()
    ]
    assert "Thwaites is not of the benchmark" in report.problems[0].problem
    manifest = manifest_of(report)
    assert set(manifest.grids) == set(report.sizes_px)
    manifest.write(tmp_path / "m.json")
    assert TreeManifest.read(tmp_path / "m.json") == manifest
    scenes = predict(manifest, tmp_path / "zones")
    labels = LabelFolders.of_tree(tree, "test")
    scores = score_folder(
        tmp_path / "zones", labels, labels.names(), fronts_out=tmp_path / "fronts"
    )
    for score in scores:
        grid = manifest.grids[score.name]
        assert grid.crs == "EPSG:3031"
        assert Grid.from_json(scenes[score.name]["grid"]) == score.grid == grid
        zones = read_image(tmp_path / "zones" / f"{score.name}.tif")
        front = read_image(tmp_path / "fronts" / f"{score.name}_front.tif")
        assert zones.grid == front.grid == grid
        assert labels.read(score.name).spacing_m == grid.spacing
    write_scores(tmp_path / "scores.json", "seed0", scores)
    assert read_scores(tmp_path / "scores.json") == ("seed0", scores)


def test_lengths_are_those_of_the_coordinates(tree: CaffeTree, tmp_path: Path) -> None:
    manifest = manifest_of(validate_tree(tree.root))
    predict(manifest, tmp_path / "zones")
    labels = LabelFolders.of_tree(tree, "test")
    nominal = {s.name: s for s in score_folder(tmp_path / "zones", labels, labels.names())}
    assert all(score.grid is None and "grid" not in score.to_json() for score in nominal.values())
    place(tree, {7: 7.5, 20: 20.0}, ("sar", "zones", "front"))
    for score in score_folder(tmp_path / "zones", labels, labels.names()):
        factor = 7.5 / 7 if "_7_" in score.name else 1.0
        assert score.sum_m == pytest.approx(nominal[score.name].sum_m * factor)


def test_training_and_resampling_carry_them_on(tree: CaffeTree, tmp_path: Path) -> None:
    place(tree, {7: 20 / 3, 20: 20.0}, ("sar", "zones", "front"))
    manifest = manifest_of(validate_tree(tree.root))
    names = tree.names("train")
    build_store(tree, names[:-1], names[-1:], tmp_path / "store")
    for scene in Store.open(tmp_path / "store").scenes:
        assert scene.grid == manifest.grids[scene.name]
        assert scene.resolution_m == scene.grid.spacing
    new = resample_tree(manifest, 20, tmp_path / "new")
    report = validate_tree(tmp_path / "new")
    assert report.files == new.files
    assert report.grids == new.grids
    assert report.errors == []
    for name, grid in new.grids.items():
        assert (grid.left, grid.top) == CORNER
        expected = 20 if name.replace("TDX", "TSX").split("_")[2] != "TSX" else 20 / 7 * 20 / 3
        assert grid.spacing == pytest.approx(expected)


def test_a_world_file_places_a_png_and_is_listed_and_copied(
    tree: CaffeTree, tmp_path: Path
) -> None:
    path = tree.sar("test", NEW)
    path.with_suffix(".pgw").write_text("20\n0\n0\n-20\n500010\n6099990\n")
    (problem,) = [p for p in validate_tree(tree.root).problems if p.severity == "error"]
    assert "no reference system" in problem.problem
    # What GDAL writes beside a PNG that is given a system.
    aux = path.with_name(path.name + ".aux.xml")
    aux.write_text("<PAMDataset><SRS>EPSG:32606</SRS></PAMDataset>")
    report = validate_tree(tree.root)
    assert report.errors == []
    assert f"sar_images/test/{NEW}.pgw" in report.files
    assert report.grids[NEW].spacing_m == pytest.approx(20)
    copied = resample_tree(manifest_of(report), 20, tmp_path / "new")
    assert any(place.is_file() for place in georeferences(copied.tree.sar("test", NEW)))
    assert validate_tree(tmp_path / "new").grids[NEW] == report.grids[NEW]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"crs": None}, "no reference system"),
        ({"transform": (20.0, 0.0, 0.0, 0.0, -20.0, 0.0)}, "20 m, its name says 7 m"),
    ],
)
def test_coordinates_that_give_no_lengths_are_refused_before_work(
    tree: CaffeTree, tmp_path: Path, change: dict, problem: str
) -> None:
    predict(manifest_of(validate_tree(tree.root)), tmp_path / "zones")
    path = tree.zones("test", OFFICIAL)
    pixels = read_gray(path)
    path.unlink()
    grid = Grid.at(*CORNER, 7.0, pixels.shape, "EPSG:32606")
    path = write_image(path, pixels, replace(grid, **change))
    (error,) = validate_tree(tree.root).errors
    assert error.file == f"zones/test/{OFFICIAL}_zones.tif"
    assert problem in error.problem
    request = EvaluateRequest(
        tmp_path / "zones", LabelFolders.of_tree(tree, "test"), tmp_path / "r.json", "m"
    )
    with pytest.raises(UserError, match=problem) as caught:
        evaluate(request)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("kind", ["front", "prediction"])
def test_images_of_one_scene_are_on_one_grid(tree: CaffeTree, tmp_path: Path, kind: str) -> None:
    place(tree, {7: 7.0, 20: 20.0}, ("sar", "zones", "front"))
    predict(manifest_of(validate_tree(tree.root)), tmp_path / "zones")
    path = tree.front("test", NEW) if kind == "front" else tmp_path / "zones" / f"{NEW}.tif"
    pixels, grid = read_image(path)
    write_image(path, pixels, grid.crop(slice(1, 41), slice(0, 50)))  # type: ignore[union-attr]
    labels = LabelFolders.of_tree(tree, "test")
    with pytest.raises(UserError, match="up to 1 pixels off another image of its scene") as caught:
        score_folder(tmp_path / "zones", labels, labels.names())
    assert str(path) in str(caught.value)
    if kind == "front":
        assert "up to 1 pixels off" in validate_tree(tree.root).errors[0].problem


def write_list(tree: CaffeTree, line: str) -> None:
    header = "image_name;glacier;date;sensor;resolution;orbit;polarization;bounding_box;crs\n"
    (tree.root / "meta_data.csv").write_text(header + line, encoding="latin-1")


def test_the_published_list_places_official_images_and_lengths_stay_nominal(
    tree: CaffeTree, tmp_path: Path
) -> None:
    before = predict(manifest_of(validate_tree(tree.root)), tmp_path / "before")
    edges = "left=500000.0, bottom=6099580.0, right=500520.0, top=6100000.0"
    box = f"BoundingBox({edges})"
    write_list(tree, f"{OFFICIAL}_geo.tif;COL;04.03.2012;TDX;7;024;HH;{box};EPSG:32606\n")
    report = validate_tree(tree.root)
    assert report.errors == []
    assert set(report.grids) == {OFFICIAL}
    manifest = manifest_of(report)
    assert manifest.grids[OFFICIAL].spacing == pytest.approx(20 / 3)
    after = predict(manifest, tmp_path / "after")
    assert {n: s for n, s in after.items() if n != OFFICIAL} == {
        n: s for n, s in before.items() if n != OFFICIAL
    }
    assert read_image(tmp_path / "after" / f"{OFFICIAL}.tif").grid == manifest.grids[OFFICIAL]
    labels = LabelFolders.of_tree(tree, "test")
    assert labels.read(OFFICIAL).spacing_m == 7
    one, other = (
        score_folder(tmp_path / folder, labels, labels.names(), fronts_out=tmp_path / f"f_{folder}")
        for folder in ("before", "after")
    )
    assert one == other
    assert read_image(tmp_path / "f_after" / f"{OFFICIAL}_front.tif").grid is not None
    assert set(folder_files(tmp_path / "f_before")) == {f"{s.name}_front.png" for s in one}
    new = resample_tree(manifest, 14, tmp_path / "new")
    assert new.grids[OFFICIAL.replace("_7_", "_14_")].spacing == pytest.approx(40 / 3)


def test_coordinates_of_another_size_are_refused(tree: CaffeTree, tmp_path: Path) -> None:
    manifest = manifest_of(validate_tree(tree.root))
    predict(manifest, tmp_path / "zones")
    place(tree, {7: 7.0, 20: 20.0}, ("sar",))
    path = tree.sar("test", NEW)
    pixels, grid = read_image(path)
    assert grid is not None
    write_image(path, pixels[1:], replace(grid, height=39))
    labels = LabelFolders.of_tree(tree, "test")
    with pytest.raises(UserError, match="39x50 px, the zone mask of the scene 40x50 px"):
        score_folder(tmp_path / "zones", labels, labels.names())
    path.unlink()
    write_image(path, pixels[1:])
    listed = manifest.model_copy(update={"grids": {NEW: grid}})
    with pytest.raises(UserError, match="39x50 px, its listed grid 40x50 px"):
        predict(listed, tmp_path / "zones")


@pytest.mark.parametrize(
    ("rest", "problem"),
    [("COL;HH;EPSG:32606", "line 2 has no BoundingBox"),
     ("BoundingBox(left=9, bottom=0, right=1, top=1);EPSG:32606", "line 2 has no area"),
     ("BoundingBox(left=0, bottom=0, right=1, top=1);UTM", "and EPSG:code"),
     ("BoundingBox(left=0, bottom=0, right=520, top=350);EPSG:32606", "line 2: .* not square"),
     ("BoundingBox(left=0, bottom=0, right=1560, top=1260);EPSG:32606", "2: .* 20 m, its name"),
     ("BoundingBox(left=0, bottom=0, right=1, top=1);EPSG:4326", "line 2: .* in degrees")],
)  # fmt: skip
def test_a_wrong_line_of_the_list_is_an_error(tree: CaffeTree, rest: str, problem: str) -> None:
    write_list(tree, f"{OFFICIAL}_geo.tif;{rest}\n")
    (error,) = validate_tree(tree.root).errors
    assert error.file == "meta_data.csv"
    assert re.search(problem, error.problem)


def test_a_tree_without_coordinates_is_written_as_ever(tree: CaffeTree, tmp_path: Path) -> None:
    manifest = manifest_of(validate_tree(tree.root))
    manifest.write(tmp_path / "m.json")
    assert "grids" not in (tmp_path / "m.json").read_text()
    names = tree.names("train")
    build_store(tree, names, [], tmp_path / "store")
    assert '"grid"' not in (tmp_path / "store" / "index.json").read_text()
    scenes = predict(manifest, tmp_path / "zones")
    assert set(scenes[NEW]) == {"sha256", "shape"}
    assert {Path(name).suffix for name in folder_files(tmp_path / "zones")} == {".png"}
    assert np.array_equal(read_image(tmp_path / "zones" / f"{NEW}.png").pixels.shape, (40, 50))
