"""Where fine-tunings started from, and whether they had seen what they are tested on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_records import dataset, record, write_record

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.result import build_result, describe_dataset
from ssl4sar.evaluate.result_schema import validate_result
from ssl4sar.evaluate.starting_point import (
    judged,
    pretraining_facts,
    read_training_record,
    start_texts,
    starting_point,
)

TEST_GLACIERS = ("COL", "Mapple", "COL")
ALLOWED = dataset(["A", "Columbia"], excluded=[], allow_test_glaciers=True)
OFFICIAL = describe_dataset("paper", source="pangaea", comparable_with_published=True)


def start_of(pairs: dict, seeds: tuple[int, ...] = (0, 1)):
    records = [record("opttranslator", seed, pairs) for seed in seeds]
    return starting_point("opttranslator", records, TEST_GLACIERS)


@pytest.mark.parametrize(
    ("glaciers", "seen"),
    [
        (["A", "B"], []),
        ([], []),
        (["A", "Columbia"], ["COL"]),
        (["COLUMBIA"], ["COL"]),
        (["col"], ["COL"]),
        (["Mapple", "Columbia"], ["COL", "Mapple"]),
        (["ColumbiaGlacier"], ["COL"]),
        (["Colorado", "Map"], []),
        # A glacier of the benchmark, but of its training set.
        (["Jakobshavn"], []),
    ],
)
def test_test_glaciers_are_known_by_all_their_names(glaciers: list[str], seen: list[str]) -> None:
    assert start_of(dataset(glaciers)).test_glaciers_seen == seen


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
    assert start_of(pairs).test_glaciers_seen == seen


def test_starting_weights_that_have_seen_a_test_glacier_mark_the_result() -> None:
    # A checkpoint of one's own: no pretraining of this study stands behind it.
    records = [{**record("none", seed), "start": "checkpoint"} for seed in (0, 1)]
    records[1]["starting_weights"] = {**records[1]["starting_weights"], "glaciers": ["COL", "X"]}
    assert starting_point("checkpoint", records[:1], TEST_GLACIERS).test_glaciers_seen == []
    assert starting_point("checkpoint", records, TEST_GLACIERS).test_glaciers_seen == ["COL"]


def test_one_run_that_has_seen_a_test_glacier_marks_them_all() -> None:
    records = [record("optsimmim", 0, dataset()), record("optsimmim", 1, ALLOWED)]
    start = starting_point("optsimmim", records, TEST_GLACIERS)
    assert start.test_glaciers_seen == ["COL"]
    assert start.excluded_glaciers == ["Columbia"]


def test_images_left_out_of_any_pretraining_are_told() -> None:
    pairs = [dataset(left_out=files) for files in (["val/b.png", "train/a.png"], ["val/b.png"])]
    records = [record("optsimmim", seed, each) for seed, each in enumerate(pairs)]
    start = starting_point("optsimmim", records, TEST_GLACIERS)
    assert start.left_out_images == ["train/a.png", "val/b.png"]
    facts = pretraining_facts("optsimmim", records, TEST_GLACIERS)
    assert facts is not None
    assert facts.left_out_images == ["train/a.png", "val/b.png"]


def test_a_start_without_a_pretext_task_has_no_pretraining() -> None:
    for variant, sha256 in (("none", None), ("imagenet", "6" * 64)):
        start = starting_point(variant, [record(variant, 0)], TEST_GLACIERS)
        assert start.weights_sha256 == [sha256]
        assert start.pretraining_source is None
        assert start.pretraining_synthetic is None
        assert (start.excluded_glaciers, start.left_out_images) == ([], [])
        assert start.test_glaciers_seen == []


def test_the_result_tells_the_hash_of_every_start(scores, runs, baselines) -> None:
    start = start_of(dataset())
    result = build_result(OFFICIAL, runs, baselines, start=start)
    assert result["starting_point"] == {
        "variant": "opttranslator",
        "weights_sha256": ["6" * 64] * 2,
        "pretraining_source": "zenodo",
        "pretraining_synthetic": False,
        "excluded_glaciers": ["Columbia"],
        "left_out_images": ["unlabeled_data_raw_train/S1_A_1.png"],
        "test_glaciers_seen": [],
    }
    assert result["dataset"]["comparable_with_published"] is True
    assert result["dataset"]["note"] == OFFICIAL.note
    assert not any("pretrain" in text for text in result["text"])


def test_a_result_of_seen_glaciers_is_marked_wherever_it_is_read(runs, baselines) -> None:
    result = build_result(OFFICIAL, runs, baselines, start=start_of(ALLOWED))
    assert result["starting_point"]["test_glaciers_seen"] == ["COL"]
    assert result["dataset"]["comparable_with_published"] is False
    note = result["dataset"]["note"]
    assert "SEEN test glaciers (COL): NOT comparable" in note
    assert ": comparable" not in note
    (text,) = (text for text in result["text"] if "has seen images" in text)
    assert "test glaciers COL" in text
    assert "ssl4sar.allow_test_glaciers" in text
    assert validate_result(json.loads(json.dumps(result))).to_json() == result


def test_the_note_of_other_scenes_is_kept() -> None:
    coarse = describe_dataset("coarse", source="local", spacing_m=80)
    assert judged(coarse, start_of(dataset())) == coarse
    note = judged(coarse, start_of(ALLOWED)).note
    assert note.startswith(f"{coarse.note}; ")
    assert "SEEN test glaciers (COL)" in note


def test_synthetic_pretraining_of_a_network_for_real_scenes_is_told() -> None:
    rendered = start_of(dataset(["Synthetic01"], source="synthetic", synthetic=True))
    (text,) = start_texts(rendered, OFFICIAL)
    assert "SYNTHETIC" in text
    assert start_texts(rendered, describe_dataset("x", source="synthetic")) == []
    assert start_texts(start_of(dataset()), OFFICIAL) == []


def test_facts_of_a_pretraining_that_the_runs_share_or_have_each_their_own() -> None:
    records = [record("optsimmim", seed, dataset()) for seed in (3, 4)]
    shared = pretraining_facts("optsimmim", records, TEST_GLACIERS)
    assert shared.started_by == {3: "6" * 64, 4: "6" * 64}
    (checkpoint,) = shared.checkpoints
    assert (checkpoint.sha256, checkpoint.epochs, checkpoint.validation_loss) == ("6" * 64, 5, 0.03)
    assert shared.started_from == "ImageNet weights"
    assert shared.excluded_glaciers == ["Columbia"]
    assert (shared.synthetic, shared.saw_test_glaciers) == (False, False)
    records[1]["pretraining"] = {**records[1]["pretraining"], "sha256": "a" * 64}
    own = pretraining_facts("optsimmim", records, TEST_GLACIERS)
    assert [each.sha256[0] for each in own.checkpoints] == ["6", "a"]
    assert own.started_by[4] == "a" * 64
    assert pretraining_facts("none", [record("none", 0)], TEST_GLACIERS) is None
    assert pretraining_facts("imagenet", [record("imagenet", 0)], TEST_GLACIERS) is None


def test_a_pretraining_without_validation_of_its_last_epoch() -> None:
    made = record("optsimmim", 0, ALLOWED)
    made["pretraining"]["validation"] = None
    facts = pretraining_facts("optsimmim", [made], TEST_GLACIERS)
    assert facts.checkpoints[0].validation_loss is None
    assert facts.saw_test_glaciers


def test_a_record_is_read_again(tmp_path: Path) -> None:
    made = record("none", 3)
    assert read_training_record(write_record(tmp_path / "model.json", made)) == made


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"start": "none"}'])
def test_what_is_no_record_of_a_fine_tuning_is_told_in_one_line(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "model.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"model\.json: the file cannot be read") as caught:
        read_training_record(path)
    assert "\n" not in str(caught.value)
