"""Scoring folders: known scenes, order, written fronts, and everything a user can get wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.core.scene_name import SceneName
from ssl4sar.evaluate.scoring import (
    ImageScore,
    LabelFolders,
    LabelledScene,
    prediction_files,
    score_folder,
    score_image,
)
from ssl4sar.metrics.fronts import ExtractedFront


def test_known_scenes(folders) -> None:
    near, far, nothing = score_folder(folders.predictions, folders.labels, folders.labels.names())
    # Four columns of 20 m; the true front has two rows more than the box keeps.
    assert near.mde_m == pytest.approx(80, rel=1e-2)
    assert near.predicted_front_px == 52
    assert near.predicted_front_before_box_px == near.true_front_px == 54
    assert near.n_distances == 106
    assert far.mde_m == pytest.approx(160, rel=1e-2)
    assert nothing.no_front
    assert nothing.mde_m is None
    assert nothing.n_distances == 0
    assert near.confusion_counts.sum() == 60 * 80
    assert near.class_scores.table("skipped")["iou"]["rock"] == 1


@pytest.mark.parametrize(
    ("spacing_m", "row", "columns", "true_near_px", "predicted_near_px"),
    [
        (20, 0, slice(0, 100), 100, 100),  # the labelled front itself
        (20, 24, slice(0, 100), 100, 100),  # 480 m off
        (20, 25, slice(0, 100), 0, 0),  # 500 m off, which is not less than 500 m
        (10, 25, slice(0, 100), 100, 100),  # the same pixels, 250 m off
        (20, 0, slice(0, 50), 50 + 24, 50),  # half of it; 24 pixels beyond are within 480 m
        (10, 0, slice(0, 50), 50 + 49, 50),
        (20, 7, slice(0, 50), 50 + 23, 50),  # 7**2 + 24**2 = 25**2
        (20, 0, slice(90, 200), 10 + 24, 10 + 24),  # beyond both ends
        (20, 0, slice(0, 0), 0, 0),  # no front, or none within the box
    ],
)
def test_front_within_500_m(spacing_m, row, columns, true_near_px, predicted_near_px) -> None:
    zones = np.zeros((30, 200), np.uint8)
    true, predicted = np.zeros((2, *zones.shape), bool)
    true[0, :100] = predicted[row, columns] = True
    name = SceneName.parse("COL_2011-06-18_TDX_20_1_024")
    scene = LabelledScene(name, zones, true, (slice(None), slice(None)), spacing_m)
    score = score_image(scene, zones, ExtractedFront(zones, predicted, predicted))
    assert score.true_front_near_px == true_near_px
    assert score.front_recall_500m == true_near_px / 100
    assert score.predicted_front_near_px == predicted_near_px
    if predicted.any():
        assert score.front_precision_500m == predicted_near_px / predicted.sum()
    else:
        assert score.front_precision_500m is None


def test_perfect_prediction_gives_the_floor(folders) -> None:
    score = score_folder(folders.labels.zones, folders.labels, folders.labels.names())[0]
    assert score.class_scores.table("skipped")["iou"]["average"] == 1
    # Only the two labelled rows outside the box have a distance: 20 and 40 m.
    assert score.sum_m == 60


def test_order_follows_the_names_whatever_the_workers(folders) -> None:
    names = folders.labels.names()[::-1]
    scores = score_folder(folders.predictions, folders.labels, names, workers=2)
    assert [score.name for score in scores] == names
    alone = [score_folder(folders.predictions, folders.labels, [name])[0] for name in names]
    assert scores == alone


def test_fronts_are_written_as_0_and_255(folders, tmp_path: Path) -> None:
    names = folders.labels.names()
    out = tmp_path / "out" / "fronts"
    scores = score_folder(folders.predictions, folders.labels, names, fronts_out=out)
    assert sorted(path.name for path in out.iterdir()) == [f"{name}_front.png" for name in names]
    for score in scores:
        front = read_gray(out / f"{score.name}_front.png")
        assert set(np.unique(front)) <= {0, 255}
        assert (front > 0).sum() == score.predicted_front_px


def test_scores_survive_json(folders) -> None:
    for score in score_folder(folders.predictions, folders.labels, folders.labels.names()):
        text = json.dumps(score.to_json(), allow_nan=False)
        assert ImageScore.from_json(json.loads(text)) == score


def test_prediction_with_zones_in_its_name(folders) -> None:
    name = folders.labels.names()[0]
    before = score_folder(folders.predictions, folders.labels, [name])
    file = folders.predictions / f"{name}.png"
    file.rename(folders.predictions / f"{name}_zones.png")
    assert score_folder(folders.predictions, folders.labels, [name]) == before


def test_missing_predictions_are_counted(folders) -> None:
    names = folders.labels.names()
    (folders.predictions / f"{names[0]}.png").unlink()
    (folders.predictions / f"{names[2]}.png").unlink()
    with pytest.raises(UserError, match=f"2 of 3 predictions are missing, the first is {names[0]}"):
        score_folder(folders.predictions, folders.labels, names)


def test_two_predictions_of_a_scene(folders) -> None:
    name = folders.labels.names()[0]
    greys = read_gray(folders.predictions / f"{name}.png")
    write_gray(folders.predictions / f"{name}_zones.png", greys)
    with pytest.raises(UserError, match="two predictions for COL_2011-06-18"):
        prediction_files(folders.predictions, [name])


def damage_size(folders, name: str) -> None:
    write_gray(folders.predictions / f"{name}.png", np.zeros((60, 79), np.uint8))


def damage_grey(folders, name: str) -> None:
    greys = read_gray(folders.predictions / f"{name}.png")
    greys[3, 5] = 200
    write_gray(folders.predictions / f"{name}.png", greys)


def damage_truncated(folders, name: str) -> None:
    file = folders.predictions / f"{name}.png"
    noise = np.random.default_rng(0).choice([0, 64, 127, 254], (60, 80)).astype(np.uint8)
    write_gray(file, noise)
    file.write_bytes(file.read_bytes()[:-400])


def damage_front_size(folders, name: str) -> None:
    write_gray(folders.labels.fronts / f"{name}_front.png", np.zeros((10, 80), np.uint8))


def remove_front(folders, name: str) -> None:
    (folders.labels.fronts / f"{name}_front.png").unlink()


def remove_box(folders, name: str) -> None:
    (folders.labels.boxes / f"{name}_front_extent_coord.txt").unlink()


def shorten_box(folders, name: str) -> None:
    (folders.labels.boxes / f"{name}_front_extent_coord.txt").write_text("x,y\n1,2\n3,4\n")


def move_box(folders, name: str) -> None:
    file = folders.labels.boxes / f"{name}_front_extent_coord.txt"
    file.write_text("x,y\n100,50\n100,10\n120,10\n120,50\n")


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        (damage_size, ".png", "60x79 px, the zone mask of the scene 60x80"),
        (damage_grey, ".png", "grey value 200 at row 3, column 5 is not a zone"),
        (damage_truncated, ".png", "damaged"),
        (damage_front_size, "_front.png", "10x80 px"),
        (remove_front, "_front.png", "does not exist"),
        (remove_box, "_front_extent_coord.txt", "the bounding box is missing"),
        (shorten_box, "_front_extent_coord.txt", "four corners"),
        (move_box, "_front_extent_coord.txt", "outside the 60x80 px image"),
    ],
)
def test_bad_files_are_named(folders, damage, file: str, message: str) -> None:
    name = folders.labels.names()[1]
    damage(folders, name)
    with pytest.raises(UserError, match=message) as told:
        score_folder(folders.predictions, folders.labels, folders.labels.names())
    assert f"{name}{file}" in str(told.value)
    assert "\n" not in str(told.value)


def test_each_size_gets_its_own_advice(folders) -> None:
    names = folders.labels.names()
    damage_size(folders, names[0])
    damage_front_size(folders, names[1])
    with pytest.raises(UserError, match="predict on the full image"):
        score_folder(folders.predictions, folders.labels, names[:1])
    with pytest.raises(UserError, match="give zones and fronts of the same scenes") as told:
        score_folder(folders.predictions, folders.labels, names[1:2])
    assert "predict" not in told.value.fix


def test_folders_that_are_missing_or_empty(folders, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match="does not exist"):
        LabelFolders(missing, missing, missing).names()
    with pytest.raises(UserError, match="does not exist"):
        prediction_files(missing, ["x"])
    missing.mkdir()
    with pytest.raises(UserError, match="holds no zone masks"):
        LabelFolders(missing, missing, missing).names()
    write_gray(missing / "picture.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(UserError, match=r"does not end in _zones\.png"):
        LabelFolders(missing, missing, missing).names()


def test_label_without_any_front_leaves_the_image_out(folders) -> None:
    name = folders.labels.names()[0]
    write_gray(folders.labels.fronts / f"{name}_front.png", np.zeros((60, 80), np.uint8))
    score = score_folder(folders.predictions, folders.labels, [name])[0]
    assert score.no_front
    assert score.true_front_px == 0
    assert score.predicted_front_px > 0
    assert (score.front_recall_500m, score.front_precision_500m) == (None, 0)
