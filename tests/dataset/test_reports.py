"""Reports on datasets, for a person and for a program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.pair_manifest import ExcludedGlacier, LeftOutImage
from ssl4sar.dataset.pair_report import PairCounts, PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.problems import Problem, Report


@pytest.fixture
def report() -> PairReport:
    return PairReport(
        root="/data/pairs",
        rules=PairRules("local", ("Columbia",)),
        manifest=None,
        excluded=(ExcludedGlacier(glacier="Columbia", train=3, val=1, optical=1),),
        left_out=(LeftOutImage(file="val/z.png", why="ssl4sar.leave_out: z*"),),
        counts=PairCounts({"train": {"A": 5, "B": 2}, "val": {}}, (40, 60), None, {"A": 0.987}, 12),
        problems=[
            Problem("error", "x.png", "it is damaged", "replace it"),
            Problem("warning", "y.png", "it is odd", "nothing"),
        ],
    )


def test_a_person_reads_counts_exclusions_and_problems(report: PairReport) -> None:
    assert report.as_text() == (
        "pairs of SAR and optical images: /data/pairs\n"
        "  train: 7 images (A 5, B 2)\n"
        "  val: 0 images (none)\n"
        "  heights 40-60 px, widths unknown px\n"
        "  optical pixels with data: A 98.7%\n"
        "  Columbia is a glacier of the test set: left out with 3 training, 1 validation and 1 "
        "optical images\n"
        "  val/z.png is left out: ssl4sar.leave_out: z*\n"
        "errors: 1, warnings: 1\n"
        "  error x.png: it is damaged; replace it\n"
        "  warning y.png: it is odd; nothing\n"
    )


def test_a_program_reads_the_same(report: PairReport, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["schema"] == "ssl4sar.pretraining-validation/1"
    assert (content["ok"], content["errors"], content["warnings"]) == (False, 1, 1)
    assert content["counts"]["images"] == {"train": {"A": 5, "B": 2}, "val": {}}
    assert content["counts"]["height_px"] == [40, 60]
    assert content["excluded"] == [{"glacier": "Columbia", "train": 3, "val": 1, "optical": 1}]
    assert content["left_out"] == [{"file": "val/z.png", "why": "ssl4sar.leave_out: z*"}]
    assert content["problems"][0]["file"] == "x.png"


def test_errors_refuse_the_manifest(report: PairReport) -> None:
    told = r"/data/pairs: the pretraining dataset has 1 error \(x\.png: it is damaged\)"
    with pytest.raises(UserError, match=told) as caught:
        report.checked_manifest("report.json")
    remedy = "name them in ssl4sar.leave_out, as listed in report.json, and rerun"
    assert caught.value.fix == f"correct the files or {remedy}"
    # Who corrects a file of a published record is refused by the next job.
    published = replace(report, rules=replace(report.rules, source="zenodo"))
    with pytest.raises(UserError) as caught:
        published.checked_manifest("report.json")
    assert caught.value.fix == remedy


def problem(severity: str, file: str) -> Problem:
    return Problem(severity, file, "it is wrong", "correct it")  # type: ignore[arg-type]


def test_errors_are_reported_in_one_line_and_none_pass() -> None:
    Report(root="root").refuse_errors("CaFFe tree", "rerun")
    with pytest.raises(UserError) as caught:
        Report(root="root", problems=[problem("error", "x.png")]).refuse_errors(
            "dataset", "correct them"
        )
    assert str(caught.value) == ("root: the dataset has 1 error (x.png: it is wrong); correct them")
    with pytest.raises(UserError, match=r"7 errors \(0: .*; 4: it is wrong; and 2 more\)"):
        Report(root="r", problems=[problem("error", str(n)) for n in range(7)]).refuse_errors(
            "dataset", "f"
        )
