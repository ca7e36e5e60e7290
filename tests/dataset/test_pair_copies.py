"""Images that are there twice: told, or left out of the validation."""

from __future__ import annotations

import shutil
from dataclasses import replace

from pair_folder import PairFolder

from ssl4sar.dataset.pair_report import PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs

RULES = PairRules("local", ("COL", "Columbia", "Mapple"))


def told(report: PairReport) -> list[tuple[str, str, str]]:
    return [(p.severity, p.file, p.problem) for p in report.problems]


def test_equal_files_of_a_split_are_told_and_used(pairs: PairFolder) -> None:
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


def test_a_glacier_of_copies_alone_is_not_used(pairs: PairFolder) -> None:
    """Its optical image would have no partner left."""
    pairs.raster("D_20200715_S2.tif", pairs.reflectance("D"))
    source = pairs.root / pairs.train / "S1_A_20200703_014.png"
    shutil.copy(source, pairs.root / pairs.val / "S1_D_20200703_014.png")
    manifest = validate_pairs(pairs.root, RULES).checked_manifest("r")
    assert manifest.glaciers == ("A", "B", "C")


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
