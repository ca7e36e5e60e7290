"""The comparison of models, from scores to files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from made_scores import NAMES, image, pretrained, scored

from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.schema import read_comparison
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.report.comparison import write_pretraining_comparison

BASELINES = {"true_zones": BaselineScores("the true zones", [image(n, 12.0, 0) for n in NAMES])}


def compare(folder: Path, *models) -> tuple[dict, dict[str, Path]]:
    paths = {"target": folder / "c.json", "table": folder / "c.csv", "figure": folder / "c.png"}
    manifest = TreeManifest(
        root=str(folder),
        source="pangaea",
        spacing_m=None,
        comparable_with_published=True,
        scenes={"train": [], "test": list(NAMES)},
        files={},
    )
    return write_pretraining_comparison("micro", manifest, models, BASELINES, **paths), paths


def test_everything_is_written_and_official_scenes_stay_comparable(tmp_path: Path, capsys) -> None:
    models = scored("none", [160.0, 161.0]), pretrained("optsimmim", [130.0, 131.0])
    comparison, paths = compare(tmp_path, *models)
    assert json.loads(paths["target"].read_text()) == comparison
    read = read_comparison(comparison)
    assert (read.images, [each.name for each in read.models]) == (2, ["none", "optsimmim"])
    assert comparison["dataset"]["comparable_with_published"] is True
    assert len(list(csv.reader(paths["table"].open()))) == 5
    assert paths["figure"].read_bytes().startswith(b"\x89PNG")
    assert "none > optsimmim" in capsys.readouterr().out


def test_test_glaciers_in_a_pretraining_mark_the_comparison_once(tmp_path: Path) -> None:
    seen = [pretrained(t, [1.0, 2.0], test_glaciers_seen=["COL"]) for t in ("optsimmim",) * 2]
    comparison, _ = compare(tmp_path, scored("none", [3.0, 4.0]), *seen)
    assert comparison["dataset"]["comparable_with_published"] is False
    assert comparison["dataset"]["note"].count("SEEN test glaciers (COL)") == 1
