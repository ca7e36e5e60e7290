"""The study through a real SLURM, with what goes wrong on clusters."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from one_node_slurm import OneNodeSlurm, SlurmJob
from project_copy import House
from waiting import wait_until

# Many jobs one after the other; each wait for one is short and says for what.
pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(600)]

#: Comparing these covers the chain: data, training, prediction, evaluation, pictures.
PRODUCTS = (
    "runs/micro/caffe/resampled.json",
    "runs/micro/finetune/none/seed0/model.json",
    "runs/micro/predict/none/seed1/predictions.json",
    "results/caffe_mde.json",
    "results/caffe_mde.csv",
    "results/caffe_mde_scenes.png",
)
#: For a step: a job is submitted, begins to run, has written its first state.
PATIENCE_S = 120


def wait_beside(
    house: House, process: subprocess.Popen[bytes], reached: Callable[[], object], what: str
) -> None:
    """Wait for a state that a running Snakemake should bring about."""
    wait_until(lambda: bool(reached()) or process.poll() is not None, what, PATIENCE_S)
    assert process.poll() is None, (
        f"Snakemake ended with {process.poll()} before {what}\n{house.said()[-3000:]}"
    )


def submitted(text: str) -> list[int]:
    """Return the numbers of the jobs that Snakemake says it has submitted."""
    return [int(n) for n in re.findall(r"has been submitted with SLURM jobid (\d+)", text)]


def assert_same_products(house: House, original: House) -> None:
    for name in PRODUCTS:
        assert (house.root / name).read_bytes() == (original.root / name).read_bytes(), name


def of_rule(jobs: list[SlurmJob], rule: str) -> list[SlurmJob]:
    return [job for job in jobs if job.rule == rule]


def first_running(slurm: OneNodeSlurm, house: House, rule: str) -> SlurmJob | None:
    jobs = of_rule(slurm.jobs(house.root), rule)
    return next((job for job in jobs if job.state == "RUNNING"), None)


def longer_training(house: House, epochs: int) -> None:
    """Let the training take long enough to be killed in its middle."""
    path = house.root / house.config
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["training"]["epochs"] = epochs
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def test_the_study_through_slurm_equals_the_local_one(
    slurm: OneNodeSlurm, house: House, finished_original: House
) -> None:
    done = house.build()
    jobs = slurm.jobs(house.root)
    twice = {"finetune": 2, "predict": 2, "evaluate_seed": 2}
    once = ("render", "validate", "resample")
    names = (*(f"{verb}_caffe" for verb in once), "prepare_store", "score_baselines", "caffe_mde")
    assert Counter(job.rule for job in jobs) == {**dict.fromkeys(names, 1), **twice}
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert sorted(submitted(done.stderr)) == [job.number for job in jobs]
    kept = "".join(log.read_text() for log in (house.root / ".snakemake/log").iterdir())
    assert all(f"SLURM jobid {job.number} " in kept for job in jobs)
    assert_same_products(house, finished_original)
    assert house.planned() == set()
    # Where a job ran is no reason to repeat it.
    assert House(house.root, house.config, house.target).planned() == set()


def test_a_job_that_fails_once_gets_more_memory_and_time(
    slurm: OneNodeSlurm, finished: House, finished_original: House
) -> None:
    finished.target = "runs/micro/evaluate/baselines.json"
    (finished.root / finished.target).unlink()
    script = finished.root / "workflow/scripts/score_baselines.py"
    killed_once = (
        "import os, pathlib\n"
        "if not pathlib.Path('killed').exists():\n"
        "    pathlib.Path('killed').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    script.write_text(killed_once + script.read_text(encoding="utf-8"), encoding="utf-8")
    finished.build()
    first, second = slurm.jobs(finished.root)
    assert first.comment == second.comment == "rule_score_baselines"
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert second.number > first.number
    assert second.memory_mb > first.memory_mb > 0
    assert second.limit_min > first.limit_min > 0
    made, expected = (h.root / finished.target for h in (finished, finished_original))
    assert made.read_bytes() == expected.read_bytes()


def test_a_killed_training_resumes_in_the_next_attempt(
    slurm: OneNodeSlurm, finished: House, tmp_path: Path
) -> None:
    longer_training(finished, epochs=40)
    finished.target = "runs/micro/finetune/none/seed0/model.json"
    shutil.rmtree(finished.root / "runs/micro/resume")
    undisturbed = House(tmp_path / "undisturbed", target=finished.target)
    shutil.copytree(finished.root, undisturbed.root, symlinks=True)
    state = finished.root / "runs/micro/resume/finetune/none/seed0/last.ckpt"
    with finished.running() as process:
        wait_beside(finished, process, state.exists, "the first epoch")
        training = first_running(slurm, finished, "finetune")
        assert training is not None, "the training was over before it could be killed"
        slurm.kill(training)
        # Until the kill is noticed, and for the second attempt.
        wait_until(lambda: process.poll() is not None, "the end of the run", 2 * PATIENCE_S)
        assert process.returncode == 0, finished.said()[-6000:]
    first, second = slurm.jobs(finished.root)
    assert first.state in {"FAILED", "CANCELLED"}
    assert second.state == "COMPLETED"
    log = (finished.root / "logs/micro/finetune_none_seed0.log").read_text(encoding="utf-8")
    resumed = re.search(r"resuming after epoch (\d+) of 40", log)
    assert resumed is not None
    assert 1 <= int(resumed[1]) < 40
    undisturbed.build()
    assert "resuming" not in (undisturbed.root / "logs/micro/finetune_none_seed0.log").read_text()
    made, expected = (h.root / finished.target for h in (finished, undisturbed))
    assert made.read_bytes() == expected.read_bytes()


def test_all_cancelled_and_snakemake_killed_then_run_again(
    slurm: OneNodeSlurm, finished: House, finished_original: House
) -> None:
    # From the training on; the data stages in SLURM are the business of the first test.
    for name in ("finetune", "resume", "predict", "evaluate"):
        shutil.rmtree(finished.root / "runs/micro" / name)
    shutil.rmtree(finished.root / "results")
    with finished.running() as process:
        wait_beside(
            finished, process, lambda: first_running(slurm, finished, "finetune"), "a training"
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    slurm.cancel(finished.root)
    assert not (finished.root / finished.target).exists()
    locked = finished.snakemake("--configfile", finished.config, "--", finished.target)
    assert locked.returncode != 0
    assert "--unlock" in locked.stderr
    unlocked = finished.snakemake("--configfile", finished.config, "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr[-2000:]
    finished.build()
    states = Counter(job.state for job in slurm.jobs(finished.root))
    assert states["CANCELLED"] >= 1
    assert_same_products(finished, finished_original)
    assert finished.planned() == set()
    folders = (finished.root / "runs", finished.root / "results")
    assert [path for folder in folders for path in folder.rglob(".*.part")] == []


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """Ignore Ctrl-C, as a process does that a script has started with ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_background")
def test_a_training_on_a_gpu_asks_slurm_for_its_model(slurm: OneNodeSlurm, finished: House) -> None:
    profile = finished.root / finished.execution[1] / "config.yaml"
    models = {"set-resources": {"finetune": {"gpu_model": "a100"}}}
    profile.write_text(yaml.safe_dump({**yaml.safe_load(profile.read_text()), **models}))
    longer_training(finished, epochs=3)
    finished.target = "runs/micro/finetune/none/seed0/model.json"
    # No GPU is here to train on: what counts is the request of a job that waits.
    slurm.hold_new_jobs(True)
    with finished.running("--config", "compute={device: cuda}") as process:
        wait_beside(finished, process, lambda: submitted(finished.said()), "a submission")
        (job,) = slurm.jobs(finished.root)
        assert (job.rule, job.state) == ("finetune", "PENDING")
        assert job.gpus == "gres:gpu:a100:1"
        # A job that Snakemake has not noted yet would stay in the queue: docs/hpc.md. It notes the
        # job right after it has said so.
        time.sleep(1)
        finished.interrupt(process)
    (job,) = slurm.jobs(finished.root)
    assert job.state == "CANCELLED", finished.said()
