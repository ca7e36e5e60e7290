"""The comparison as a table."""

from __future__ import annotations

import csv
from pathlib import Path

from made_scores import pretrained, variant

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.comparison_csv import COLUMNS, write_comparison_csv
from ssl4sar.evaluate.result import describe_dataset


def test_one_row_per_start_and_run(tmp_path: Path) -> None:
    variants = {
        "none": variant([150.0, None]),
        "opttranslator": pretrained("opttranslator", [120.5, 130.0]),
    }
    dataset = describe_dataset("micro", source="synthetic")
    write_comparison_csv(tmp_path / "t.csv", build_comparison(dataset, variants, {}, {}))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["variant"], row["seed"]) for row in rows] == [
        ("none", "0"),
        ("none", "1"),
        ("opttranslator", "0"),
        ("opttranslator", "1"),
    ]
    assert [row["mde_m"] for row in rows] == ["150.0", "", "120.5", "130.0"]
    assert [row["no_front"] for row in rows] == ["0", "2", "0", "0"]
    assert {row["synthetic"] for row in rows} == {"1"}
    assert rows[0]["pretraining_sha256"] == rows[0]["pretraining_saw_test_glaciers"] == ""
    assert rows[2]["pretraining_sha256"] == "0" * 64
    assert rows[2]["pretraining_saw_test_glaciers"] == "0"
