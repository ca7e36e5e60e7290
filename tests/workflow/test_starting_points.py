"""A study with several starting points, really run: from the pairs to the comparison."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from config_values import with_values
from project_copy import House
from rerun_prediction import RESULTS, rules_of, wanted, whole

from ssl4sar.core.hashing import sha256_file
from ssl4sar.evaluate.comparison_schema import validate_comparison
from ssl4sar.evaluate.result_schema import validate_result
from ssl4sar.provenance.record import SUFFIX, JobRecord
from ssl4sar.workflow.study import open_study

pytestmark = pytest.mark.slow

RESULT, COMPARISON = RESULTS
TASKS = ("optsimmim", "opttranslator")


@pytest.fixture
def house(finished_whole: House, tmp_path: Path) -> House:
    """A private copy of the finished run, time stamps and Snakemake's records included."""
    shutil.copytree(finished_whole.root, tmp_path / "house", symlinks=True)
    return House(tmp_path / "house", finished_whole.config, finished_whole.target)


def checkpoint(house: House, task: str) -> str:
    return sha256_file(house.root / f"runs/micro/pretrain/{task}/seed0/model.ckpt")


def read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_rule_has_run_and_left_its_record(finished_whole: House) -> None:
    root = finished_whole.root
    rules = rules_of(open_study(whole(), [], {}, root), root)
    needed = wanted(rules, RESULTS)
    assert {"render_pairs", "pretrain_optsimmim", "pretext_panels", "finetune"} <= needed
    jobs = {
        (record.rule, *record.wildcards.values())
        for folder in ("runs", "results")
        for path in (root / folder).rglob(f"*{SUFFIX}")
        for record in [JobRecord.read(path)]
    }
    assert {job[0] for job in jobs} == needed
    starts = {job[1] for job in jobs if job[0] == "finetune"}
    assert starts == {"none", *TASKS}
    outputs = [file for rule in needed for job in rules[rule].jobs.values() for file in job.outputs]
    assert [file for file in outputs if not (root / file).exists()] == []


def test_the_result_names_the_pretrained_network_behind_it(finished_whole: House) -> None:
    result = validate_result(read(finished_whole.root / RESULT))
    start = result.starting_point
    assert start is not None
    assert start.variant == "opttranslator"
    assert start.weights_sha256 == [checkpoint(finished_whole, "opttranslator")] * 2
    assert (start.pretraining_source, start.pretraining_synthetic) == ("synthetic", True)
    assert start.test_glaciers_seen == []
    assert result.dataset.comparable_with_published is False


def test_the_comparison_holds_all_starting_points_and_tells_what_it_skips(
    finished_whole: House,
) -> None:
    comparison = validate_comparison(read(finished_whole.root / COMPARISON))
    assert list(comparison.variants) == ["none", *TASKS]
    assert list(comparison.skipped) == ["imagenet"]
    assert "model.weights" in comparison.skipped["imagenet"]
    assert len(comparison.pairs) == 3
    assert comparison.dataset.synthetic
    assert "SYNTHETIC" in comparison.text[0]
    for task in TASKS:
        pretraining = comparison.variants[task].pretraining
        assert pretraining is not None
        assert [c.sha256 for c in pretraining.checkpoints] == [checkpoint(finished_whole, task)]
        assert pretraining.synthetic
        assert not pretraining.saw_test_glaciers
    assert comparison.variants["none"].pretraining is None


def test_both_results_tell_the_same_scores(finished_whole: House) -> None:
    result = validate_result(read(finished_whole.root / RESULT))
    comparison = validate_comparison(read(finished_whole.root / COMPARISON))
    runs = comparison.variants["opttranslator"].runs
    assert [(r.seed, r.mde_m, r.iou_pooled) for r in runs] == [
        (r.seed, r.mde_m, r.iou_pooled) for r in result.runs
    ]


def test_the_comparison_holds_down_to_its_first_job(finished_whole: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ssl4sar.cli", "audit", COMPARISON],
        cwd=finished_whole.root,
        env=finished_whole.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything holds" in done.stdout
    for rule in ("render_pairs", "pretrain_optsimmim", "pretrain_opttranslator", "render_caffe"):
        assert rule in done.stdout


def test_another_starting_point_only_gathers_anew(house: House) -> None:
    assert house.planned() == set()
    kept = (house.root / COMPARISON).read_bytes()
    values = with_values(whole(), {"pretraining.variant": "optsimmim"})
    (house.root / house.config).write_text(yaml.safe_dump(values))
    assert house.planned() == {"caffe_mde", "all"}
    house.build()
    start = validate_result(read(house.root / RESULT)).starting_point
    assert start is not None
    assert start.weights_sha256 == [checkpoint(house, "optsimmim")] * 2
    assert (house.root / COMPARISON).read_bytes() == kept
    assert house.planned() == set()


def test_another_recipe_of_a_pretext_task_leaves_the_other_starting_points(house: House) -> None:
    values = with_values(whole(), {"optsimmim.learning_rate": 0.25})
    (house.root / house.config).write_text(yaml.safe_dump(values))
    trained = {"finetune": 2, "predict": 2, "evaluate_seed": 2}
    gathered = {"pretraining_comparison": 1, "all": 1}
    pretrained = {"pretrain_optsimmim": 1, "pretext_panels": 1}
    assert house.planned_jobs() == {**pretrained, **trained, **gathered}


def test_a_pretraining_for_each_seed_keeps_that_of_the_first(house: House) -> None:
    values = with_values(whole(), {"pretraining.own_seeds": True})
    (house.root / house.config).write_text(yaml.safe_dump(values))
    jobs = house.planned_jobs()
    # Of seed 0 all is there; a pretraining of seed 1 is new, and what starts from it.
    assert {rule: jobs[rule] for rule in ("pretrain_optsimmim", "pretrain_opttranslator")} == {
        "pretrain_optsimmim": 1,
        "pretrain_opttranslator": 1,
    }
    assert (jobs["finetune"], jobs["predict"], jobs["pretext_panels"]) == (2, 2, 2)
    assert "prepare_pair_store" not in jobs
