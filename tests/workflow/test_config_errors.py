"""Wrong configurations stop the real command at once, in one line."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from project_copy import planned_jobs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "trianing=1"], "trianing is no known key (did you mean training?)"),
        (["--config", "training={learning_rate: fast}"], "training.learning_rate: input should"),
        (["--config", "caffe_root=/nowhere/data_raw"], "/nowhere/data_raw: the folder does not"),
        (["--configfile", "config/caffe_coarse.yaml"], "caffe.root is missing"),
        (
            ["--config", "ssl4sar={source: local, root: /nowhere/pairs}"],
            "ssl4sar.root: /nowhere/pairs: the folder does not exist",
        ),
        (["--configfile", "config/paper.yaml", "config/config.yaml"], "one file is one complete"),
    ],
)
def test_one_line_without_traceback(house, arguments: list[str], told: str) -> None:
    start = time.monotonic()
    done = house.snakemake("-n", *arguments, "--", "results/caffe_mde.json")
    elapsed_s = time.monotonic() - start
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(lines) == 1
    assert told in lines[0]
    assert "Traceback" not in done.stderr + done.stdout
    # Not a benchmark: a run that starts jobs or reads data before it complains takes far longer.
    assert elapsed_s < 60


def test_a_python_below_a_path_with_spaces_is_refused_before_any_job(house, tmp_path) -> None:
    prefix = tmp_path / "My Projects"
    prefix.symlink_to(sys.prefix)
    arguments = ["-m", "snakemake", "--cores", "1", "--configfile", house.config, "--"]
    done = subprocess.run(
        [str(prefix / "bin/python"), *arguments, "runs/micro/caffe/rendered.json"],
        cwd=house.root,
        env=house.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(lines) == 1
    assert "My Projects" in lines[0]
    assert "python3 -m venv ~/ssl4sar-venv" in lines[0]
    assert not (house.root / "runs").exists()


def test_a_project_below_a_path_with_spaces_works(house, tmp_path) -> None:
    house.root = house.root.rename(tmp_path / "My Projects (new)")
    house.target = "runs/micro/caffe/rendered.json"
    house.build()


def test_the_published_study_is_planned_with_all_its_trainings_on_a_fresh_clone(house) -> None:
    house.target = "all"
    jobs = house.planned_jobs(config="config/paper.yaml")
    # Five seeds from each of four starting points; the pretrainings are shared.
    trained = {"finetune", "predict", "evaluate_seed"}
    assert {rule: jobs.pop(rule) for rule in trained} == dict.fromkeys(trained, 20)
    assert jobs.pop("pretext_panels") == 2
    data = {"download_caffe", "extract_caffe", "validate_caffe", "prepare_store"}
    pairs = {"download_ssl4sar", "extract_ssl4sar", "validate_pairs", "prepare_pair_store"}
    starts = {"fetch_weights", "pretrain_optsimmim", "pretrain_opttranslator"}
    results = {"score_baselines", "caffe_mde", "pretraining_comparison", "all"}
    # With merging, the default's `spacing_m` would resample the native grids.
    assert jobs == dict.fromkeys(data | pairs | starts | results, 1)


@pytest.mark.parametrize(
    ("values", "pretrainings", "trainings"),
    [
        ("{own_seeds: true}", {"pretrain_optsimmim": 2, "pretrain_opttranslator": 2}, 6),
        # The comparison has one starting point: it is not made.
        ("{variant: optsimmim, compare: [none]}", {"pretrain_optsimmim": 1}, 2),
        ("{variant: none, compare: [none]}", {}, 2),
    ],
)
def test_starting_points_of_the_default_are_chosen_on_the_command_line(
    house, values: str, pretrainings: dict[str, int], trainings: int
) -> None:
    changes = ("--config", "seeds=[0, 1]", f"pretraining={values}")
    done = house.snakemake("-n", *changes, "--", "all")
    assert done.returncode == 0, done.stderr[-3000:]
    jobs = planned_jobs(done.stdout + done.stderr)
    assert jobs["finetune"] == trainings
    assert {rule: n for rule, n in jobs.items() if rule.startswith("pretrain_")} == pretrainings
    assert ("pretraining_comparison" in jobs) == (trainings == 6)
    assert ("render_pairs" in jobs) == bool(pretrainings)


def test_the_default_is_planned_on_a_fresh_clone_by_its_own_profile(house) -> None:
    done = house.snakemake("-n", "--", house.target)
    assert "Using workflow specific profile profiles/default" in done.stderr
    planned = set(planned_jobs(done.stdout + done.stderr))
    assert {"validate_caffe", "prepare_store", "finetune", "predict", "caffe_mde"} <= planned
    assert "render_caffe" in planned
    assert "download_caffe" not in planned
