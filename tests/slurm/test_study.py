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

import pytest
import yaml
from micro_study import (
    RESAMPLED,
    fine_tuned,
    log_of_finetune,
    outputs_of,
    predicted,
    resumed,
    scored,
)
from one_node_slurm import OneNodeSlurm, SlurmJob
from project_copy import House
from waiting import wait_until

# Many jobs one after the other; each wait for one is short and says for what.
pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(900)]

#: Comparing these covers the chain: data, training, prediction, scores.
PRODUCTS = (
    *(RESAMPLED, f"{fine_tuned()}/model.json", f"{predicted()}/predictions.json"),
    scored(),
)
#: The state of a training after its first epoch.
STATE = f"{resumed(fine_tuned())}/last.ckpt"
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


def of_rule(jobs: list[SlurmJob], rule: str) -> list[SlurmJob]:
    return [job for job in jobs if job.rule == rule]


def first_running(slurm: OneNodeSlurm, house: House, rule: str) -> SlurmJob | None:
    jobs = of_rule(slurm.jobs(house.root), rule)
    return next((job for job in jobs if job.state == "RUNNING"), None)


#: Begin of a training that is killed at its first attempt, as a system short of memory would,
#: once its first epoch is done.
KILLED_ONCE = f"""import os, pathlib, threading, time
def _kill():
    while not pathlib.Path("{STATE}").exists():
        time.sleep(0.001)
    os.kill(os.getpid(), 9)
if not pathlib.Path("killed").exists():
    pathlib.Path("killed").touch()
    threading.Thread(target=_kill, daemon=True).start()
"""


#: What begins the study: made on the login node, where data are fetched or rendered.
MADE_BEFORE = ("render_caffe", "validate_caffe")


@pytest.fixture
def begun(house: House, finished_study: House) -> House:
    """The scores of one network to be made by SLURM, of which the data are there."""
    house.target = scored()
    known = ".snakemake/metadata"
    shutil.copytree(finished_study.root / known, house.root / known)
    for rule in MADE_BEFORE:
        for path in outputs_of(finished_study.root, rule):
            source, target = finished_study.root / path, house.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)
    return house


def test_a_study_that_is_killed_on_the_way_equals_the_local_one(
    slurm: OneNodeSlurm, begun: House, finished_study: House
) -> None:
    house = begun
    script = house.root / "workflow/scripts/finetune.py"
    script.write_text(KILLED_ONCE + script.read_text(encoding="utf-8"), encoding="utf-8")
    with house.running() as process:
        wait_beside(
            house, process, lambda: first_running(slurm, house, "resample_caffe"), "a job", 400
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    slurm.cancel(house.root)
    locked = house.snakemake("--configfile", house.config, "--", house.target)
    assert locked.returncode != 0
    assert "--unlock" in locked.stderr
    unlocked = house.snakemake("--configfile", house.config, "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr[-2000:]
    said = house.build()

    jobs = slurm.jobs(house.root)
    # Where the data were made is no reason to repeat that.
    rules = {"resample_caffe", "prepare_store", "finetune", "predict", "evaluate_member"}
    completed = Counter(job.rule for job in jobs if job.state == "COMPLETED")
    assert completed == dict.fromkeys(rules, 1)
    assert [job.state for job in of_rule(jobs, "resample_caffe")] == ["CANCELLED", "COMPLETED"]
    assert set(submitted(said)) < {job.number for job in jobs}
    logged = "".join(log.read_text() for log in (house.root / ".snakemake/log").iterdir())
    assert [n for n in submitted(said) if f"SLURM jobid {n} " not in logged] == []
    # A job that fails gets more memory and time, and a training resumes after its last epoch.
    failed, resuming = of_rule(jobs, "finetune")
    assert failed.comment.startswith("rule_finetune")
    assert (failed.state, resuming.state) == ("FAILED", "COMPLETED")
    assert resuming.memory_mb > failed.memory_mb > 0
    assert resuming.limit_min > failed.limit_min > 0
    assert "resuming after epoch 1 of 2" in (house.root / log_of_finetune()).read_text()

    for name in PRODUCTS:
        made, local = (h.root / name for h in (house, finished_study))
        assert made.read_bytes() == local.read_bytes(), name
    assert house.planned() == set()
    # Where a job ran is no reason to repeat it.
    assert House(house.root).planned(target=house.target) == set()
    assert list((house.root / "runs").rglob(".*.part")) == []


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
    finished.configure({"training.epochs": 3})
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
