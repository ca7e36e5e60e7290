"""The result file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_scores import NAMES as TWO
from made_scores import image

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.baselines import FLOOR
from ssl4sar.evaluate.result import (
    RunScores,
    build_result,
    dataset_of,
    describe_dataset,
    spread,
)
from ssl4sar.evaluate.schema import read_result
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.metrics.distances import DistanceSums

SYNTHETIC = describe_dataset("micro", source="synthetic")


def test_strict_json_that_fits_its_schema(result) -> None:
    text = json.dumps(result, allow_nan=False)
    assert json.loads(text) == result
    assert read_result(json.loads(text)).to_json() == result
    assert result["schema"] == "ssl4sar.caffe-mde/2"
    assert "per_image" not in result


def test_runs_and_their_spread(result, runs) -> None:
    assert [run["member"] for run in result["runs"]] == ["seed3", "seed5"]
    assert [run["no_front"] for run in result["runs"]] == [1, 0]
    mde_m = [run["mde_m"] for run in result["runs"]]
    pooled = DistanceSums.pool(score.front_error.sums for score in runs[0].images)
    assert mde_m[0] == pooled.mean_m
    assert result["mde_m"] == {
        "mean": pytest.approx(np.mean(mde_m)),
        "std": pytest.approx(np.std(mde_m)),
        "median": pytest.approx(np.median(mde_m)),
        "runs": 2,
    }
    iou = [run["iou_pooled"] for run in result["runs"]]
    assert result["iou_pooled"]["mean"] == pytest.approx(np.mean(iou))
    assert result["segmentation"]["pooled"]["iou"]["average"] == pytest.approx(np.mean(iou))


def test_subsets_per_run_and_over_the_runs(result) -> None:
    subset = result["subsets"]["glacier=Mapple,season=summer"]
    assert subset["n_images"] == 1
    assert [run["n_no_front"] for run in subset["runs"]] == [1, 0]
    assert subset["mde_m"]["runs"] == 1
    assert subset["no_front"]["mean"] == 0.5
    everything = result["subsets"]["all"]
    assert everything["mde_m"] == result["mde_m"]
    assert "glacier=SI" not in result["subsets"]


def test_share_of_the_front_within_500_m(result, runs) -> None:
    # Of 54 labelled pixels each, those of the scene without a predicted front are missed.
    first = result["runs"][0]
    assert first["front_recall_500m"] == pytest.approx(2 / 3)
    assert first["front_precision_500m"] == 1
    assert result["subsets"]["season=summer"]["runs"][0]["n_no_front"] == 1
    assert result["subsets"]["glacier=Mapple"]["runs"][0]["front_recall_500m"] == 0
    assert result["subsets"]["glacier=Mapple"]["front_precision_500m"]["runs"] == 1
    assert result["baselines"]["all_glacier"]["front_recall_500m"] == 0
    assert result["baselines"]["all_glacier"]["front_precision_500m"] is None
    assert result["floor_front_recall_500m"] == result["floor_front_precision_500m"] == 1
    per_image = build_result(SYNTHETIC, runs[:1], {}, per_image=True)["per_image"]
    assert [row["front_recall_500m"] for row in per_image.values()] == [1, 1, 0]


def test_subsets_have_the_scores_of_their_images(result, runs) -> None:
    names = ("mde_m", "front_recall_500m", "front_precision_500m", "iou_pooled")
    everything = result["subsets"]["all"]
    assert {name: everything[name] for name in names} == {name: result[name] for name in names}
    for run, row in zip(everything["runs"], result["runs"], strict=True):
        assert {name: run[name] for name in names} == {name: row[name] for name in names}
    (image,) = (score for score in runs[0].images if score.scene.glacier == "Mapple")
    (iou, _) = (run["iou_pooled"] for run in result["subsets"]["glacier=Mapple"]["runs"])
    assert iou == image.class_scores.table("skipped")["iou"]["average"]


def test_floor_and_baselines(result) -> None:
    assert result["floor_m"] < result["mde_m"]["mean"]
    assert FLOOR not in result["baselines"]
    assert result["baselines"]["all_glacier"]["mde_m"] is None
    assert result["baselines"]["all_glacier"]["no_front"] == 3
    assert {"left_half_ocean", "right_half_ocean"} <= set(result["baselines"])
    assert result["floor_no_front"] == 0


def test_a_trivial_prediction_that_skips_images_is_not_called_better() -> None:
    def scores(*mde_m: float | None) -> list[ImageScore]:
        return [image(name, value) for name, value in zip(TWO, mde_m, strict=True)]

    chosen = {
        FLOOR: BaselineScores("the true zones", scores(5.0, 5.0)),
        "skipping": BaselineScores("skipping", scores(20.0, None)),
    }
    runs = [RunScores(None, scores(100.0, 200.0))]
    assert "skipping (20 m)" in "\n".join(build_result(SYNTHETIC, runs, chosen)["text"])
    chosen["left"] = BaselineScores("left half", scores(120.0, 120.0))
    text = "\n".join(build_result(SYNTHETIC, runs, chosen)["text"])
    assert "the mean MDE of 150 m is not better than the trivial prediction: left half" in text
    assert "skipping" not in text


def test_no_front_in_any_run_is_null_not_nan(folders, baselines) -> None:
    runs = [RunScores(name, baselines["all_glacier"].scores) for name in ("a", "b")]
    result = build_result(SYNTHETIC, runs, baselines)
    assert result["mde_m"] == {"mean": None, "std": None, "median": None, "runs": 0}
    assert result["runs"][0]["mde_m"] is None
    json.dumps(result, allow_nan=False)


def test_scores_per_image(runs, baselines) -> None:
    result = build_result(SYNTHETIC, runs[:1], baselines, per_image=True)
    assert set(result["per_image"]) == {score.name for score in runs[0].images}
    assert [row["mde_m"] is None for row in result["per_image"].values()] == [False, False, True]


def test_warnings_in_words(result, runs, baselines) -> None:
    text = "\n".join(result["text"])
    assert "SYNTHETIC" in text
    assert "seed3: no front was found in 1 of 3 images" in text
    worse = build_result(SYNTHETIC, [runs[1]], baselines)["text"]
    assert any("not better than the trivial prediction" in line for line in worse)
    assert any("one run" in line for line in worse)


def test_runs_over_other_images_are_refused(runs, baselines) -> None:
    with pytest.raises(ValueError, match="same images"):
        build_result(SYNTHETIC, [runs[0], RunScores("seed7", runs[1].images[:2])], baselines)
    with pytest.raises(ValueError, match="same images"):
        build_result(SYNTHETIC, [RunScores("seed7", [runs[0].images[0]] * 3)], {})
    with pytest.raises(ValueError, match="no run"):
        build_result(SYNTHETIC, [], baselines)


@pytest.mark.parametrize(
    ("source", "spacing_m", "official", "comparable", "words"),
    [
        ("pangaea", None, True, True, "official CaFFe test set at full size"),
        ("local", None, True, True, "comparable with published numbers"),
        ("local", None, False, False, "NOT comparable"),
        ("pangaea", 80, True, False, "resampled to 80 m"),
        ("synthetic", None, True, False, "SYNTHETIC scenes: not an observation"),
        ("synthetic", 60, False, False, "SYNTHETIC scenes, resampled to 60 m"),
    ],
)
def test_what_may_be_compared(source, spacing_m, official, comparable, words) -> None:
    manifest = TreeManifest(
        root="tree",
        source=source,
        spacing_m=spacing_m,
        comparable_with_published=official,
        scenes={"train": [], "test": []},
        files={},
    )
    dataset = dataset_of(manifest, "run")
    assert dataset.comparable_with_published is comparable
    assert words in dataset.note
    assert ("NOT comparable" in dataset.note) is not comparable


def test_spread_ignores_missing_values() -> None:
    some = spread([1.0, None, 3.0])
    assert (some.mean, some.std, some.median, some.runs) == (2, 1, 2, 2)
