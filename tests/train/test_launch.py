"""Processes of a training start together, end together, and tell one line."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.launch import launch, srun_command
from ssl4sar.train.operations.stopping import StoppedError

TOY = """
import os, signal, time
import torch.distributed as dist
from pathlib import Path
from ssl4sar.core.progress import log
from ssl4sar.train.operations.launch import serve
from ssl4sar.train.operations.stopping import StoppedError


def toy(request, team):
    Path(request["pids"], f"{team.rank}-{os.getpid()}").touch()
    task = request["task"]
    if task == "sleep":
        time.sleep(600)
    if task in {"crash", "killed", "stopped"}:
        if team.leads:
            dist.barrier()
        if task == "stopped":
            raise StoppedError("training", "stopped after epoch 3 of 9", "the next goes on")
        if task == "crash":
            raise ValueError("an odd thing\\nwith a second line")
        os.kill(os.getpid(), signal.SIGKILL)
    agreed = team.agree(lambda: f"decided by {team.rank}")
    Path(request["pids"], f"agreed-{team.rank}").write_text(agreed)
    log(f"line of {team.rank}")
    print(f"print of {team.rank}")
    return {"agreed": agreed, "size": team.size, "threads": os.environ["OMP_NUM_THREADS"]}


if __name__ == "__main__":
    serve(toy)
"""
TWO = ComputeConfig(devices=2, train_threads=1)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A training function in a module that other processes find too."""
    (tmp_path / "toy_training.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    sys.modules.pop("toy_training", None)
    yield importlib.import_module("toy_training").toy
    sys.modules.pop("toy_training", None)


@pytest.fixture
def pids(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    return folder


def processes(pids):
    return {int(path.name.split("-")[1]) for path in pids.glob("[0-9]*-*")}


def alive(pids):
    return {
        pid
        for pid in processes(pids)
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    }


@pytest.mark.slow
def test_a_team_agrees_and_only_its_leader_speaks(toy, tmp_path, pids, caplog):
    with caplog.at_level("INFO", logger="ssl4sar"):
        facts = launch(toy, {"task": "work", "pids": str(pids)}, TWO, tmp_path / "resume")
    assert facts == {"agreed": "decided by 0", "size": 2, "threads": "1"}
    assert {path.read_text() for path in pids.glob("agreed-*")} == {"decided by 0"}
    assert [record.message for record in caplog.records] == ["line of 0", "print of 0"]
    (log,) = tmp_path.glob("resume/processes/*/rank1.log")
    assert log.read_text().splitlines() == ["line of 1", "print of 1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "error", "pattern"),
    [
        ("stopped", StoppedError, r"^training: stopped after epoch 3 of 9; the next goes on$"),
        ("crash", RuntimeError, r"^process 2 of 2: ValueError: an odd thing \(traceback in .*k1"),
        ("killed", UserError, r"^training: process 2 of 2 was ended by SIGKILL, perhaps .*memory"),
    ],
)
def test_the_first_failure_ends_all_with_its_own_line(toy, tmp_path, pids, task, error, pattern):
    with pytest.raises(error, match=pattern) as caught:
        launch(toy, {"task": task, "pids": str(pids)}, TWO, tmp_path / "resume")
    assert "\n" not in str(caught.value)
    assert len(processes(pids)) == 2
    assert alive(pids) == set()
    if task == "crash":
        (log,) = tmp_path.glob("resume/processes/*/rank1.log")
        assert str(log) in str(caught.value)
        assert "with a second line" in log.read_text()


LAUNCHER = """
import sys
from pathlib import Path
from toy_training import toy
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.launch import launch
compute = ComputeConfig(devices=2, train_threads=1)
try:
    launch(toy, {"task": "sleep", "pids": sys.argv[1]}, compute, Path(sys.argv[2]))
except UserError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.usefixtures("toy")
def test_the_end_of_the_launcher_is_the_end_of_all(tmp_path, pids, number):
    command = [sys.executable, "-c", LAUNCHER, str(pids), str(tmp_path / "resume")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as launcher:
        wait_until(lambda: len(processes(pids)) == 2 or launcher.poll() is not None, "a start")
        launcher.send_signal(number)
        _, told = launcher.communicate(timeout=60)
    wait_until(lambda: not alive(pids), "the processes to end")
    if number == signal.SIGKILL:  # they notice by themselves
        assert launcher.returncode == -signal.SIGKILL
        return
    assert launcher.returncode == 1
    assert told.startswith(f"error: training: ended by {number.name}"), told
    assert len(told.splitlines()) == 1, told


def test_one_process_trains_right_here(tmp_path):
    def train(request, team):
        return {"here": os.getpid(), "size": team.size, **request}

    facts = launch(train, {"a": 1}, ComputeConfig(), tmp_path / "resume")
    assert facts == {"here": os.getpid(), "size": 1, "a": 1}
    assert not (tmp_path / "resume").exists()


def test_several_nodes_need_slurm(toy, tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match=r"compute\.nodes: 2 nodes need a SLURM job"):
        launch(toy, {}, ComputeConfig(nodes=2), tmp_path / "resume")


def test_too_few_gpus_are_reported_before_anything_starts(toy, tmp_path):
    compute = ComputeConfig(device="cuda", devices=99)
    with pytest.raises(UserError, match=r"compute\.devices: 99 GPUs per node"):
        launch(toy, {}, compute, tmp_path / "resume")


def test_srun_gets_the_whole_shape_of_the_step():
    compute = ComputeConfig(device="cuda", devices=4, nodes=2, train_threads=8)
    words = srun_command(compute, Path("logs/rank%t.log"))
    for word in (
        "--overlap",
        "--nodes=2",
        "--ntasks=8",
        "--ntasks-per-node=4",
        "--cpus-per-task=8",
        "--gpus-per-node=4",
        "--kill-on-bad-exit=1",
        "--error=logs/rank%t.log",
    ):
        assert word in words
    assert not any("gpu" in word for word in srun_command(TWO, Path("x")))
