"""Every problem of a pretraining dataset is found and told."""

from __future__ import annotations

import pytest
from pair_folder import PairFolder

from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.pair_report import PairReport
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs

RULES = PairRules("local", ("COL", "Columbia", "Mapple"))
BUILT = PairRules("built", RULES.test_glaciers)


def told(report: PairReport) -> list[tuple[str, str, str]]:
    return [(p.severity, p.file, p.problem) for p in report.problems]


def test_a_good_dataset_has_all_facts_and_no_problem(pairs: PairFolder) -> None:
    report = validate_pairs(pairs.root, RULES)
    assert report.problems == []
    manifest = report.checked_manifest("report.json")
    assert manifest.glaciers == ("A", "B", "C")
    assert len(manifest.images("train")) == 6
    first = manifest.sar[0]
    assert (first.file, first.split, first.glacier, first.date, first.height, first.width) == (
        f"{pairs.train}/S1_A_20200703_014.png",
        "train",
        "A",
        "2020-07-03",
        40,
        50,
    )
    assert first.sha256 == sha256_file(manifest.path(first))
    assert (first.spacing_m, first.crs, first.transform, first.processing) == (None,) * 4
    assert manifest.optical[1].bands == 15
    assert manifest.optical[1].date == "2020-07-15"
    assert not manifest.synthetic
    assert manifest.included_test_glaciers == ()
    assert report.counts.images["val"] == {"A": 1, "B": 1}
    assert report.counts.valid_fraction["C"] == pytest.approx(1 - 12 / 480)
    assert report.counts.height_px == (20, 40)
