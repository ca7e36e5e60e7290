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
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from micro_study import (
    RESAMPLED,
    RESULT,
    RESUME,
    fine_tuned,
    log_of_finetune,
    predicted,
    resumed,
)
from one_node_slurm import OneNodeSlurm, SlurmJob
from project_copy import House
from waiting import wait_until

# Many jobs one after the other; each wait for one is short and says for what.
pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(900)]

#: Comparing these covers the chain: data, training, prediction, evaluation, pictures.
PRODUCTS = (
    RESAMPLED,
    f"{fine_tuned()}/model.json",
    f"{predicted(1)}/predictions.json",
    RESULT,
    "results/caffe_mde.csv",
    "results/caffe_mde_scenes.png",
)
#: For a step: a job is submitted, begins to run, has written its first state.
PATIENCE_S = 120


def wait_beside(
    house: House,
    process: subprocess.Popen[bytes],
    reached: Callable[[], object],
    what: str,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for a state that a running Snakemake should bring about."""
    wait_until(lambda: bool(reached()) or process.poll() is not None, what, patience_s)
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


#: Begin of a job that is killed at its first attempt.
KILLED_ONCE = """import os, pathlib
if not pathlib.Path("killed").exists():
    pathlib.Path("killed").touch()
    os.kill(os.getpid(), 9)
"""


def test_a_study_that_is_killed_on_the_way_equals_the_local_one(
    slurm: OneNodeSlurm, house: House, finished_study: House
) -> None:
    script = house.root / "workflow/scripts/predict.py"
    script.write_text(KILLED_ONCE + script.read_text(encoding="utf-8"), encoding="utf-8")
    with house.running() as process:
        wait_beside(
            house, process, lambda: first_running(slurm, house, "finetune"), "a training", 240
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    slurm.cancel(house.root)
    assert not (house.root / house.target).exists()
    locked = house.snakemake("--configfile", house.config, "--", house.target)
    assert locked.returncode != 0
    assert "--unlock" in locked.stderr
    unlocked = house.snakemake("--configfile", house.config, "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr[-2000:]
    said = house.build()

    jobs = slurm.jobs(house.root)
    once = {"render_caffe", "validate_caffe", "resample_caffe", "prepare_store", "caffe_mde"}
    completed = Counter(job.rule for job in jobs if job.state == "COMPLETED")
    # Perhaps twice: it may have ended just before the kill, unseen.
    assert completed.pop("score_baselines") in {1, 2}
    trained = {"finetune": 2, "predict": 2, "evaluate_member": 2}
    assert completed == {**dict.fromkeys(once, 1), **trained}
    assert "CANCELLED" in {job.state for job in of_rule(jobs, "finetune")}
    assert set(submitted(said)) < {job.number for job in jobs}
    logged = "".join(log.read_text() for log in (house.root / ".snakemake/log").iterdir())
    assert [n for n in submitted(said) if f"SLURM jobid {n} " not in logged] == []
    # A job that fails gets more memory and time.
    failed, *others = sorted(of_rule(jobs, "predict"), key=lambda job: job.state != "FAILED")
    assert failed.comment.startswith("rule_predict")
    assert [job.state for job in others] == ["COMPLETED"] * 2
    assert max(job.memory_mb for job in others) > failed.memory_mb > 0
    assert max(job.limit_min for job in others) > failed.limit_min > 0

    assert_same_products(house, finished_study)
    assert house.planned() == set()
    # Where a job ran is no reason to repeat it.
    assert House(house.root).planned() == set()
    folders = (house.root / "runs", house.root / "results")
    assert [path for folder in folders for path in folder.rglob(".*.part")] == []


def test_a_killed_training_resumes_in_the_next_attempt(
    slurm: OneNodeSlurm, finished: House, tmp_path: Path
) -> None:
    longer_training(finished, epochs=40)
    finished.target = f"{fine_tuned()}/model.json"
    shutil.rmtree(finished.root / RESUME)
    undisturbed = replace(
        finished.copy(tmp_path / "undisturbed"), execution=House(finished.root).execution
    )
    state = finished.root / resumed(fine_tuned()) / "last.ckpt"
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
    log = (finished.root / log_of_finetune()).read_text(encoding="utf-8")
    after = re.search(r"resuming after epoch (\d+) of 40", log)
    assert after is not None
    assert 1 <= int(after[1]) < 40
    undisturbed.build()
    assert "resuming" not in (undisturbed.root / log_of_finetune()).read_text()
    made, expected = (h.root / finished.target for h in (finished, undisturbed))
    assert made.read_bytes() == expected.read_bytes()


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
    finished.target = f"{fine_tuned()}/model.json"
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
