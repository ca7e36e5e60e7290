"""A study with several models, really run: from the pairs to the comparison and the report."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from loaded_rules import loaded_rules
from micro_study import COMPARISON, MAIN, RESULT, TASKS, UNET, pretrained, records_of
from project_copy import House

from ssl4sar.cli import main
from ssl4sar.core.hashing import sha256_file
from ssl4sar.evaluate.schema import read_comparison, read_result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def checkpoint(house: House, task: str) -> str:
    return sha256_file(house.root / pretrained(task) / "model.ckpt")


def read(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_rule_of_a_synthetic_study_has_run(finished_study: House) -> None:
    records = [record for _, record in records_of(finished_study.root)]
    # What needs services or raw products has studies of its own.
    elsewhere = ("download", "extract", "fetch", "search", "inventory", "scenes", "mosaic")
    elsewhere += ("render_elevation", "stack_scenes", "optical", "check_stack", "build_dataset")
    made = {record.rule for record in records}
    assert {name for name in loaded_rules() if not name.startswith(elsewhere)} <= made
    models = {r.wildcards["model"] for r in records if r.rule == "finetune"}
    assert models == {MAIN, *TASKS, UNET}


def test_the_result_is_complete_and_says_synthetic(finished_study: House) -> None:
    result = read_result(read(finished_study.root / RESULT))
    assert [run.member for run in result.runs] == ["seed0", "seed1"]
    assert result.dataset.comparable_with_published is False
    assert "SYNTHETIC" in (finished_study.root / RESULT).read_text()
    for name in ("caffe_mde.csv", "caffe_mde_scenes.png", "caffe_mde_errors.png"):
        assert (finished_study.root / "results" / name).stat().st_size > 0


def test_the_comparison_holds_all_models_and_the_scores_of_the_result(
    finished_study: House, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = read_comparison(read(finished_study.root / COMPARISON))
    models = {each.name: each for each in comparison.models}
    assert list(models) == [MAIN, *TASKS, UNET]
    assert len(comparison.pairs) == 6
    assert comparison.dataset.synthetic
    assert "SYNTHETIC" in comparison.text[0]
    for task in TASKS:
        pretraining = models[task].model.pretraining
        assert pretraining is not None
        assert [c.sha256 for c in pretraining.checkpoints] == [checkpoint(finished_study, task)]
        assert pretraining.synthetic
        assert models[task].model.test_glaciers_seen == []
    assert models[MAIN].model.pretraining is None
    unet = models[UNET]
    assert (unet.model.network["name"], unet.model.weights) == ("aspp_unet", "none")
    assert [run.member for run in unet.runs] == ["seed0"]
    assert unet.model.parameters != models[MAIN].model.parameters
    result = read_result(read(finished_study.root / RESULT))
    assert [(r.member, r.mde_m, r.iou_pooled) for r in models[MAIN].runs] == [
        (r.member, r.mde_m, r.iou_pooled) for r in result.runs
    ]
    # It holds down to its first job.
    assert main(["audit", str(finished_study.root / COMPARISON)]) == 0
    said = capsys.readouterr().out
    for rule in ("render_pairs", "pretrain_optsimmim", "pretrain_opttranslator", "render_caffe"):
        assert rule in said


def test_another_main_model_only_gathers_again_and_replaces_the_record(
    finished: House, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (finished.root / name).read_bytes() for name in (RESULT, COMPARISON)}
    finished.configure({"model": "optsimmim", "compare": [MAIN, *TASKS]})
    assert finished.planned(target="all") == {"caffe_mde", "pretraining_comparison", "all"}
    finished.build(target="all")
    model = read_result(read(finished.root / RESULT)).model
    assert model is not None
    assert (model.name, model.weights) == ("optsimmim", "optsimmim")
    assert model.weights_sha256 == [checkpoint(finished, "optsimmim")]
    assert model.pretraining is not None
    assert (model.pretraining.source, model.pretraining.synthetic) == ("synthetic", True)
    assert model.test_glaciers_seen == []
    comparison = read_comparison(read(finished.root / COMPARISON))
    assert [each.name for each in comparison.models] == [MAIN, *TASKS]
    assert finished.planned(target="all") == set()
    assert main(["audit", str(finished.root / RESULT)]) == 0
    # The older result put back in its place is not what the record says.
    (finished.root / RESULT).write_bytes(before[RESULT])
    capsys.readouterr()
    assert main(["audit", str(finished.root / RESULT), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["problems"]
    assert [(p["kind"], p["jobs"]) for p in found] == [("altered", ["caffe_mde"])]


def test_the_report_holds_every_category_and_loads_nothing(finished: House, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    finished.build("--report", str(page), target="all")
    text = page.read_text(encoding="utf-8")
    categories = ("4 Dataset", "5 Pretraining", "6 Fine-tuning", "7 Evaluation", "8 Result")
    assert [category for category in categories if category not in text] == []
    assert "SYNTHETIC" in text
    # It opens offline: nothing is loaded from elsewhere.
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]+)"', text)
    assert loaded == []
    browsers = map(shutil.which, ("chromium", "chromium-browser", "chrome"))
    browser = next(filter(None, browsers), None)
    if browser is None:
        return  # It is opened where there is Chromium.
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000")
    done = subprocess.run(
        [browser, *options, f"--user-data-dir={tmp_path}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert [category for category in categories if category not in done.stdout] == []
    assert "micro" in done.stdout
