"""Scores between jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.scores_file import (
    read_baselines,
    read_scores,
    write_baselines,
    write_scores,
)


def test_scores_come_back(scores, tmp_path: Path) -> None:
    write_scores(tmp_path / "seed4.json", "seed4", scores)
    assert read_scores(tmp_path / "seed4.json") == ("seed4", scores)


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
        '{"schema": "ssl4sar.image-scores/2", "member": "seed1", "images": [{"name": "x"}]}',
        '{"schema": "ssl4sar.image-scores/2", "member": "seed1", "images": [3]}',
    ],
)
def test_damaged_scores_are_reported(content: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    file.write_text(content)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_scores(file)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_baselines(file)
