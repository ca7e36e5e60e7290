from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, read_text, write_gray
from ssl4sar.core.scene_name import SceneName
from ssl4sar.dataset.manifest import TreeManifest, build_manifest
from ssl4sar.dataset.resampling import resample_tree
from ssl4sar.dataset.validation import validate_tree

WriteScene = Callable[[Path, Split, str, int, int], None]


def manifest_of(tree: CaffeTree, source: str = "local") -> TreeManifest:
    report = validate_tree(tree.root)
    return build_manifest(
        tree.root,
        source,  # type: ignore[arg-type]
        None,
        report.scenes,
        report.sizes_px,
        report.files,
    )


@pytest.mark.parametrize("spacing_m", [20, 31, 4])
def test_a_resampled_tree_is_a_good_tree(
    own_tree: CaffeTree, tmp_path: Path, spacing_m: int
) -> None:
    source = manifest_of(own_tree)
    made = resample_tree(source, spacing_m, tmp_path / "new")
    report = validate_tree(tmp_path / "new")
    assert report.problems == []
    assert made.files == report.files
    assert made.scenes == report.scenes
    assert made.spacing_m == spacing_m
    assert not made.comparable_with_published
    for split in ("train", "test"):
        names = [SceneName.parse(name) for name in source.scenes[split]]
        expected = sorted(str(name.with_resolution(spacing_m)) for name in names)
        assert report.scenes[split] == expected


def test_scenes_at_the_pixel_size_are_copied_byte_by_byte(
    own_tree: CaffeTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resample_tree(manifest_of(own_tree), 20, tmp_path / "new")
    assert "4 scenes resampled, 4 copied as they were" in capsys.readouterr().err
    new = CaffeTree(tmp_path / "new")
    name = "Crane_2011-05-07_S1_20_2_009"
    for place in (lambda t: t.sar("train", name), lambda t: t.zones("train", name),
                  lambda t: t.front("train", name), lambda t: t.box(name)):  # fmt: skip
        assert place(new).read_bytes() == place(own_tree).read_bytes()


def test_boxes_scale_and_shares_of_classes_stay(own_tree: CaffeTree, tmp_path: Path) -> None:
    resample_tree(manifest_of(own_tree), 14, tmp_path / "new")
    new = CaffeTree(tmp_path / "new")
    old_name, new_name = "JAC_2010-05-03_TSX_7_1_014", "JAC_2010-05-03_TSX_14_1_014"
    assert BoundingBox.read(new.box(new_name)) == BoundingBox.read(own_tree.box(old_name)).scaled(
        0.5, 0.5
    )
    before = read_gray(own_tree.zones("train", old_name))
    after = read_gray(new.zones("train", new_name))
    assert after.shape == (30, 40)
    for grey in (64, 127, 254):
        assert abs((before == grey).mean() - (after == grey).mean()) < 0.02
    means = [
        read_gray(t.sar("train", n)).mean() for t, n in ((own_tree, old_name), (new, new_name))
    ]
    assert means[0] == pytest.approx(means[1], abs=0.5)


def test_a_note_in_a_rendered_image_is_kept(own_tree: CaffeTree, tmp_path: Path) -> None:
    name = "COL_2012-03-04_TDX_7_1_024"
    path = own_tree.sar("test", name)
    write_gray(path, read_gray(path), {"Comment": "SYNTHETIC"})
    made = resample_tree(manifest_of(own_tree, "synthetic"), 20, tmp_path / "new")
    assert made.synthetic
    new = CaffeTree(tmp_path / "new").sar("test", "COL_2012-03-04_TDX_20_1_024")
    assert read_text(new) == {"Comment": "SYNTHETIC"}


def test_of_one_acquisition_at_two_pixel_sizes_the_finer_is_kept(
    own_tree: CaffeTree,
    tmp_path: Path,
    write_scene: WriteScene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The official training list has such a pair: SI_2006-09-03_RSAT at 12 m and at 20 m.
    write_scene(own_tree.root, "train", "SI_2006-09-03_RSAT_20_2_282", 40, 50)
    write_scene(own_tree.root, "train", "SI_2006-09-03_RSAT_12_2_282", 67, 83)
    resample_tree(manifest_of(own_tree), 20, tmp_path / "new")
    assert "SI_2006-09-03_RSAT_20_2_282 is left out" in capsys.readouterr().err
    image = read_gray(CaffeTree(tmp_path / "new").sar("train", "SI_2006-09-03_RSAT_20_2_282"))
    old = read_gray(own_tree.sar("train", "SI_2006-09-03_RSAT_20_2_282"))
    assert image.shape == old.shape
    assert not np.array_equal(image, old)


def test_a_shared_name_in_train_and_test_is_refused(
    own_tree: CaffeTree, tmp_path: Path, write_scene: WriteScene
) -> None:
    write_scene(own_tree.root, "train", "COL_2012-03-04_TDX_20_1_024", 22, 27)
    told = r"COL_2012-03-04_TDX_7_1_024 and COL_2012-03-04_TDX_20_1_024 of train and test"
    with pytest.raises(UserError, match=told):
        resample_tree(manifest_of(own_tree), 30, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("part", ["sar_images", "zones", "fronts", "bounding_boxes"])
def test_a_missing_file_leaves_nothing(own_tree: CaffeTree, tmp_path: Path, part: str) -> None:
    source = manifest_of(own_tree)
    path = next(p for p in (own_tree.root / part).rglob("COL*"))
    path.unlink()
    with pytest.raises(UserError, match=path.name):
        resample_tree(source, 10, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["own"]


def test_bad_scenes_are_named(own_tree: CaffeTree, tmp_path: Path) -> None:
    source = manifest_of(own_tree)
    with pytest.raises(UserError, match=r"\.png: at 400 m only .* px would be left"):
        resample_tree(source, 400, tmp_path / "new")
    name = "COL_2012-03-04_TDX_7_1_024"
    write_gray(own_tree.front("test", name), np.zeros((63, 77), np.uint8))
    with pytest.raises(
        UserError, match=f"{name}_front.png: the mask is 63x77 px, its image 63x78 px"
    ):
        resample_tree(source, 20, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["own"]


def link_scenes(tree: CaffeTree, target: CaffeTree) -> None:
    """Make a tree of all test scenes and every eighth training scene of another one."""
    for split, step in (("test", 1), ("train", 8)):
        for name in tree.names(split)[::step]:
            for path in (
                *(tree.sar(split, name), tree.zones(split, name)),
                *(tree.front(split, name), tree.box(name)),
            ):
                link = target.root / path.relative_to(tree.root)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)


@pytest.mark.slow
def test_real_fronts_stay_fronts(test_data: Path, tmp_path: Path) -> None:
    tree = CaffeTree(tmp_path / "some")
    link_scenes(CaffeTree(test_data / "caffe80" / "data_raw"), tree)
    resample_tree(manifest_of(tree), 160, tmp_path / "new", workers=2)
    report = validate_tree(tmp_path / "new")
    assert report.errors == []
    assert not [p for p in report.warnings if "empty" in p.problem]
    new = CaffeTree(tmp_path / "new")
    for name in tree.names("test"):
        coarse = str(SceneName.parse(name).with_resolution(160))
        before_m = (read_gray(tree.front("test", name)) > 0).sum() * 80
        after_m = (read_gray(new.front("test", coarse)) > 0).sum() * 160
        assert 0.7 < after_m / before_m < 1.3
