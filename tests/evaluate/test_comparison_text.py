"""What is said of a comparison: never more than it shows."""

from __future__ import annotations

import pytest
from made_scores import NAMES, image, pretrained, scored

from ssl4sar.evaluate.comparison import ModelScores, build_comparison
from ssl4sar.evaluate.comparison_text import p_text
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.scores_file import BaselineScores

SYNTHETIC = describe_dataset("micro", source="synthetic")
REAL = describe_dataset("real", source="local", spacing_m=80)


def text(*models: ModelScores, dataset=SYNTHETIC, baselines=()) -> str:
    return "\n".join(build_comparison(dataset, models, dict(baselines))["text"])


def verdict(none: list, pretrained_runs: list) -> str:
    said = text(scored("none", none), pretrained("optsimmim", pretrained_runs))
    (line,) = [each for each in said.splitlines() if each.startswith("optsimmim against none")]
    return line


def test_synthetic_scenes_are_named_first() -> None:
    said = text(scored("none", [1.0, 2.0]))
    assert said.splitlines()[0].startswith("SYNTHETIC scenes: not an observation")


def test_five_runs_without_overlap_help() -> None:
    said = verdict([150.0, 151, 152, 153, 154], [120.0, 121, 122, 123, 124])
    assert "it helped, at the level 0.05" in said
    assert "mean MDE 122.0 m against 152.0 m; one-sided Mann-Whitney p 0.004" in said


def test_a_lower_mean_alone_shows_nothing() -> None:
    said = verdict([150.0, 151, 152, 153, 154], [120.0, 155, 122, 156, 124])
    assert "the mean is lower, but that it helped is NOT shown at the level 0.05" in said


def test_three_runs_can_show_nothing_at_that_level() -> None:
    said = text(scored("none", [150.0, 151, 152]), pretrained("optsimmim", [1.0, 2, 3]))
    assert "NOT shown at the level 0.05" in said
    assert "it helped" not in said.replace("that it helped is NOT", "")
    assert (
        "3 against 3 runs: the smallest one-sided p value that the Mann-Whitney test can give is "
        "0.050, which is not below 0.05" in said
    )


def test_four_runs_can() -> None:
    said = text(scored("none", [1.0, 2, 3, 4]), scored("imagenet", [5.0, 6, 7, 8]))
    assert "0.014, reached only if every run of one is better" in said


@pytest.mark.parametrize("better", [[150.0, 151, 152, 153], [160.0, 161, 162, 163]])
def test_an_equal_or_higher_mean_did_not_help(better: list[float]) -> None:
    assert "it did NOT help: the mean is not lower" in verdict([150.0, 151, 152, 153], better)


def test_one_run_allows_no_test() -> None:
    assert "so few runs allow no test" in verdict([150.0], [120.0])
    assert "no MDE to compare" in verdict([150.0], [None])
    said = text(scored("none", [1.0]), scored("imagenet", [2.0]))
    assert "1 against 1 runs: no test is possible" in said


def test_one_model_is_no_comparison() -> None:
    assert "one model: nothing to compare" in text(scored("none", [1.0, 2.0]))


def test_a_shared_pretraining_is_reported() -> None:
    none, runs = scored("none", [1.0, 2.0, 3.0]), [4.0, 5.0, 6.0]
    shared = text(none, pretrained("optsimmim", runs))
    assert "all 3 runs of optsimmim start from one pretrained network" in shared
    own = text(none, pretrained("optsimmim", runs, own=True))
    assert "start from one pretrained network" not in own


def test_test_glaciers_in_the_pretraining_are_reported_everywhere() -> None:
    seen = pretrained("optsimmim", [1.0, 2.0], test_glaciers_seen=["COL"])
    said = text(scored("none", [3.0, 4.0]), seen)
    assert "optsimmim: the starting weights have seen images of the test glaciers COL" in said
    assert "ssl4sar.allow_test_glaciers" in said
    assert "against none with images of test glaciers: " in said


def test_synthetic_pairs_behind_real_scenes_are_reported() -> None:
    made = pretrained("optsimmim", [1.0, 2.0], synthetic=True)
    assert "optsimmim: pretrained on SYNTHETIC pairs" in text(made, dataset=REAL)
    assert "SYNTHETIC pairs" not in text(made)


def test_missing_fronts_are_reported() -> None:
    said = text(scored("none", [1.0, None]))
    assert "none: no front was found in 2 of 4 predicted images" in said
    assert "1 of 2 runs found no front in any image" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"network": {"name": "aspp_unet"}}, "another network"),
        ({"recipe": {"epochs": 3}}, "another recipe"),
        ({"recipe": {"epochs": 2, "series": {"frames": 8}}, "network": {}}, "another network"),
        ({"network": {"name": "x"}, "recipe": {}}, "another network and another recipe"),
    ],
)
def test_what_differs_beside_the_starting_weights_is_reported(change: dict, named: str) -> None:
    tyrion = [150.0, 151, 152, 153]
    said = text(scored("tyrion", tyrion), scored("unet", [20.0, 21, 22, 23], **change))
    assert f"unet against tyrion (with {named}): it is better, at the level 0.05" in said
    said = text(scored("tyrion", tyrion), scored("unet", [200.0, 21, 22, 900], **change))
    assert f"unet against tyrion (with {named}): it is NOT better: the mean is not lower" in said


def test_models_that_differ_in_nothing_but_other_weights_get_no_verdict() -> None:
    assert "against none" not in text(scored("none", [9.0, 8]), scored("imagenet", [1.0, 2]))


def test_what_is_worse_than_a_guess_is_reported() -> None:
    baselines = {"left": BaselineScores("left half ocean", [image(name, 50.0) for name in NAMES])}
    said = text(scored("none", [90.0, 91]), scored("imagenet", [9.0, 8]), baselines=baselines)
    assert "not better than the best trivial prediction (left half ocean, 50 m)" in said
    assert "by the mean MDE: none" in said


def test_the_original_study_is_not_called_reproduced() -> None:
    said = text(scored("none", [1.0, 2.0]), dataset=REAL).splitlines()[-1]
    assert "NOT reproduced here" in said
    assert "0.075, not below 0.05" in said


def test_p_values_keep_their_digits() -> None:
    assert [p_text(p) for p in (0.5, 0.05, 0.0039, 0.0000123)] == [
        "0.500",
        "0.050",
        "0.004",
        "1.2e-05",
    ]
