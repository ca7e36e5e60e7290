"""Scoring a folder of zone maps."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.evaluate.command import EvaluateRequest, evaluate
from ssl4sar.evaluate.schema import read_result
from ssl4sar.evaluate.scoring import LabelFolders

NAMES = (
    "COL_2011-06-18_TDX_20_1_024",
    "COL_2011-12-18_S1_20_1_024",
    "Mapple_2011-12-18_TSX_20_2_034",
)


@pytest.fixture
def request_(folders, tmp_path: Path) -> EvaluateRequest:
    return EvaluateRequest(folders.predictions, folders.labels, tmp_path / "r.json", "model")


def test_writes_what_it_returns(request_) -> None:
    result = evaluate(request_)
    written = json.loads(request_.out.read_text())
    assert written == result
    content = read_result(written)
    assert content.dataset.name == "model"
    assert content.dataset.source == "folders"
    assert not content.dataset.comparable_with_published
    assert content.runs[0].member is None
    assert len(content.per_image) == content.images == 3
    assert content.floor_m == pytest.approx(60 / 106)


def test_synthetic_labels_are_named(request_) -> None:
    file = next(request_.labels.zones.iterdir())
    assert evaluate(request_)["dataset"]["synthetic"] is False
    write_gray(file, read_gray(file), {"Comment": "SYNTHETIC scene"})
    dataset = evaluate(request_)["dataset"]
    assert dataset["synthetic"] is True
    assert "SYNTHETIC" in dataset["note"]


def test_the_official_set_is_comparable(request_, monkeypatch) -> None:
    asked = {}

    def official(names, sizes_px) -> bool:
        asked.update({name: sizes_px[name] for name in names})
        return True

    monkeypatch.setattr("ssl4sar.evaluate.command.is_official_test", official)
    assert evaluate(request_)["dataset"]["comparable_with_published"] is True
    assert list(asked.values()) == [(60, 80)] * 3


def test_nothing_is_written_after_a_mistake(request_, folders) -> None:
    next(folders.predictions.iterdir()).unlink()
    with pytest.raises(UserError, match="1 of 3 predictions are missing"):
        evaluate(request_)
    assert not request_.out.exists()


def test_extra_predictions_are_reported(request_, folders) -> None:
    for index in range(5):
        write_gray(folders.predictions / f"extra{index}.png", np.zeros((2, 2), np.uint8))
    text = evaluate(request_)["text"][-1]
    assert text.startswith("5 predictions belong to no scene")
    assert text.endswith("extra0.png, extra1.png, extra2.png, ...")


@pytest.mark.parametrize("which", ["fronts", "zones", "boxes", "predictions", "sar"])
@pytest.mark.parametrize("linked", [False, True])
def test_fronts_never_go_among_the_inputs(
    request_, folders, tmp_path: Path, which: str, linked: bool
) -> None:
    places = {
        "fronts": folders.labels.fronts,
        "zones": folders.labels.zones,
        "boxes": folders.labels.boxes,
        "predictions": folders.predictions,
        "sar": folders.sar,
    }
    before = content(folders.root)
    out = places[which]
    if linked:
        (tmp_path / "link").symlink_to(out)
        out = tmp_path / "link"
    with pytest.raises(UserError, match="--fronts-out is the folder of the"):
        evaluate(replace(request_, fronts_out=out, sar=folders.sar))
    assert content(folders.root) == before
    assert not request_.out.exists()


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("folder", ["fronts", "zones", "boxes", "predictions", "sar"])
def test_the_result_never_replaces_an_input(request_, folders, folder: str) -> None:
    before = content(folders.root)
    file = min((folders.root / folder).iterdir())
    with pytest.raises(UserError, match="--out is a file that is read"):
        evaluate(replace(request_, out=file, sar=folders.sar))
    assert content(folders.root) == before


def test_the_result_is_no_folder(request_, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder has this name"):
        evaluate(replace(request_, out=tmp_path))
    with pytest.raises(UserError, match="--out and --fronts-out are the same"):
        evaluate(replace(request_, fronts_out=request_.out))


def test_the_result_may_lie_beside_the_predictions(request_, folders) -> None:
    inside = replace(request_, out=folders.predictions / "r.json")
    assert evaluate(inside) == evaluate(inside)


def test_after_an_error_there_are_no_fronts_and_the_old_files_stay(
    request_, folders, tmp_path: Path
) -> None:
    fronts = tmp_path / "out" / "fronts"
    asked = replace(request_, fronts_out=fronts)
    last = max(folders.predictions.iterdir())
    good = last.read_bytes()
    last.write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        evaluate(asked)
    assert list((tmp_path / "out").iterdir()) == []
    last.write_bytes(good)
    evaluate(asked)
    assert len(list(fronts.iterdir())) == 3
    before = content(tmp_path / "out"), request_.out.read_bytes()
    first = min(folders.predictions.iterdir())
    write_gray(first, np.full((60, 80), 127, np.uint8))
    last.write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        evaluate(asked)
    assert (content(tmp_path / "out"), request_.out.read_bytes()) == before


def test_sar_images_add_the_otsu_baselines(request_, folders) -> None:
    assert not [key for key in evaluate(request_)["baselines"] if key.startswith("otsu")]
    with_sar = evaluate(replace(request_, sar=folders.sar))["baselines"]
    assert {"otsu_dark_ocean", "otsu_bright_ocean"} <= set(with_sar)


def test_missing_sar_images_are_reported_before_scoring(request_, folders, monkeypatch) -> None:
    monkeypatch.setattr("ssl4sar.evaluate.command.score_folder", pytest.fail)
    folders.sar_path(folders.labels.names()[1]).unlink()
    with pytest.raises(UserError, match="1 of 3 SAR images are missing"):
        evaluate(replace(request_, sar=folders.sar))
    with pytest.raises(UserError, match="the folder does not exist"):
        evaluate(replace(request_, sar=folders.sar / "none"))


def rename(folder: Path, old: str, new: str) -> None:
    for file in list(folder.iterdir()):
        file.rename(file.with_name(file.name.replace(old, new)))


def test_endings_in_any_case_count_and_what_systems_leave_behind_does_not(
    request_, folders
) -> None:
    with_sar = replace(request_, sar=folders.sar)
    expected = evaluate(with_sar)
    for folder in ("zones", "fronts", "boxes", "predictions", "sar"):
        for old, new in ((".png", ".PNG"), (".txt", ".TXT"), ("_zones", "_Zones")):
            rename(folders.root / folder, old, new)
        file = min((folders.root / folder).iterdir())
        for name in (f"._{file.name}", ".DS_Store", "Thumbs.db"):
            (file.parent / name).write_bytes(b"AppleDouble")
        (file.parent / "__MACOSX").mkdir()
    assert evaluate(with_sar) == expected


def test_a_golden_case_in_another_case_counts(test_data: Path, tmp_path: Path) -> None:
    """All three scenes count, 60.62 m; without one of them it was 5.48 m."""
    golden = test_data / "golden"
    kept = ("COL_2014-08-12", "COL_2016-07-27", "COL_2018-02-09")
    for folder in ("zones", "fronts", "bounding_boxes", "predictions"):
        (tmp_path / folder).mkdir()
        for file in (golden / folder).iterdir():
            if file.name.startswith(kept):
                shutil.copyfile(file, tmp_path / folder / file.name)
    labels = LabelFolders(*(tmp_path / name for name in ("zones", "fronts", "bounding_boxes")))
    request = EvaluateRequest(tmp_path / "predictions", labels, tmp_path / "r.json", "golden")
    expected = evaluate(request)
    assert expected["images"] == 3
    for file in labels.zones.iterdir():
        file.rename(file.with_suffix(".PNG"))
    (labels.zones / f"._{kept[0]}_zones.png").write_bytes(b"AppleDouble")
    assert evaluate(request) == expected


@pytest.mark.parametrize("folder", ["zones", "fronts", "boxes", "sar"])
def test_two_files_that_differ_by_case_are_refused(request_, folders, folder: str) -> None:
    file = min((folders.root / folder).iterdir())
    file.with_suffix(file.suffix.upper()).write_bytes(file.read_bytes())
    with pytest.raises(UserError, match="has the same name"):
        evaluate(replace(request_, sar=folders.sar))
    assert not request_.out.exists()


@pytest.mark.parametrize("ending", [".tif", ".png", "_zones.jpg", "_zones", "_front.txt"])
def test_a_mask_of_another_ending_is_refused_by_name(request_, folders, ending: str) -> None:
    file = min(folders.labels.zones.iterdir())
    name = file.name.replace("_zones.png", ending)
    file.rename(file.with_name(name))
    with pytest.raises(UserError, match=rf"{name}: the name does not end in _zones\.png"):
        evaluate(request_)


def test_what_was_not_read_is_reported(request_, folders) -> None:
    (folders.labels.zones / "val").mkdir()
    (folders.labels.zones / "notes.md").touch()
    write_gray(folders.labels.fronts / f"{NAMES[0][:-1]}9_front.png", np.zeros((2, 2), np.uint8))
    (folders.labels.boxes / "COL_2011-01-01_TDX_7_1_024_front_extent_coord.txt").touch()
    write_gray(folders.sar / "other.png", np.zeros((2, 2), np.uint8))
    text = evaluate(replace(request_, sar=folders.sar, fronts_out=folders.predictions / "out"))[
        "text"
    ]
    told = [line for line in text if "were not" in line]
    assert told == [
        "2 entries of the folder of the zone masks were not read: notes.md, val/",
        f"1 labelled fronts belong to no scene and were not scored: {NAMES[0][:-1]}9_front.png",
        "1 SAR images belong to no scene and were not scored: other.png",
    ]


def test_labels_that_contradict_each_other_are_refused(request_, folders) -> None:
    front = folders.labels.fronts / f"{NAMES[1]}_front.png"
    right = read_gray(front)
    for wrong, message in (
        (255 - right, "the front is not a line: 98.9% of the image, mostly as an area"),
        (np.roll(right, 20, axis=1), "0% of the front are within 5 px of ocean beside glacier"),
        (read_gray(folders.labels.zones / f"{NAMES[1]}_zones.png"), "it has grey values other"),
        (right // 255, "it has grey values other than 0 and 255"),
        (np.maximum(right, 3), "it has grey values other than 0 and 255"),
    ):
        write_gray(front, wrong)
        with pytest.raises(UserError, match=f"{NAMES[1]}_front.png: {message}"):
            evaluate(request_)
        assert not request_.out.exists()
    write_gray(front, np.maximum(right, np.roll(right, 1, axis=1)))
    assert evaluate(request_)["text"][-1] == (
        f"1 labelled fronts look odd, the first is {NAMES[1]}_front.png: the front is wider than "
        "one pixel; thin it: every pixel counts in the mean distance"
    )


def test_a_label_that_is_a_link_to_itself_is_one_line(request_, folders) -> None:
    front = sorted(folders.labels.fronts.iterdir())[0]
    front.unlink()
    front.symlink_to(front.name)
    with pytest.raises(UserError, match="cannot be read"):
        evaluate(request_)
