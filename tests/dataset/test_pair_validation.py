"""Every problem of a pretraining dataset is found and told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pair_folder import PairFolder
from PIL import Image

from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_report import PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.dataset.pair_validation import validate_pairs

RULES = PairRules("local", ("COL", "Columbia", "Mapple"))


def told(report: PairReport) -> list[tuple[str, str, str]]:
    return [(p.severity, p.file, p.problem) for p in report.problems]


def test_a_good_dataset_has_all_facts_and_no_problem(pairs: PairFolder) -> None:
    report = validate_pairs(pairs.root, RULES)
    assert report.problems == []
    manifest = report.checked_manifest("report.json")
    assert manifest.glaciers == ("A", "B", "C")
    assert len(manifest.images("train")) == 6
    first = manifest.sar[0]
    assert (first.file, first.split, first.glacier, first.date, first.height, first.width) == (
        f"{pairs.train}/S1_A_20200703_014.png",
        "train",
        "A",
        "2020-07-03",
        40,
        50,
    )
    assert first.sha256 == sha256_file(manifest.path(first))
    assert (first.spacing_m, first.crs, first.transform, first.processing) == (None,) * 4
    assert manifest.optical[1].bands == 15
    assert manifest.optical[1].date == "2020-07-15"
    assert not manifest.synthetic
    assert manifest.included_test_glaciers == ()
    assert report.counts.images["val"] == {"A": 1, "B": 1}
    assert report.counts.valid_fraction["C"] == pytest.approx(1 - 12 / 480)
    assert report.counts.height_px == (20, 40)


def test_the_report_does_not_depend_on_the_processes(pairs: PairFolder) -> None:
    (pairs.root / pairs.train / "S1_A_20200703_014.png").write_bytes(b"x")
    one, two = validate_pairs(pairs.root, RULES), validate_pairs(pairs.root, RULES, workers=2)
    assert one.as_dict() == two.as_dict()
    assert len(one.errors) == 1


def test_the_published_nesting_does_too(pairs: PairFolder, tmp_path: Path) -> None:
    nested = tmp_path / "nested"
    for folder, inside in (
        (pairs.train, "data_unlabeled"),
        (pairs.val, "data_unlabeled"),
        (pairs.optical, pairs.optical),
    ):
        shutil.copytree(pairs.root / folder, nested / inside / folder)
    manifest = validate_pairs(nested, RULES).checked_manifest("r")
    assert manifest.sar[0].file.startswith(f"data_unlabeled/{pairs.train}/S1_A")
    assert manifest.optical[0].file == "data_optical/data_optical/A_20200715_S2.tif"
    assert all(manifest.path(image).is_file() for image in (*manifest.sar, *manifest.optical))
    with pytest.raises(UserError, match="folders are missing"):
        validate_pairs(nested / pairs.optical, RULES)


def test_the_source_synthetic_labels_the_manifest(pairs: PairFolder) -> None:
    report = validate_pairs(pairs.root, PairRules("synthetic", ()))
    assert report.checked_manifest("r").synthetic
    assert report.as_text().startswith("SYNTHETIC pairs of SAR and optical images: ")


def test_images_of_another_size_tell_both_sizes(pairs: PairFolder) -> None:
    path = pairs.sar("val", "S1_A_20200801_014.png", (41, 50))
    report = validate_pairs(pairs.root, RULES)
    problem = "the image is 41x50 px, its optical image 40x50 px (data_optical/A_20200715_S2.tif)"
    assert told(report) == [("error", f"{pairs.val}/{path.name}", problem)]
    with pytest.raises(UserError, match=r"has 1 error \(.*41x50 px.*as listed in r\.json"):
        report.checked_manifest("r.json")


@pytest.mark.parametrize(
    ("crs", "east_m", "told_"),
    [
        ("EPSG:32622", 500000, None),
        ("EPSG:32622", 500010, "the image is up to 0.5 pixels off its optical image"),
        ("EPSG:32623", 500000, "the image is in EPSG:32623, its optical image in EPSG:32622"),
    ],
)
def test_georeferences_must_agree(
    pairs: PairFolder, crs: str, east_m: float, told_: str | None
) -> None:
    import rasterio

    place = rasterio.Affine(20, 0, 500000, 0, -20, 7600000)
    pairs.raster("A_20200715_S2.tif", pairs.reflectance("A"), crs="EPSG:32622", transform=place)
    values = np.arange(2000, dtype=np.uint8).reshape(1, 40, 50)
    moved = rasterio.Affine(20, 0, east_m, 0, -20, 7600000)
    pairs.raster("S1_A_20200801.tif", values, pairs.train, crs=crs, transform=moved)
    report = validate_pairs(pairs.root, RULES)
    if told_ is None:
        manifest = report.checked_manifest("r")
        image = next(image for image in manifest.sar if image.file.endswith(".tif"))
        assert (image.crs, image.spacing_m, image.transform) == (crs, 20.0, tuple(place)[:6])
        return
    ((severity, file, problem),) = told(report)
    assert (severity, file) == ("error", f"{pairs.train}/S1_A_20200801.tif")
    assert problem.startswith(told_)


@pytest.mark.parametrize("ending", [".pgw", ".PGW"])
def test_a_world_file_must_agree(pairs: PairFolder, ending: str) -> None:
    import rasterio

    place = rasterio.Affine(20, 0, 500000, 0, -20, 7600000)
    pairs.raster("A_20200715_S2.tif", pairs.reflectance("A"), crs="EPSG:32622", transform=place)
    world = pairs.root / pairs.train / f"S1_A_20200703_014{ending}"
    world.write_text("20\n0\n0\n-20\n500010\n7599990\n")
    assert validate_pairs(pairs.root, RULES).problems == []
    world.write_text("10\n0\n0\n-10\n500010\n7599990\n")
    ((_, file, problem),) = told(validate_pairs(pairs.root, RULES))
    assert file == f"{pairs.train}/S1_A_20200703_014.png"
    assert "pixels off its optical image" in problem


def test_images_that_the_user_names_are_neither_read_nor_used(
    pairs: PairFolder, tmp_path: Path
) -> None:
    (pairs.root / pairs.train / "S1_A_20200703_014.png").write_bytes(b"damaged")
    pairs.sar("train", "S1_B_20200801_014.png", (31, 36))
    pairs.sar("val", "S1_Store_20200801_014.png")
    (pairs.root / pairs.optical / "C_20200716_S2.tif").write_bytes(b"no raster")
    assert len(validate_pairs(pairs.root, RULES).errors) == 3
    leave_out = ("S1_A_20200703_014.png", "*_20200801_*", f"{pairs.optical}/C_20200716_S2.tif")
    report = validate_pairs(pairs.root, replace(RULES, leave_out=leave_out))
    assert report.problems == []
    manifest = report.checked_manifest("r")
    assert {image.file: image.why.split(": ")[1] for image in manifest.left_out} == {
        f"{pairs.optical}/C_20200716_S2.tif": leave_out[2],
        f"{pairs.train}/S1_A_20200703_014.png": leave_out[0],
        f"{pairs.train}/S1_B_20200801_014.png": leave_out[1],
        f"{pairs.val}/S1_Store_20200801_014.png": leave_out[1],
    }
    assert len(manifest.sar) == 7
    manifest.write(tmp_path / "dataset.json")
    assert PairManifest.read(tmp_path / "dataset.json").left_out == manifest.left_out
    build_pair_store(manifest, "maximum", tmp_path / "store")
    names = {scene.name for scene in PairStore.open(tmp_path / "store").scenes}
    assert len(names) == 7
    assert "S1_A_20200703_014" not in names


def test_grey_images_in_colours_are_used_and_told_once(pairs: PairFolder, tmp_path: Path) -> None:
    for path in (pairs.root / pairs.train).glob("S1_A_*"):
        with Image.open(path) as image:
            coloured = image.convert("RGB")
        coloured.save(path)
    report = validate_pairs(pairs.root, RULES)
    assert told(report) == [
        (
            "warning",
            f"{pairs.train}/S1_A_20200703_014.png",
            "the image has mode RGB, not 8-bit grey, but equal channels: read as grey; so have "
            "1 more",
        )
    ]
    build_pair_store(report.checked_manifest("r"), "maximum", tmp_path / "store")
    store = PairStore.open(tmp_path / "store")
    with Image.open(pairs.root / pairs.train / "S1_A_20200703_014.png") as image:
        np.testing.assert_array_equal(store.sar(0), np.array(image)[..., 0])


def test_stray_files_are_warnings_and_world_files_are_none(pairs: PairFolder) -> None:
    folder = pairs.root / pairs.train
    (folder / "notes.txt").touch()
    (folder / "._S1_A_20200703_014.png").touch()
    (folder / "S1_A_20200703_014.png.aux.xml").touch()
    (pairs.root / pairs.optical / "more").mkdir()
    (pairs.root / "README.txt").touch()
    (pairs.root / pairs.train / "Thumbs.db").touch()
    assert told(validate_pairs(pairs.root, RULES)) == [
        ("warning", f"{pairs.optical}/more", "the folder is no image of the dataset"),
        ("warning", f"{pairs.train}/notes.txt", "the file is no image of the dataset"),
    ]


def test_a_bad_image_hides_no_other_problem(pairs: PairFolder) -> None:
    pairs.raster("A_20200715_S2.tif", pairs.reflectance("A")[:14])
    pairs.sar("train", "S1_B_20200801_014.png", (9, 9))
    pairs.sar("train", "S1_Store_20200801_014.png")
    assert [(severity, file) for severity, file, _ in told(validate_pairs(pairs.root, RULES))] == [
        ("error", f"{pairs.optical}/A_20200715_S2.tif"),
        ("error", f"{pairs.train}/S1_B_20200801_014.png"),
        ("error", f"{pairs.train}/S1_Store_20200801_014.png"),
    ]


def test_what_is_left_out_is_neither_read_nor_listed(pairs: PairFolder) -> None:
    for name in ("S1_Columbia_20200703_014.png", "S1_Columbia_20200704_014.png"):
        (pairs.root / pairs.train / name).write_bytes(name.encode())
    (pairs.root / pairs.optical / "Columbia_20200715_S2.tif").write_bytes(b"no raster")
    report = validate_pairs(pairs.root, RULES)
    assert report.problems == []
    manifest = report.checked_manifest("r")
    (out,) = manifest.excluded
    assert (out.glacier, out.train, out.val, out.optical) == ("Columbia", 2, 0, 1)
    assert not any("Columbia" in image.file for image in (*manifest.sar, *manifest.optical))
    assert "Columbia is a glacier of the test set: left out with 2 training" in report.as_text()


def test_allowed_glaciers_of_the_test_set_mark_the_manifest(pairs: PairFolder) -> None:
    rules = PairRules("local", ("b", "Mapple"), allow_test_glaciers=True)
    report = validate_pairs(pairs.root, rules)
    manifest = report.checked_manifest("r")
    assert manifest.included_test_glaciers == ("B",)
    assert manifest.allow_test_glaciers
    assert "glaciers of the test set are used, as allowed: B" in report.as_text()


def test_folders_and_images_around_are_listed(pairs: PairFolder, tmp_path: Path) -> None:
    (pairs.root / "unlabeled_data_raw_test").mkdir()
    (pairs.root / "S1_A_20200703_014.png").touch()
    (pairs.root / "__MACOSX").mkdir()
    what = "is in none of the folders of the dataset and is not used"
    assert told(validate_pairs(pairs.root, RULES)) == [
        ("warning", "S1_A_20200703_014.png", f"the file {what}"),
        ("warning", "unlabeled_data_raw_test", f"the folder {what}"),
    ]
    nested = tmp_path / "nested" / "data_unlabeled"
    (nested / "unlabeled_data_raw_test").mkdir(parents=True)
    for name in (pairs.train, pairs.val):
        shutil.copytree(pairs.root / name, nested / name)
    shutil.copytree(pairs.root / pairs.optical, nested.parent / pairs.optical)
    assert told(validate_pairs(nested.parent, RULES)) == [
        ("warning", "data_unlabeled/unlabeled_data_raw_test", f"the folder {what}"),
    ]


def test_two_images_that_differ_by_case_are_an_error(pairs: PairFolder) -> None:
    pairs.sar("train", "S1_A_20200703_014.PNG")
    assert told(validate_pairs(pairs.root, RULES)) == [
        (
            "error",
            f"{pairs.train}/S1_A_20200703_014.png",
            "its name differs from S1_A_20200703_014.PNG by case only",
        )
    ]
