"""Tables of scores."""

from __future__ import annotations

import csv
from pathlib import Path

from made_scores import pretrained, scored

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.result import RunScores, describe_dataset
from ssl4sar.evaluate.tables import (
    COLUMNS,
    COMPARISON_COLUMNS,
    write_comparison_table,
    write_table,
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_table_has_one_row_per_image_and_run(scores, tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [RunScores("seed0", scores), RunScores("seed1", scores)])
    rows = rows_of(tmp_path / "t.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["member"] for row in rows] == ["seed0"] * 3 + ["seed1"] * 3
    assert [row["name"] for row in rows[:3]] == [score.name for score in scores]
    assert float(rows[0]["mde_m"]) == scores[0].mde_m
    assert rows[2]["mde_m"] == ""
    assert rows[2]["no_front"] == "1"
    assert [row["front_recall_500m"] for row in rows[:3]] == ["1.0", "1.0", "0.0"]
    assert [row["front_precision_500m"] for row in rows[:3]] == ["1.0", "1.0", ""]
    assert rows[0]["orbit"] == "024"
    assert rows[0]["iou_na"] == ""


def test_comparison_has_one_row_per_model_and_run(tmp_path: Path) -> None:
    models = [scored("none", [150.0, None]), pretrained("opttranslator", [120.5, 130.0])]
    dataset = describe_dataset("micro", source="synthetic")
    write_comparison_table(tmp_path / "t.csv", build_comparison(dataset, models, {}))
    rows = rows_of(tmp_path / "t.csv")
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert [(row["model"], row["member"]) for row in rows] == [
        ("none", "seed0"),
        ("none", "seed1"),
        ("opttranslator", "seed0"),
        ("opttranslator", "seed1"),
    ]
    assert {(row["network"], row["parameters"]) for row in rows} == {("tyrion", "1000")}
    assert (rows[1]["mde_m"], rows[1]["weights_sha256"], rows[1]["images"]) == ("", "", "2")
    assert (float(rows[2]["mde_m"]), rows[2]["weights_sha256"]) == (120.5, "0" * 64)
    assert (rows[1]["front_recall_500m"], rows[1]["front_precision_500m"]) == ("0.0", "")
    assert (rows[2]["front_recall_500m"], rows[2]["front_precision_500m"]) == ("1.0", "1.0")
    assert (rows[2]["weights"], rows[2]["synthetic"]) == ("opttranslator", "1")
    assert rows[2]["saw_test_glaciers"] == rows[2]["comparable_with_published"] == "0"
