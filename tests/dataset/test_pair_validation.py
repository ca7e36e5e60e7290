"""Every problem of a pretraining dataset is found and told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_folder import PairFolder
from PIL import Image

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_report import PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.dataset.pair_validation import validate_pairs

RULES = PairRules("local", ("COL", "Columbia", "Mapple"))
BUILT = PairRules("built", RULES.test_glaciers)


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


def test_a_world_file_must_agree(pairs: PairFolder) -> None:
    import rasterio

    place = rasterio.Affine(20, 0, 500000, 0, -20, 7600000)
    pairs.raster("A_20200715_S2.tif", pairs.reflectance("A"), crs="EPSG:32622", transform=place)
    world = pairs.root / pairs.train / "S1_A_20200703_014.PGW"
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


def test_grey_images_in_colours_are_used_and_reported_once(
    pairs: PairFolder, tmp_path: Path
) -> None:
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
        ("warning", f"{pairs.optical}/more", "the folder is not an image of the dataset"),
        ("warning", f"{pairs.train}/notes.txt", "the file is not an image of the dataset"),
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


def test_equal_files_of_a_split_are_reported_and_used(pairs: PairFolder) -> None:
    source = pairs.root / pairs.train / "S1_A_20200703_014.png"
    shutil.copy(source, source.with_name("S1_A_20210101_014.png"))
    report = validate_pairs(pairs.root, RULES)
    problem = f"the image is the same file as {pairs.train}/{source.name}"
    assert told(report) == [("warning", f"{pairs.train}/S1_A_20210101_014.png", problem)]
    assert len(report.checked_manifest("r").images("train")) == 7


def test_a_training_image_is_left_out_of_the_validation(pairs: PairFolder) -> None:
    source = pairs.root / pairs.train / "S1_C_20200703_014.png"
    # The second one even by its own name.
    copies = [pairs.root / pairs.val / name for name in ("S1_C_20210101_014.png", source.name)]
    for copy in copies:
        shutil.copy(source, copy)
    before = validate_pairs(pairs.root, replace(RULES, leave_out=(f"{pairs.val}/S1_C_*",)))
    report = validate_pairs(pairs.root, RULES)
    same = f"the image is the same file as {pairs.train}/{source.name}"
    files = sorted(f"{pairs.val}/{copy.name}" for copy in copies)
    assert told(report) == [("warning", f, f"{same}: left out of the validation") for f in files]
    manifest = report.checked_manifest("r")
    assert [(image.file, image.why) for image in manifest.left_out] == [(f, same) for f in files]
    assert manifest.facts()["left_out"] == files
    assert manifest.sar == before.checked_manifest("r").sar
    assert report.counts == before.counts


def test_a_validation_of_training_images_alone_is_an_error(pairs: PairFolder) -> None:
    shutil.rmtree(pairs.root / pairs.val)
    shutil.copytree(pairs.root / pairs.train, pairs.root / pairs.val)
    errors = [each for each in told(validate_pairs(pairs.root, RULES)) if each[0] == "error"]
    problem = "no validation image is left without those that are also in the training"
    assert errors == [("error", pairs.val, problem)]


def test_an_image_of_the_test_set_under_another_name_is_an_error(pairs: PairFolder) -> None:
    source = pairs.root / pairs.train / "S1_A_20200703_014.png"
    shutil.copy(source, source.with_name("S1_Mapple_20200703_014.png"))
    ((severity, file, problem),) = told(validate_pairs(pairs.root, RULES))
    assert (severity, file) == ("error", f"{pairs.train}/{source.name}")
    assert "left out with its glacier of the test set" in problem


def test_one_name_in_both_splits_is_a_warning(pairs: PairFolder) -> None:
    pairs.sar("val", "S1_A_20200703_014.png")
    ((severity, file, problem),) = told(validate_pairs(pairs.root, RULES))
    assert (severity, file) == ("warning", f"{pairs.val}/S1_A_20200703_014.png")
    assert "a training image has the same name" in problem


def build(pairs: PairFolder, **changes: object) -> dict[str, Any]:
    """Write the manifest that the maker of a dataset leaves, with processing of every image."""
    manifest = validate_pairs(pairs.root, RULES).checked_manifest("r")
    path = pairs.root / "dataset.json"
    manifest.write(path)
    content: dict[str, Any] = {**json.loads(path.read_text()), "source": "built", "root": "."}
    for image in (*content["sar"], *content["optical"]):
        image.update(processing={"looks": 4}, spacing_m=20.0, crs="EPSG:32622")
        image["date"] = "2020-07-04"
    content.update(changes)
    path.write_text(json.dumps(content))
    return content


def test_a_built_dataset_keeps_what_its_maker_tells(pairs: PairFolder, tmp_path: Path) -> None:
    out = {"glacier": "Columbia", "train": 9, "val": 1, "optical": 1}
    build(pairs, synthetic=True, excluded=[out])
    report = validate_pairs(pairs.root, BUILT)
    assert report.problems == []
    manifest = report.checked_manifest("r")
    assert manifest.source == "built"
    assert manifest.synthetic
    assert [glacier.model_dump() for glacier in manifest.excluded] == [out]
    for image in (*manifest.sar, *manifest.optical):
        assert (image.processing, image.spacing_m, image.crs) == ({"looks": 4}, 20.0, "EPSG:32622")
        # The name tells the date, too.
        assert image.date != "2020-07-04"
    manifest.write(tmp_path / "dataset.json")
    assert PairManifest.read(tmp_path / "dataset.json").sar == manifest.sar


def test_what_its_maker_left_out_stays_recorded_and_the_user_may_name_more(
    pairs: PairFolder,
) -> None:
    content = build(pairs, left_out=[{"file": f"{pairs.train}/S1_Z.png", "why": "too dark"}])
    first, second = (image["file"] for image in content["sar"][:2])
    (pairs.root / first).unlink()
    (pairs.root / second).write_bytes(b"damaged")
    assert {each.file for each in validate_pairs(pairs.root, BUILT).errors} == {first, second}
    names = (Path(second).name, first)
    manifest = validate_pairs(pairs.root, replace(BUILT, leave_out=names)).checked_manifest("r")
    assert [(image.file, image.why) for image in manifest.left_out] == [
        (second, f"ssl4sar.leave_out: {names[0]}"),
        (f"{pairs.train}/S1_Z.png", "too dark"),
    ]


def test_a_dataset_that_is_not_built_needs_its_manifest(pairs: PairFolder) -> None:
    ((severity, file, problem),) = told(validate_pairs(pairs.root, BUILT))
    assert (severity, file) == ("error", "dataset.json")
    assert problem == "the file is missing: a built dataset has a manifest"
    (pairs.root / "dataset.json").write_text("{")
    ((_, file, problem),) = told(validate_pairs(pairs.root, BUILT))
    assert file == "dataset.json"
    assert problem.startswith("this is not a valid manifest")
    # Other sources do not look at it.
    assert validate_pairs(pairs.root, RULES).problems == []


def test_a_built_dataset_must_be_what_its_manifest_lists(pairs: PairFolder) -> None:
    content = build(pairs)
    changed = pairs.root / pairs.train / "S1_A_20200703_014.png"
    write_gray(changed, read_gray(changed)[::-1])
    (pairs.root / pairs.train / "S1_A_20200715_014.png").unlink()
    pairs.sar("train", "S1_B_20200801_014.png", (30, 36))
    content["sar"][-1]["transform"] = [20, 0, 0, 0, -20, 0]
    content["optical"][1]["transform"] = [20, 0, 90, 0, -20, 0]
    (pairs.root / "dataset.json").write_text(json.dumps(content))
    assert [
        (file, problem.split(":")[0])
        for _, file, problem in told(validate_pairs(pairs.root, BUILT))
    ] == [
        (
            f"{pairs.train}/S1_A_20200703_014.png",
            "the file is not the one that dataset.json lists",
        ),
        (f"{pairs.train}/S1_A_20200715_014.png", "the file is missing that dataset.json lists"),
        (f"{pairs.train}/S1_B_20200801_014.png", "dataset.json does not list the file"),
        (
            f"{pairs.val}/S1_B_20200727_014.png",
            "the image is up to 4.5 pixels off its optical image (transforms (20, 0, 0, 0, -20, "
            "0) and (20, 0, 90, 0, -20, 0)) (data_optical/B_20200715_S2.tif)",
        ),
    ]


def test_what_its_maker_took_for_a_test_glacier_is_one(pairs: PairFolder) -> None:
    build(pairs, included_test_glaciers=["A"], allow_test_glaciers=True)
    ((severity, file, problem),) = told(validate_pairs(pairs.root, BUILT))
    assert (severity, file) == ("error", "dataset.json")
    assert problem == "its maker says that it holds glaciers of the test set: A"
    report = validate_pairs(pairs.root, replace(BUILT, allow_test_glaciers=True))
    assert report.checked_manifest("r").included_test_glaciers == ("A",)
