"""The comparison of starting points, from the files of the runs to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from made_records import dataset, record, write_record
from made_scores import NAMES, image, run

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison_schema import validate_comparison
from ssl4sar.evaluate.scores_file import BaselineScores, write_scores
from ssl4sar.evaluate.starting_point import ScoredFiles
from ssl4sar.report.pretraining_comparison import ComparisonPaths, write_pretraining_comparison

VARIANTS = ("none", "imagenet", "optsimmim", "opttranslator")
BASELINES = {"true_zones": BaselineScores("the true zones", [image(n, 12.0, 0) for n in NAMES])}
ERRORS_M = {"none": 160.0, "imagenet": 140.0, "optsimmim": 130.0, "opttranslator": 120.0}


class Study:
    """Files of finished runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs: list[ScoredFiles] = []

    def add(self, variant: str, pairs: dict | None = None, seeds: int = 2) -> None:
        for seed in range(seeds):
            folder = self.root / variant / str(seed)
            made = run(seed, ERRORS_M[variant] + seed)
            folder.mkdir(parents=True)
            write_scores(folder / "scores.json", seed, made.images)
            path = write_record(folder / "model.json", record(variant, seed, pairs))
            self.runs.append(ScoredFiles(folder / "scores.json", path))

    @property
    def paths(self) -> ComparisonPaths:
        return ComparisonPaths(*(self.root / name for name in ("c.json", "c.csv", "c.png")))

    def compare(self, asked=VARIANTS, weights: str = "none", official: bool = False) -> dict:
        source = "pangaea" if official else "synthetic"
        manifest = TreeManifest(
            root=str(self.root),
            source=source,
            spacing_m=None,
            comparable_with_published=official,
            scenes={"train": [], "test": list(NAMES)},
            files={},
        )
        return write_pretraining_comparison(
            "micro",
            manifest,
            self.runs,
            BASELINES,
            asked=asked,
            weights=weights,
            paths=self.paths,
        )


@pytest.fixture
def made(tmp_path: Path) -> Study:
    """Runs from random weights and from both pretext tasks."""
    study = Study(tmp_path)
    study.add("none")
    study.add("optsimmim", dataset())
    study.add("opttranslator", dataset())
    return study


def test_everything_is_written_and_the_numbers_are_those_of_the_runs(made: Study) -> None:
    comparison = made.compare()
    assert json.loads(made.paths.comparison.read_text()) == comparison
    assert validate_comparison(comparison).images == 2
    assert list(comparison["variants"]) == ["none", "optsimmim", "opttranslator"]
    for variant, point in comparison["variants"].items():
        assert [each["mde_m"] for each in point["runs"]] == [
            pytest.approx(ERRORS_M[variant]),
            pytest.approx(ERRORS_M[variant] + 1),
        ]
        assert [each["seed"] for each in point["runs"]] == [0, 1]
    assert comparison["variants"]["none"]["pretraining"] is None
    facts = comparison["variants"]["optsimmim"]["pretraining"]
    assert facts["checkpoints"] == [{"sha256": "6" * 64, "epochs": 5, "validation_loss": 0.03}]
    assert len(list(csv.reader(made.paths.table.open()))) > 6
    assert made.paths.figure.read_bytes().startswith(b"\x89PNG")


def test_without_weights_there_is_no_imagenet_and_the_reason_is_told(made: Study, capsys) -> None:
    comparison = made.compare()
    assert list(comparison["skipped"]) == ["imagenet"]
    reason = "it needs model.weights microsoft or timm, not none"
    assert comparison["skipped"]["imagenet"] == reason
    assert "it needs model.weights microsoft or timm" in capsys.readouterr().out
    assert made.compare(asked=("none", "optsimmim"))["skipped"] == {}


def test_with_weights_imagenet_is_compared(made: Study) -> None:
    made.add("imagenet")
    comparison = made.compare(weights="timm")
    assert comparison["skipped"] == {}
    assert set(comparison["variants"]) == set(VARIANTS) - {"checkpoint"}
    assert comparison["variants"]["imagenet"]["pretraining"] is None


def test_runs_of_starts_that_were_not_asked_for_are_left_out(made: Study) -> None:
    comparison = made.compare(asked=("none", "opttranslator"))
    assert list(comparison["variants"]) == ["none", "opttranslator"]


def test_official_scenes_stay_comparable_as_long_as_none_was_seen(made: Study) -> None:
    comparison = made.compare(official=True)
    assert comparison["dataset"]["comparable_with_published"] is True
    for task in ("optsimmim", "opttranslator"):
        assert comparison["variants"][task]["pretraining"]["saw_test_glaciers"] is False


def test_test_glaciers_in_a_pretraining_mark_the_comparison_once(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.add("none")
    for task in ("optsimmim", "opttranslator"):
        study.add(task, dataset(["A", "Columbia"], excluded=[], allow_test_glaciers=True))
    comparison = study.compare(official=True)
    assert comparison["dataset"]["comparable_with_published"] is False
    assert comparison["dataset"]["note"].count("SEEN test glaciers (COL)") == 1
    for task in ("optsimmim", "opttranslator"):
        assert comparison["variants"][task]["pretraining"]["saw_test_glaciers"] is True
    assert any("COL" in text or "test glaciers" in text for text in comparison["text"])
    # What was not asked for has no say.
    alone = study.compare(asked=("none",), official=True)
    assert alone["dataset"]["comparable_with_published"] is True


def test_a_damaged_record_is_told_and_nothing_is_written(made: Study) -> None:
    made.runs[0].record.write_text("{")
    with pytest.raises(UserError, match=r"model\.json: the file cannot be read"):
        made.compare()
    assert not made.paths.comparison.exists()
