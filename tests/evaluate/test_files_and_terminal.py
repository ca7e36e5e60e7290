"""Score files, the table and the summary."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.csv_table import COLUMNS, write_table
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.scores_file import (
    read_baselines,
    read_scores,
    write_baselines,
    write_scores,
)
from ssl4sar.evaluate.scoring import score_folder
from ssl4sar.evaluate.terminal import print_summary


@pytest.fixture
def scores(folders) -> list:
    return score_folder(folders.predictions, folders.labels, folders.labels.names())


def test_scores_come_back(scores, tmp_path: Path) -> None:
    write_scores(tmp_path / "seed4.json", 4, scores)
    assert read_scores(tmp_path / "seed4.json") == (4, scores)


def test_baselines_come_back(folders, tmp_path: Path) -> None:
    baselines = score_baselines(folders.labels, folders.labels.names())
    write_baselines(tmp_path / "baselines.json", baselines)
    assert read_baselines(tmp_path / "baselines.json") == baselines


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "other/1"}',
        '{"schema": "ssl4sar.image-scores/1", "seed": 1, "images": [{"name": "x"}]}',
        '{"schema": "ssl4sar.image-scores/1", "seed": 1, "images": [3]}',
    ],
)
def test_damaged_scores_are_told(content: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(content)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_scores(file)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_baselines(file)


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


def summary(folders, scores, seeds, **dataset: object) -> str:
    baselines = score_baselines(folders.labels, folders.labels.names())
    runs = [RunScores(seed, scores) for seed in seeds]
    result = build_result(describe_dataset("name", **dataset), runs, baselines)
    console = Console(file=io.StringIO(), width=120)
    print_summary(json.loads(json.dumps(result)), console)
    return console.file.getvalue()


def test_summary_says_synthetic_loudly_and_shows_the_numbers(folders, scores) -> None:
    text = summary(folders, scores, [0, 1], source="synthetic")
    assert "SYNTHETIC" in text.splitlines()[0]
    for part in ("seed 1", "mean ± std", "floor", "left half ocean", "warning: seed 0"):
        assert part in text
    assert f"{scores[0].mde_m:.0f}" not in text.splitlines()[0]


def test_summary_says_not_comparable(folders, scores) -> None:
    text = summary(folders, scores, [None], source="local", spacing_m=80)
    assert "NOT COMPARABLE WITH PUBLISHED NUMBERS" in text.splitlines()[0]
    assert "this folder" in text


def test_summary_of_the_official_set_has_no_warning_box(folders, scores) -> None:
    text = summary(folders, scores, [0], source="pangaea", comparable_with_published=True)
    assert "NOT" not in text.splitlines()[0]
    assert "SYNTHETIC" not in text
