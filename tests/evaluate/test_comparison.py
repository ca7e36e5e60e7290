"""The comparison of models."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_scores import NAMES, image, pretrained, run, scored

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.schema import read_comparison
from ssl4sar.evaluate.scores_file import BaselineScores

SYNTHETIC = describe_dataset("micro", source="synthetic")
BASELINES = {
    "true_zones": BaselineScores("the true zones", [image(name, 12.0, 0) for name in NAMES]),
    "left": BaselineScores("left half ocean", [image(name, 410.0, 400) for name in NAMES]),
    "right": BaselineScores("right half ocean", [image(name, 500.0, 300) for name in NAMES]),
    "none": BaselineScores("all glacier", [image(name, None, 600) for name in NAMES]),
    "half": BaselineScores("bright", [image(NAMES[0], 20.0, 700), image(NAMES[1], None, 700)]),
}
LEFT = {"title": "left half ocean", "no_front": 0}
NONE, TRANSLATOR = [150.0, 170.0, 160.0], [120.0, 131.0, 110.0]


def build(**changes: object) -> dict:
    arguments = {
        "dataset": SYNTHETIC,
        "models": [
            scored("none", NONE, [100, 200, 300]),
            pretrained("opttranslator", TRANSLATOR),
        ],
        "baselines": BASELINES,
        **changes,
    }
    return build_comparison(**arguments)


def test_strict_json_that_fits_its_schema() -> None:
    comparison = build()
    text = json.dumps(comparison, allow_nan=False)
    assert read_comparison(json.loads(text)).to_json() == comparison
    assert comparison["schema"] == "ssl4sar.pretraining-comparison/2"
    assert comparison["dataset"]["synthetic"] is True
    assert comparison["images"] == 2


def test_runs_and_their_spread() -> None:
    comparison = build()
    none, translator = comparison["models"]
    assert [none["model"]["name"], translator["model"]["name"]] == ["none", "opttranslator"]
    assert [each["mde_m"] for each in none["runs"]] == NONE
    assert none["mde_m"] == {
        "mean": pytest.approx(160),
        "std": pytest.approx(np.std(NONE)),
        "median": pytest.approx(160),
        "runs": 3,
    }
    # 100 of 1000 pixels are wrong, half of them in each of two classes of 500: 450 / 550.
    assert none["runs"][0]["iou_pooled"] == pytest.approx(450 / 550)
    assert [each["member"] for each in none["runs"]] == ["seed0", "seed1", "seed2"]


def test_share_of_the_front_within_500_m_of_every_run() -> None:
    (compared,) = build(models=[scored("none", [499.0, None, 600.0])])["models"]
    assert [run["front_recall_500m"] for run in compared["runs"]] == [1, 0, 0]
    assert [run["front_precision_500m"] for run in compared["runs"]] == [1, None, 0]
    assert compared["front_recall_500m"]["mean"] == pytest.approx(1 / 3)
    assert (compared["front_precision_500m"]["mean"], compared["front_precision_500m"]["runs"]) == (
        0.5,
        2,
    )


def test_what_was_trained_is_in_the_comparison() -> None:
    made = pretrained("optsimmim", NONE, own=True)
    (compared,) = build(models=[made])["models"]
    assert compared["model"] == made.model.model_dump(mode="json")
    assert compared["model"]["pretraining"]["checkpoints"][0]["epochs"] == 8


def test_pairs_say_which_is_better_by_either_measure() -> None:
    (pair,) = build()["pairs"]
    assert (pair["baseline"], pair["opponent"]) == ("none", "opttranslator")
    assert pair["mde_m"]["mean_advantage"] == pytest.approx(160 - np.mean(TRANSLATOR))
    assert pair["mde_m"]["effect_size"] == pytest.approx((160 - np.mean(TRANSLATOR)) / np.std(NONE))
    assert pair["mde_m"]["mann_whitney_u"] == 9
    assert pair["mde_m"]["mann_whitney_p"] == pytest.approx(0.05)
    assert pair["mde_m"]["mann_whitney_least_p"] == pytest.approx(0.05)
    assert pair["iou_pooled"]["mean_advantage"] > 0
    every = [scored(name, NONE) for name in ("a", "c", "b")]
    pairs = [(each["baseline"], each["opponent"]) for each in build(models=every)["pairs"]]
    assert pairs == [("a", "c"), ("a", "b"), ("c", "b")]


def test_runs_without_any_front_are_left_out_of_the_tests() -> None:
    some = [scored("none", [150.0, None, 160.0]), scored("imagenet", [None, None, None])]
    comparison = build(models=some)
    (pair,) = comparison["pairs"]
    assert (pair["mde_m"]["baseline_runs"], pair["mde_m"]["opponent_runs"]) == (2, 0)
    assert pair["mde_m"]["mean_advantage"] is None
    assert pair["iou_pooled"]["baseline_runs"] == 3
    assert comparison["models"][1]["mde_m"]["mean"] is None
    json.dumps(comparison, allow_nan=False)


def test_what_the_numbers_are_to_be_measured_by() -> None:
    assert build()["references"] == {
        "floor_m": 12.0,
        "floor_no_front": 0,
        "floor_front_recall_500m": 1.0,
        "floor_front_precision_500m": 1.0,
        "best_trivial_front_recall_500m": {**LEFT, "value": 1.0},
        "best_trivial_front_precision_500m": {**LEFT, "value": 1.0},
        "best_trivial_mde_m": {**LEFT, "value": 410.0},
        "best_trivial_iou_pooled": {
            "title": "right half ocean",
            "value": pytest.approx(350 / 650),
            "no_front": 0,
        },
    }
    nothing = build(baselines={})["references"]
    assert set(nothing.values()) == {None}


def test_the_best_trivial_prediction_skips_no_image_that_the_truth_has() -> None:
    references = build(baselines={key: BASELINES[key] for key in ("true_zones", "half", "none")})
    best = references["references"]["best_trivial_mde_m"]
    assert best == {"title": "bright", "value": 20.0, "no_front": 1}
    (sentence,) = [text for text in references["text"] if "not better than the best" in text]
    assert "(bright, 20 m, no front in 1 of 2 images) by the mean MDE: none" in sentence
    # Where the truth itself skips an image, a prediction may.
    floor = BaselineScores("the true zones", BASELINES["half"].scores)
    references = build(baselines={**BASELINES, "true_zones": floor})["references"]
    assert references["best_trivial_mde_m"]["title"] == "bright"
    assert references["floor_no_front"] == 1


def test_the_original_study_is_given_and_marked() -> None:
    published = build()["published"]
    assert published["reproduced"] is False
    assert "official CaFFe test set" in published["test_set"]
    systems = {each["system"]: each["mde_m"]["mean"] for each in published["systems"]}
    assert systems["Tyrion + OptTranslator pretraining"] == pytest.approx(293.2, abs=0.05)
    by_pair = {(each["baseline"], each["opponent"]): each["mde_m"] for each in published["pairs"]}
    assert len(by_pair) == 6
    pair = by_pair["Tyrion, ImageNet weights only", "Tyrion + OptTranslator pretraining"]
    assert pair["mann_whitney_p"] == pytest.approx(0.0754, abs=0.0001)


def test_runs_over_other_images_are_refused() -> None:
    none = scored("none", NONE)
    other = replace(none, runs=[replace(run(0, 150.0), images=[image(NAMES[0], 150.0)])])
    with pytest.raises(ValueError, match="same images"):
        build(models=[none, other])
    with pytest.raises(ValueError, match="same images"):
        build(baselines={"left": BaselineScores("left", [image(NAMES[0], 1.0)])})
    for models in ([], [none, replace(none, runs=[])]):
        with pytest.raises(ValueError, match="no run"):
            build(models=models)
