"""A built dataset is compared with the manifest of its maker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pair_folder import PairFolder

from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_report import PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs

RULES = PairRules("local", ("COL", "Columbia", "Mapple"))
BUILT = PairRules("built", RULES.test_glaciers)


def told(report: PairReport) -> list[tuple[str, str, str]]:
    return [(p.severity, p.file, p.problem) for p in report.problems]


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


def test_a_manifest_that_calls_an_image_otherwise_is_an_error(pairs: PairFolder) -> None:
    content = build(pairs)
    optical, first, last = content["optical"][0], content["sar"][0], content["sar"][-1]
    optical["glacier"] = "Columbia"
    for image in content["sar"]:
        if image["glacier"] == "A":
            image["glacier"] = "Columbia"
    last["split"] = "train"
    (pairs.root / "dataset.json").write_text(json.dumps(content))
    problems = {file: problem for _, file, problem in told(validate_pairs(pairs.root, BUILT))}
    assert problems[optical["file"]].startswith("dataset.json calls it Columbia, by its")
    assert problems[first["file"]].endswith("by its folder and name it is A train")
    assert problems[last["file"]].startswith(f"dataset.json calls it {last['glacier']} train")


def test_what_its_maker_took_for_a_test_glacier_is_one(pairs: PairFolder) -> None:
    build(pairs, included_test_glaciers=["A"], allow_test_glaciers=True)
    ((severity, file, problem),) = told(validate_pairs(pairs.root, BUILT))
    assert (severity, file) == ("error", "dataset.json")
    assert problem == "its maker says that it holds glaciers of the test set: A"
    report = validate_pairs(pairs.root, replace(BUILT, allow_test_glaciers=True))
    assert report.checked_manifest("r").included_test_glaciers == ("A",)


def test_a_manifest_of_another_grid_is_an_error(pairs: PairFolder) -> None:
    content = build(pairs)
    for image in (*content["sar"], *content["optical"]):
        if image["glacier"] == "C":
            image["width"] = 25
    (pairs.root / "dataset.json").write_text(json.dumps(content))
    problems = [problem for _, _, problem in told(validate_pairs(pairs.root, BUILT))]
    assert problems == ["the image is 20x24 px, dataset.json 20x25 px"] * 3


def test_a_manifest_of_another_folder_is_an_error(pairs: PairFolder) -> None:
    build(pairs, root="elsewhere")
    ((_, file, problem),) = told(validate_pairs(pairs.root, BUILT))
    assert file == "dataset.json"
    assert "not the folder that it lies in" in problem
