"""The table of scores."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ssl4sar.evaluate.csv_table import COLUMNS, write_table
from ssl4sar.evaluate.result import RunScores


def test_table_has_one_row_per_image_and_run(scores, tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", [RunScores(0, scores), RunScores(1, scores)])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["seed"] for row in rows] == ["0"] * 3 + ["1"] * 3
    assert [row["name"] for row in rows[:3]] == [score.name for score in scores]
    assert float(rows[0]["mde_m"]) == scores[0].mde_m
    assert rows[2]["mde_m"] == ""
    assert rows[2]["no_front"] == "1"
    assert rows[0]["orbit"] == "024"
    assert rows[0]["iou_na"] == ""
