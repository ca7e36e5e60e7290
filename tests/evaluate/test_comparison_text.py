"""What is said of a comparison: never more than it shows."""

from __future__ import annotations

import pytest
from made_scores import NAMES, image, pretrained, variant

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.comparison_text import p_text
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.scores_file import BaselineScores

SYNTHETIC = describe_dataset("micro", source="synthetic")
REAL = describe_dataset("real", source="local", spacing_m=80)


def text(variants: dict, dataset=SYNTHETIC, skipped=(), baselines=()) -> str:
    made = build_comparison(dataset, variants, dict(skipped), dict(baselines))
    return "\n".join(made["text"])


def verdict(none: list, pretrained_runs: list) -> str:
    said = text({"none": variant(none), "optsimmim": pretrained("optsimmim", pretrained_runs)})
    (line,) = [
        each
        for each in said.splitlines()
        if each.startswith("OptSimMIM pretraining against random weights")
    ]
    return line


def test_synthetic_scenes_are_told_first() -> None:
    said = text({"none": variant([1.0, 2.0])})
    assert said.splitlines()[0].startswith("SYNTHETIC scenes: not an observation")


def test_five_runs_without_overlap_help() -> None:
    said = verdict([150.0, 151, 152, 153, 154], [120.0, 121, 122, 123, 124])
    assert "it helped, at the level 0.05" in said
    assert "mean MDE 122.0 m against 152.0 m; one-sided Mann-Whitney p 0.004" in said


def test_a_lower_mean_alone_shows_nothing() -> None:
    said = verdict([150.0, 151, 152, 153, 154], [120.0, 155, 122, 156, 124])
    assert "the mean is lower, but that it helped is NOT shown at the level 0.05" in said


def test_three_runs_can_show_nothing_at_that_level() -> None:
    variants = {
        "none": variant([150.0, 151, 152]),
        "optsimmim": pretrained("optsimmim", [1.0, 2, 3]),
    }
    said = text(variants)
    assert "NOT shown at the level 0.05" in said
    assert "it helped" not in said.replace("that it helped is NOT", "")
    assert (
        "3 against 3 runs: the smallest one-sided p value that the Mann-Whitney test can give is "
        "0.050, which is not below 0.05" in said
    )


def test_four_runs_can() -> None:
    said = text({"none": variant([1.0, 2, 3, 4]), "imagenet": variant([5.0, 6, 7, 8])})
    assert "0.014, reached only if every run of one is better" in said


@pytest.mark.parametrize("better", [[150.0, 151, 152, 153], [160.0, 161, 162, 163]])
def test_an_equal_or_higher_mean_did_not_help(better: list[float]) -> None:
    assert "it did NOT help: the mean is not lower" in verdict([150.0, 151, 152, 153], better)


def test_one_run_allows_no_test() -> None:
    assert "so few runs allow no test" in verdict([150.0], [120.0])
    assert "no MDE to compare" in verdict([150.0], [None])
    said = text({"none": variant([1.0]), "imagenet": variant([2.0])})
    assert "1 against 1 runs: no test is possible" in said


def test_one_start_is_no_comparison() -> None:
    assert "one starting point: nothing to compare" in text({"none": variant([1.0, 2.0])})


def test_a_shared_pretraining_is_told() -> None:
    none, runs = variant([1.0, 2.0, 3.0]), [4.0, 5.0, 6.0]
    shared = text({"none": none, "optsimmim": pretrained("optsimmim", runs)})
    assert "all 3 runs of OptSimMIM pretraining start from one pretrained network" in shared
    own = text({"none": none, "optsimmim": pretrained("optsimmim", runs, own=True)})
    assert "start from one pretrained network" not in own


def test_test_glaciers_in_the_pretraining_are_told_everywhere() -> None:
    seen = pretrained("optsimmim", [1.0, 2.0], saw_test_glaciers=True)
    said = text({"none": variant([3.0, 4.0]), "optsimmim": seen})
    assert "OptSimMIM pretraining used images of test glaciers (allow_test_glaciers)" in said
    assert "against random weights with images of test glaciers: " in said


def test_synthetic_pairs_behind_real_scenes_are_told() -> None:
    made = {"optsimmim": pretrained("optsimmim", [1.0, 2.0], synthetic=True)}
    assert "OptSimMIM pretraining used SYNTHETIC pairs of images" in text(made, REAL)
    assert "SYNTHETIC pairs" not in text(made)


def test_missing_fronts_and_skipped_starts_are_told() -> None:
    said = text({"none": variant([1.0, None])}, skipped={"imagenet": "no weights file"})
    assert "random weights: no front was found in 2 of 4 predicted images" in said
    assert "1 of 2 runs found no front in any image" in said
    assert "ImageNet weights: skipped: no weights file" in said


def test_what_is_worse_than_a_guess_is_told() -> None:
    baselines = {"left": BaselineScores("left half ocean", [image(name, 50.0) for name in NAMES])}
    said = text({"none": variant([90.0, 91]), "imagenet": variant([9.0, 8])}, baselines=baselines)
    assert "not better than the best trivial prediction (left half ocean, 50 m)" in said
    assert "by the mean MDE: random weights" in said


def test_the_original_study_is_not_called_reproduced() -> None:
    said = text({"none": variant([1.0, 2.0])}, REAL).splitlines()[-1]
    assert "NOT reproduced here" in said
    assert "0.075, not below 0.05" in said


def test_p_values_keep_their_digits() -> None:
    assert [p_text(p) for p in (0.5, 0.05, 0.0039, 0.0000123)] == [
        "0.500",
        "0.050",
        "0.004",
        "1.2e-05",
    ]
