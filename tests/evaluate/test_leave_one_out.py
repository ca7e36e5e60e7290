"""The table of a leave-one-glacier-out study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from made_scores import NAMES, image, scored
from scipy import stats

from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.leave_one_out import Fold, LeaveOneOut, build_leave_one_out, markdown
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.schema import read_comparison
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.significance import compare_paired

BASELINES = {
    "true_zones": BaselineScores("the true zones", [image(name, 12.0, 0) for name in NAMES]),
    "left": BaselineScores("left half ocean", [image(name, 150.0, 400) for name in NAMES]),
}


def fold(
    glacier: str,
    minutes: float | None,
    baselines: Mapping[str, BaselineScores] = BASELINES,
    facts: Mapping[str, Mapping[str, object]] | None = None,
    **mde_m: Sequence[float | None],
) -> Fold:
    dataset = describe_dataset("x", source="local", spacing_m=80, test_glaciers=[glacier])
    models = [scored(name, mde_m[name], **(facts or {}).get(name, {})) for name in mde_m]
    comparison = read_comparison(build_comparison(dataset, models, baselines))
    return Fold(glacier, comparison, dict.fromkeys(mde_m, minutes))


@pytest.fixture
def study() -> LeaveOneOut:
    folds = [
        fold("Crane", 4.0, old=[200.0, 100.0], new=[90.0, 80.0]),
        fold("JAC", 6.0, old=[300.0, None], new=[120.0, 130.0]),
    ]
    return build_leave_one_out("coarse", "real scenes at 80 m", folds, ["SI"])


def test_a_mean_weighs_every_fold_alike(study: LeaveOneOut) -> None:
    old, new = study.models
    assert [each.glacier for each in old.folds] == ["Crane", "JAC"]
    assert [each.mde_m.mean for each in old.folds] == [150, None]
    assert old.folds[1].no_front.mean == 1
    # Two images per fold; one of two runs found no front on JAC.
    assert old.no_front_share == pytest.approx(0.25)
    assert (new.mde_m.mean, new.no_front_share) == (105, 0)
    assert new.training_min == 10
    assert json.loads(study.model_dump_json(by_alias=True))["schema"] == "ssl4sar.leave-one-out/2"


def test_no_mean_leaves_out_runs_and_folds_without_a_front() -> None:
    folds = [
        fold("Crane", None, old=[120.0, 136.0], new=[1200.0, 1000.0]),
        fold("JAC", None, old=[128.0, None], new=[1100.0, 1300.0]),
        fold("SI", None, old=[None, None], new=[1100.0, 1110.0]),
    ]
    study = build_leave_one_out("x", "note", folds, [])
    old, new = study.models
    assert [each.mde_m.runs for each in old.folds] == [2, 1, 0]
    assert (old.folds[0].mde_m.mean, old.folds[1].mde_m.mean) == (128, None)
    for measure in (old.mde_m, old.front_precision_500m):
        assert (measure.mean, measure.std, measure.median, measure.runs) == (None, None, None, 1)
    assert old.front_recall_500m.mean == pytest.approx(0.5)
    assert new.mde_m.mean == 1135
    text = markdown(study)
    assert "| **old** | **mean of folds** | **6** | **-** | **50.0%** |" in text
    assert "| old | JAC | 2 | - | 1.0 |" in text
    assert (
        "* old: no front was found in any image by 1 of 2 runs on JAC, 2 of 2 runs on SI; they "
        "have no MDE and no precision, and a mean of the others, which would flatter it, is not "
        "given"
    ) in text
    assert "new: no front was found" not in text


def test_the_references_of_a_fold_say_what_they_miss() -> None:
    skipping = [image(NAMES[0], 20.0), image(NAMES[1], None)]
    trivial = {
        "true_zones": BASELINES["true_zones"],
        "bright": BaselineScores("bright", skipping),
    }
    folds = [
        fold("Crane", None, old=[200.0]),
        fold("JAC", None, baselines=trivial, old=[200.0]),
    ]
    study = build_leave_one_out("x", "note", folds, [])
    crane, jac = (each.references for each in study.models[0].folds)
    assert (crane.floor_no_front, jac.floor_no_front) == (0, 0)
    assert crane.best_trivial_mde_m is not None
    assert jac.best_trivial_mde_m is not None
    assert (crane.best_trivial_mde_m.value, crane.best_trivial_mde_m.no_front) == (150, 0)
    assert (jac.best_trivial_mde_m.value, jac.best_trivial_mde_m.no_front) == (20, 1)
    text = markdown(study)
    columns = "floor (m) | floor no front | best trivial (m) | its no front | best trivial recall"
    assert f"| {columns} |" in text
    assert "| 12 | 0 | 150 | 0 | 1.00 |" in text
    assert "| 12 | 0 | 20 | 1 | 0.50 |" in text
    assert "| **12** | **0.0%** | **85** | **25.0%** | **0.75** |" in text


def test_runs_are_paired_by_fold_and_member_where_all_have_a_value() -> None:
    runs = {"old": [200.0, 100.0], "new": [90.0, 80.0]}
    folds = [
        fold("Crane", None, **runs),
        fold("JAC", None, old=[300.0, None], new=[120.0, 130.0]),
        fold("SI", None, old=[150.0, 120.0], new=[140.0, 120.0]),
    ]
    study = build_leave_one_out("x", "note", folds, [])
    (pair,) = [each for each in study.pairs if each.measure == "mde_m"]
    assert (pair.better, pair.worse, pair.left_out) == ("new", "old", ["JAC"])
    assert (pair.by_run.pairs, pair.by_run.better) == (4, 3)
    assert pair.by_run.mean_advantage == pytest.approx((110 + 20 + 10 + 0) / 4)
    assert (pair.by_run.p, pair.by_run.least_p) == (0.25, 0.125)
    assert (pair.by_fold.pairs, pair.by_fold.better) == (2, 2)
    assert pair.by_fold.p == pair.by_fold.least_p == 0.5
    text = markdown(study)
    cells = "mde_m | 35.0 | 3 of 4 | 0.250 | 0.125 | 2 of 2 without JAC | 0.500 | 0.500 |"
    assert f"| new better than old | {cells}" in text
    assert "two-sided" in text
    assert "no p below" not in text


def test_the_better_model_is_named_whichever_comes_first() -> None:
    runs = {"new": [90.0, 80.0], "old": [200.0, 100.0]}
    study = build_leave_one_out("x", "note", [fold(name, None, **runs) for name in "abc"], [])
    mde_m, no_front, iou, *_ = study.pairs
    assert (mde_m.better, mde_m.worse, mde_m.by_fold.mean_advantage) == ("new", "old", 65)
    assert mde_m.by_run.p == mde_m.by_run.least_p == 1 / 32
    assert "| new better than old | mde_m | 65.0 | 6 of 6 | 0.031 |" in markdown(study)
    assert (iou.by_run.mean_advantage, iou.by_run.p) == (0, None)
    assert "| old as good as new | iou_pooled | 0.000 | 0 of 6 | - |" in markdown(study)
    assert no_front.measure == "no_front_share"


def test_images_without_a_front_are_compared_as_a_share_of_the_fold() -> None:
    study = build_leave_one_out("x", "note", [fold("JAC", None, old=[None], new=[3.0])], [])
    mde_m, no_front, *_ = study.pairs
    assert (no_front.measure, no_front.better) == ("no_front_share", "new")
    assert no_front.by_run.mean_advantage == 1
    assert (mde_m.by_fold.pairs, mde_m.left_out) == (0, ["JAC"])
    assert "| old, new: not tested | mde_m | - | 0 of 0 | - | - | 0 of 0 without JAC | - | - |" in (
        markdown(study)
    )


def test_the_tables_say_what_is_missing(study: LeaveOneOut) -> None:
    text = markdown(study)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    cells = {tuple(map(str.strip, line.split("|")[1:3])): line for line in rows}
    assert "| 150 ± 50 | 0.0 | 0.818 ± 0.000 |" in cells["old", "Crane"]
    assert "| **-** | **25.0%** |" in cells["**old**", "**mean of folds**"]
    assert "| new | JAC | 2 | 125 ± 5 |" in text
    assert "| new better than old | mde_m | 65.0 | 2 of 2 | 0.500 | 0.500 | 1 of 1" in text
    assert "* real scenes at 80 m" in text
    assert "1 of 3 folds FAILED and are missing in all means: SI" in text
    assert "old: the mean MDE is not better than that of the best trivial" in text
    assert "prediction on Crane, JAC" in text
    assert "new: the mean MDE" not in text


def test_one_model_and_one_fold_without_records() -> None:
    study = build_leave_one_out("x", "note", [fold("JAC", None, old=[None])], [])
    assert study.pairs == []
    assert study.models[0].training_min is None
    assert study.models[0].mde_m.mean is None
    assert "prediction on JAC" in markdown(study)
    with pytest.raises(ValueError, match="different models"):
        folds = [fold("JAC", None, old=[1.0]), fold("SI", None, new=[1.0])]
        build_leave_one_out("x", "note", folds, [])


def test_what_networks_saw_is_said_once_and_exactly() -> None:
    unseen = "every glacier is the test split of one fold, whose networks were trained on no image "
    mean = {"date_mean": {"share": 0.5, "window": "all"}}
    seen: dict[str, Mapping[str, object]] = {"old": mean, "new": mean}
    runs = {"old": [1.0], "new": [2.0]}
    folds = [fold("Crane", None, facts=seen, **runs), fold("JAC", None, facts=seen, **runs)]
    text = markdown(build_leave_one_out("x", "note", folds, []))
    assert f"* {unseen}of it; a mean weighs" in text
    assert text.count("the mean over all test images") == 1
    assert "* old, new: the zones of each test image" in text
    seen["new"] = {**mean, "test_glaciers_seen": ["JAC"]}
    folds[1] = fold("JAC", None, facts=seen, **runs)
    text = markdown(build_leave_one_out("x", "note", folds, []))
    assert f"* {unseen}of it, except for new: see below; a mean weighs" in text
    assert text.count("* JAC: new: the starting weights have seen images of the test glaciers") == 1
    assert text.count("the mean over all test images") == 1


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_paired_test_is_that_of_all_signs(better: str) -> None:
    rng = np.random.default_rng(1)
    pairs = [(float(a), float(b)) for a, b in rng.normal(size=(9, 2)).round(2)]
    found = compare_paired(pairs, better)  # type: ignore[arg-type]
    gains = np.array([a - b for a, b in pairs]) * (1 if better == "lower" else -1)
    expected = stats.permutation_test(
        (gains,), np.mean, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.mean_advantage == pytest.approx(gains.mean())
    assert (found.method, found.least_p) == ("exact", 2**-8)


def test_a_paired_test_of_nothing_of_equals_and_of_many() -> None:
    assert compare_paired([], "lower").model_dump() == {
        **dict.fromkeys(("mean_advantage", "p", "method", "least_p")),
        "pairs": 0,
        "better": 0,
    }
    assert compare_paired([(1.0, 1.0)], "lower").p is None
    # Equal gains: rounding does not part sums that are equal.
    assert compare_paired([(0.3, 0.1), (0.3, 0.1), (0.1, 0.3)], "lower").p == 1
    assert compare_paired([(1.0, 2.0)] * 4, "lower").p == 0.125
    many = compare_paired([(2.0, 1.0)] * 30, "lower")
    assert many.method == "drawn"
    # Of drawn signs the observed ones are one.
    assert many.p == many.least_p == pytest.approx(1 / 20_001)
