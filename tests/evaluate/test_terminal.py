"""The summary on a terminal."""

from __future__ import annotations

import io
import json

from rich.console import Console

from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.terminal import print_summary


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
