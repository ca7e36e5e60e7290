"""The comparison on a terminal."""

from __future__ import annotations

import io

from made_scores import pretrained, variant
from rich.console import Console

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.comparison_terminal import print_comparison
from ssl4sar.evaluate.result import describe_dataset


def printed(variants: dict, skipped: dict, **dataset: object) -> str:
    comparison = build_comparison(describe_dataset("name", **dataset), variants, skipped, {})
    console = Console(file=io.StringIO(), width=110)
    print_comparison(comparison, console)
    return console.file.getvalue()


def test_what_it_means_comes_first_then_runs_pairs_and_sentences() -> None:
    variants = {
        "none": variant([150.0, 170.0, 160.0]),
        "opttranslator": pretrained("opttranslator", [120.0, 131.0, 110.0]),
    }
    text = printed(variants, {"imagenet": "no weights file"}, source="synthetic")
    assert "SYNTHETIC" in text.splitlines()[0]
    for part in (
        "160.0 ± 8.2",
        "120.3 ± 8.6",
        "ImageNet weights",
        "skipped",
        "none > opttranslator",
        "* OptTranslator pretraining against random weights",
    ):
        assert part in text
    places = [text.index(part) for part in ("starting points", "none > opt", "* OptTranslator")]
    assert places == sorted(places)


def test_one_start_has_no_table_of_pairs_and_one_run_no_deviation() -> None:
    text = printed({"none": variant([150.0])}, {}, source="local", spacing_m=80)
    assert "NOT COMPARABLE WITH PUBLISHED NUMBERS" in text.splitlines()[0]
    assert "is the second better" not in text
    assert "±" not in text.split("floor")[0].split("random weights")[1]


def test_the_official_set_has_no_warning_box() -> None:
    made = {"none": variant([150.0, 160.0])}
    text = printed(made, {}, source="pangaea", comparable_with_published=True)
    assert "SYNTHETIC" not in text
    assert "NOT COMPARABLE" not in text
