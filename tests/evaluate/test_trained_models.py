"""What was trained, and whether it had seen what it is tested on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_records import dataset, record, write_record

from ssl4sar.config.series import SeriesConfig
from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.result import build_result, describe_dataset
from ssl4sar.evaluate.schema import read_result
from ssl4sar.evaluate.trained_models import (
    OtherImages,
    assessed,
    model_texts,
    read_other_images,
    read_training_record,
    trained_model,
)

TEST_GLACIERS = ("COL", "Mapple", "COL")
ALLOWED = dataset(["A", "Columbia"], excluded=[], allow_test_glaciers=True)
OFFICIAL = describe_dataset("paper", source="pangaea", comparable_with_published=True)


def model_of(pairs: dict, seeds: tuple[int, ...] = (0, 1)):
    records = [record("opttranslator", seed, pairs) for seed in seeds]
    return trained_model(records, TEST_GLACIERS)


@pytest.mark.parametrize(
    ("glaciers", "seen"),
    [
        (["A", "B"], []),
        (["Mapple", "Columbia"], ["COL", "Mapple"]),
        (["Colorado", "Map"], []),
        # A glacier of the benchmark, but of its training set.
        (["Jakobshavn"], []),
    ],
)
def test_test_glaciers_are_known_by_all_their_names(glaciers: list[str], seen: list[str]) -> None:
    assert model_of(dataset(glaciers)).test_glaciers_seen == seen


@pytest.mark.parametrize(
    ("glaciers", "included", "seen"),
    [
        # Under another name than those of the benchmark.
        (["A", "Great Glacier"], ["Great Glacier"], ["Great Glacier"]),
        # Known by both: once.
        (["A", "Columbia"], ["Columbia"], ["COL"]),
        (["Columbia", "Mine"], ["Columbia", "Mine"], ["COL", "Mine"]),
        # Not in the list of the configuration.
        (["Columbia"], [], ["COL"]),
    ],
)
def test_a_test_glacier_is_one_by_its_name_or_because_the_dataset_says_so(
    glaciers: list[str], included: list[str], seen: list[str]
) -> None:
    pairs = dataset(glaciers, allow_test_glaciers=True, included_test_glaciers=included)
    assert model_of(pairs).test_glaciers_seen == seen


def test_starting_weights_that_have_seen_a_test_glacier_mark_the_result() -> None:
    # A checkpoint of one's own: no pretraining of this study stands behind it.
    records = [{**record("none", seed), "weights": "checkpoint"} for seed in (0, 1)]
    records[1]["starting_weights"] = {**records[1]["starting_weights"], "glaciers": ["COL", "X"]}
    assert trained_model(records[:1], TEST_GLACIERS).test_glaciers_seen == []
    assert trained_model(records, TEST_GLACIERS).test_glaciers_seen == ["COL"]


def test_one_run_that_has_seen_a_test_glacier_marks_them_all() -> None:
    records = [record("optsimmim", 0, dataset()), record("optsimmim", 1, ALLOWED)]
    model = trained_model(records, TEST_GLACIERS)
    assert model.test_glaciers_seen == ["COL"]
    assert model.pretraining is not None
    assert model.pretraining.excluded_glaciers == ["Columbia"]


def test_images_left_out_of_any_pretraining_are_reported() -> None:
    pairs = [dataset(left_out=files) for files in (["val/b.png", "train/a.png"], ["val/b.png"])]
    records = [record("optsimmim", seed, each) for seed, each in enumerate(pairs)]
    pretraining = trained_model(records, TEST_GLACIERS).pretraining
    assert pretraining is not None
    assert pretraining.left_out_images == ["train/a.png", "val/b.png"]


@pytest.mark.parametrize(("weights", "sha256"), [("none", None), ("imagenet", "6" * 64)])
def test_a_model_without_a_pretext_task_has_no_pretraining(weights: str, sha256: str) -> None:
    model = trained_model([record(weights, 0)], TEST_GLACIERS)
    assert (model.name, model.weights, model.weights_sha256) == (weights, weights, [sha256])
    assert model.pretraining is None
    assert model.test_glaciers_seen == []


def test_the_result_says_what_was_trained(runs, baselines) -> None:
    result = build_result(OFFICIAL, runs, baselines, model=model_of(dataset()))
    assert result["model"] == {
        "name": "opttranslator",
        "network": {"name": "tyrion", "input_px": 64},
        "parameters": 1000,
        "weights": "opttranslator",
        "recipe": {"epochs": 2},
        "weights_sha256": ["6" * 64] * 2,
        "pretraining": {
            "task": "opttranslator",
            "checkpoints": [{"sha256": "6" * 64, "epochs": 5, "validation_loss": 0.03}],
            "started_from": "ImageNet weights",
            "source": "zenodo",
            "synthetic": False,
            "excluded_glaciers": ["Columbia"],
            "left_out_images": ["unlabeled_data_raw_train/S1_A_1.png"],
        },
        "test_glaciers_seen": [],
        "series": None,
        "images_alone": 0,
        "date_mean": None,
    }
    assert result["dataset"]["comparable_with_published"] is True
    assert result["dataset"]["note"] == OFFICIAL.note
    assert not any("pretrain" in text for text in result["text"])


def test_a_result_of_seen_glaciers_is_marked_wherever_it_is_read(runs, baselines) -> None:
    result = build_result(OFFICIAL, runs, baselines, model=model_of(ALLOWED))
    assert result["model"]["test_glaciers_seen"] == ["COL"]
    assert result["dataset"]["comparable_with_published"] is False
    note = result["dataset"]["note"]
    assert "SEEN test glaciers (COL): NOT comparable" in note
    assert ": comparable" not in note
    (text,) = (text for text in result["text"] if "have seen images" in text)
    assert "test glaciers COL" in text
    assert "ssl4sar.allow_test_glaciers" in text
    assert read_result(json.loads(json.dumps(result))).to_json() == result


def test_the_note_of_other_scenes_is_kept() -> None:
    coarse = describe_dataset("coarse", source="local", spacing_m=80)
    assert assessed(coarse, [model_of(dataset())]) == coarse
    note = assessed(coarse, [model_of(ALLOWED)]).note
    assert note.startswith(f"{coarse.note}; ")
    assert "SEEN test glaciers (COL)" in note


def test_synthetic_pretraining_of_a_network_for_real_scenes_is_reported() -> None:
    rendered = model_of(dataset(["Synthetic01"], source="synthetic", synthetic=True))
    (text,) = model_texts([rendered], OFFICIAL)
    assert "SYNTHETIC" in text
    assert model_texts([rendered], describe_dataset("x", source="synthetic")) == []
    assert model_texts([model_of(dataset())], OFFICIAL) == []


def test_runs_share_a_pretraining_or_have_each_their_own() -> None:
    records = [record("optsimmim", seed, dataset()) for seed in (3, 4)]
    records[1]["pretraining"] = {**records[1]["pretraining"], "sha256": "a" * 64}
    records[1]["pretraining"]["validation"] = None
    pretraining = trained_model(records, TEST_GLACIERS).pretraining
    assert pretraining is not None
    assert [each.sha256[0] for each in pretraining.checkpoints] == ["6", "a"]
    assert [each.validation_loss for each in pretraining.checkpoints] == [0.03, None]


def test_a_record_is_read_again(tmp_path: Path) -> None:
    made = record("none", 3)
    assert read_training_record(write_record(tmp_path / "model.json", made)) == made


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"start": "none", "seed": 0}'])
def test_what_is_not_a_record_of_a_fine_tuning_is_one_line(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "model.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"model\.json: the file cannot be read") as caught:
        read_training_record(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "with up to 7 others of its glacier's test images, without their labels"),
        ({"window": "past", "max_days": 30}, "up to 7 others that are not later within 30 days of"),
        ({"frames": 1}, "seen alone, in a series of one (prediction.series)"),
    ],
)
def test_a_result_says_that_test_images_were_seen_in_series(
    tmp_path: Path, changes: dict[str, object], text: str
) -> None:
    settings = SeriesConfig.model_validate(changes).model_dump(mode="json")
    scenes = {"a": {"frames": ["a"]}, "b": {"frames": ["b", "c"]}, "c": {"frames": ["b", "c"]}}
    values = {"prediction": {"series": settings}, "scenes": scenes}
    path = write_record(tmp_path / "predictions.json", values)
    model = trained_model([record("none", 0)], TEST_GLACIERS, read_other_images(path))
    assert model.series == settings
    (found,) = model_texts([model], OFFICIAL)
    assert found.startswith("none: each test image was seen ")
    assert text in found
    assert ("; 1 of them had no such image" in found) == (settings["frames"] > 1)


@pytest.mark.parametrize(("window", "which"), [("all", "all"), ("past", "all not later")])
def test_a_result_says_that_zones_have_a_share_of_the_mean_over_dates(
    tmp_path: Path, window: str, which: str
) -> None:
    settings = {"share": 0.7, "window": window}
    path = write_record(tmp_path / "predictions.json", {"prediction": {"date_mean": settings}})
    model = trained_model([record("none", 0)], TEST_GLACIERS, read_other_images(path))
    assert (model.series, model.date_mean) == (None, settings)
    (found,) = model_texts([model, model.model_copy(update={"name": "unet"})], OFFICIAL)
    # What holds for both is said once; the mean holds the image itself.
    assert found.startswith("none, unet: the zones of each test image are to 70% those of the mean")
    assert f" over {which} test images of its glacier on its grid, without their labels" in found


def test_a_result_of_single_images_says_nothing_of_others(tmp_path: Path) -> None:
    path = write_record(tmp_path / "predictions.json", {"prediction": {"stride_px": 8}})
    assert read_other_images(path) == OtherImages()
    path.write_text("{}")
    with pytest.raises(UserError, match=r"predictions\.json: the file cannot be read"):
        read_other_images(path)
