"""The comparison of starting points."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_scores import NAMES, image, pretrained, run, variant

from ssl4sar.config.pretraining import TASKS
from ssl4sar.evaluate.comparison import VariantScores, build_comparison
from ssl4sar.evaluate.comparison_schema import PretrainedFacts, validate_comparison
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.scores_file import BaselineScores

SYNTHETIC = describe_dataset("micro", source="synthetic")
BASELINES = {
    "true_zones": BaselineScores("the true zones", [image(name, 12.0, 0) for name in NAMES]),
    "left": BaselineScores("left half ocean", [image(name, 410.0, 400) for name in NAMES]),
    "right": BaselineScores("right half ocean", [image(name, 500.0, 300) for name in NAMES]),
    "none": BaselineScores("all glacier", [image(name, None, 600) for name in NAMES]),
}
NONE, TRANSLATOR = [150.0, 170.0, 160.0], [120.0, 131.0, 110.0]


def build(**changes: object) -> dict:
    arguments = {
        "dataset": SYNTHETIC,
        "variants": {
            "opttranslator": pretrained("opttranslator", TRANSLATOR),
            "none": variant(NONE, [100, 200, 300]),
        },
        "skipped": {"imagenet": "no weights file is configured"},
        "baselines": BASELINES,
        **changes,
    }
    return build_comparison(**arguments)


def test_strict_json_that_fits_its_schema() -> None:
    comparison = build()
    text = json.dumps(comparison, allow_nan=False)
    assert validate_comparison(json.loads(text)).to_json() == comparison
    assert comparison["schema"] == "ssl4sar.pretraining-comparison/1"
    assert comparison["dataset"]["synthetic"] is True
    assert comparison["images"] == 2


def test_runs_and_their_spread() -> None:
    comparison = build()
    assert list(comparison["variants"]) == ["none", "opttranslator"]  # in the order of VARIANTS
    none = comparison["variants"]["none"]
    assert [each["mde_m"] for each in none["runs"]] == NONE
    assert none["mde_m"] == {
        "mean": pytest.approx(160),
        "std": pytest.approx(np.std(NONE)),
        "median": pytest.approx(160),
        "runs": 3,
    }
    # 100 of 1000 pixels are wrong, half of them in each of two classes of 500: 450 / 550.
    assert none["runs"][0]["iou_pooled"] == pytest.approx(450 / 550)
    assert none["pretraining"] is None
    assert none["runs"][0]["pretraining_sha256"] is None


def test_facts_of_the_pretraining_are_kept() -> None:
    made = pretrained(
        "optsimmim",
        NONE,
        own=True,
        excluded_glaciers=["Columbia"],
        left_out_images=["val/b.png"],
        saw_test_glaciers=False,
        started_from="ImageNet weights",
    )
    point = build(variants={"optsimmim": made})["variants"]["optsimmim"]
    assert [each["pretraining_sha256"][0] for each in point["runs"]] == ["0", "1", "2"]
    facts = point["pretraining"]
    assert facts["task"] == "optsimmim"
    assert [each["sha256"][0] for each in facts["checkpoints"]] == ["0", "1", "2"]
    assert facts["checkpoints"][0]["epochs"] == 8
    assert facts["checkpoints"][0]["validation_loss"] == 0.05
    assert facts["excluded_glaciers"] == ["Columbia"]
    assert facts["left_out_images"] == ["val/b.png"]
    assert facts["started_from"] == "ImageNet weights"
    assert facts["saw_test_glaciers"] is False


def test_pairs_say_which_is_better_by_either_measure() -> None:
    (pair,) = build()["pairs"]
    assert (pair["baseline"], pair["opponent"]) == ("none", "opttranslator")
    assert pair["mde_m"]["mean_advantage"] == pytest.approx(160 - np.mean(TRANSLATOR))
    assert pair["mde_m"]["effect_size"] == pytest.approx((160 - np.mean(TRANSLATOR)) / np.std(NONE))
    assert pair["mde_m"]["mann_whitney_u"] == 9
    assert pair["mde_m"]["mann_whitney_p"] == pytest.approx(0.05)
    assert pair["mde_m"]["mann_whitney_least_p"] == pytest.approx(0.05)
    assert pair["iou_pooled"]["mean_advantage"] > 0
    every = {name: variant(NONE) for name in ("none", "imagenet")} | {
        name: pretrained(name, TRANSLATOR) for name in TASKS
    }
    pairs = [(each["baseline"], each["opponent"]) for each in build(variants=every)["pairs"]]
    assert pairs == [
        ("none", "imagenet"),
        ("none", "optsimmim"),
        ("none", "opttranslator"),
        ("imagenet", "optsimmim"),
        ("imagenet", "opttranslator"),
        ("optsimmim", "opttranslator"),
    ]


def test_runs_without_any_front_are_left_out_of_the_tests() -> None:
    some = {"none": variant([150.0, None, 160.0]), "imagenet": variant([None, None, None])}
    comparison = build(variants=some, skipped={})
    (pair,) = comparison["pairs"]
    assert (pair["mde_m"]["baseline_runs"], pair["mde_m"]["opponent_runs"]) == (2, 0)
    assert pair["mde_m"]["mean_advantage"] is None
    assert pair["iou_pooled"]["baseline_runs"] == 3
    assert comparison["variants"]["imagenet"]["mde_m"]["mean"] is None
    json.dumps(comparison, allow_nan=False)


def test_what_the_numbers_are_to_be_measured_by() -> None:
    assert build()["references"] == {
        "floor_m": 12.0,
        "best_trivial_mde_m": {"title": "left half ocean", "value": 410.0},
        "best_trivial_iou_pooled": {
            "title": "right half ocean",
            "value": pytest.approx(350 / 650),
        },
    }
    nothing = build(baselines={})["references"]
    assert set(nothing.values()) == {None}


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
    other = VariantScores([replace(run(0, 150.0), images=[image(NAMES[0], 150.0)])])
    with pytest.raises(ValueError, match="same images"):
        build(variants={"none": variant(NONE), "imagenet": other})
    with pytest.raises(ValueError, match="same images"):
        build(baselines={"left": BaselineScores("left", [image(NAMES[0], 1.0)])})
    with pytest.raises(ValueError, match="no run"):
        build(variants={})
    with pytest.raises(ValueError, match="no run"):
        build(variants={"none": VariantScores([])})


def test_facts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="opttranslator: the facts"):
        build(variants={"opttranslator": variant(NONE)})
    with pytest.raises(ValueError, match="none: the facts"):
        build(variants={"none": pretrained("optsimmim", NONE)})
    with pytest.raises(ValueError, match="opttranslator: the facts"):
        build(variants={"opttranslator": pretrained("optsimmim", NONE)})
    made = pretrained("optsimmim", NONE)
    for facts in (
        replace(made.pretraining, started_by={0: "0" * 64}),
        replace(made.pretraining, checkpoints=[PretrainedFacts("f" * 64, 1, None)]),
    ):
        with pytest.raises(ValueError, match="the checkpoint that it started from is not known"):
            build(variants={"optsimmim": replace(made, pretraining=facts)})
