"""Result and comparison on a terminal."""

from __future__ import annotations

import io
import json

from made_scores import pretrained, scored
from rich.console import Console

from ssl4sar.evaluate.baselines import score_baselines
from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.result import RunScores, build_result, describe_dataset
from ssl4sar.evaluate.terminal import print_comparison, print_summary


def summary(folders, scores, members, **dataset: object) -> str:
    baselines = score_baselines(folders.labels, folders.labels.names())
    runs = [RunScores(member, scores) for member in members]
    result = build_result(describe_dataset("name", **dataset), runs, baselines)
    console = Console(file=io.StringIO(), width=130)
    print_summary(json.loads(json.dumps(result)), console)
    return console.file.getvalue()


def test_summary_says_synthetic_loudly_and_shows_the_numbers(folders, scores) -> None:
    text = summary(folders, scores, ["seed0", "seed1"], source="synthetic")
    assert "SYNTHETIC" in text.splitlines()[0]
    for part in ("seed1", "mean ± std", "floor", "left half ocean", "warning: seed0"):
        assert part in text
    assert f"{scores[0].mde_m:.0f}" not in text.splitlines()[0]
    (seed,) = (line for line in text.splitlines() if line.startswith("│ seed1"))
    assert [cell.strip() for cell in seed.split("│")][4:6] == ["0.667", "1.000"]
    assert "0.667 ± 0.000" in text


def printed(*models, **dataset: object) -> str:
    console = Console(file=io.StringIO(), width=130)
    comparison = build_comparison(describe_dataset("name", **dataset), models, {})
    print_comparison(json.loads(json.dumps(comparison)), console)
    return console.file.getvalue()


def test_of_a_comparison_its_meaning_comes_first_then_runs_pairs_and_sentences() -> None:
    text = printed(
        scored("none", [150.0, 170.0, 160.0]),
        pretrained("opttranslator", [120.0, 131.0, 110.0]),
        source="synthetic",
    )
    assert "SYNTHETIC" in text.splitlines()[0]
    parts = (
        "recall",
        "160.0 ± 8.2",
        "1.000 ± 0.000",
        "120.3 ± 8.6",
        "none > opttranslator",
        "* opttranslator against none",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_one_model_has_no_table_of_pairs_and_one_run_no_deviation() -> None:
    text = printed(scored("none", [150.0]), source="local", spacing_m=80)
    assert "NOT COMPARABLE WITH PUBLISHED NUMBERS" in text.splitlines()[0]
    assert "is the second better" not in text
    assert "±" not in text.split("floor")[0].split("│ none")[1]
