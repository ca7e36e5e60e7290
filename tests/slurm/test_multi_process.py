"""Trainings of several processes, and time limits, in a real SLURM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from micro_study import PROJECT, fine_tuned, log_of_finetune
from one_node_slurm import OneNodeSlurm
from project_copy import House
from waiting import wait_until

# Many jobs one after the other; each wait for one is short and says for what.
pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(600)]

#: For a job that starts, imports PyTorch in two processes and says its first or last word.
PATIENCE_S = 180

#: A job that starts teams by srun and writes how each ended. This SLURM has no two nodes.
JOB = """
import json, os, signal, sys
from pathlib import Path
import torch.distributed as dist
from ssl4sar.config.compute import ComputeConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.launch import launch, serve


def toy(request, team):
    if request["killed"]:
        if team.leads:
            dist.barrier()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"size": team.size, "agreed": team.agree(lambda: f"decided by {team.rank}")}


def outcomes(folder):
    import toy_job

    here, elsewhere = {"devices": 2, "train_threads": 1}, {"nodes": 2, "train_threads": 1}
    for number, (killed, shape) in enumerate([(False, here), (True, here), (False, elsewhere)]):
        compute = ComputeConfig(**shape)
        starter = "srun" if compute.nodes == 1 else None
        try:
            yield launch(
                toy_job.toy, {"killed": killed}, compute, folder / str(number), starter=starter
            )
        except UserError as error:
            yield str(error)


if __name__ == "__main__":
    if Path(sys.argv[1]).is_dir():
        folder = Path(sys.argv[1])
        (folder / "outcomes.json").write_text(json.dumps(list(outcomes(folder))))
    else:
        serve(toy)
"""


def test_srun_starts_a_team_inside_a_step_and_ends_it_together(
    slurm: OneNodeSlurm, tmp_path: Path
) -> None:
    folder = tmp_path / "house"
    folder.mkdir()
    (folder / "toy_job.py").write_text(JOB)
    (folder / "job.sh").write_text(
        "#!/bin/sh\n"
        f"export PYTHONPATH={PROJECT / 'src'}:{folder} OMP_NUM_THREADS=1\n"
        # As a rule's script runs: in a step of one task that holds the cores of the job.
        f"srun --ntasks=1 --cpus-per-task=2 {sys.executable} {folder / 'toy_job.py'} {folder}\n"
    )
    words = ["sbatch", "--wait", "--parsable", "--cpus-per-task=2", "--mem=4000", "--time=30"]
    done = subprocess.run(
        [*words, f"--chdir={folder}", f"--output={folder / 'job.txt'}", str(folder / "job.sh")],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = (folder / "job.txt").read_text()
    assert done.returncode == 0, done.stderr + said
    work, killed, refused = json.loads((folder / "outcomes.json").read_text())
    assert work == {"size": 2, "agreed": "decided by 0"}
    assert "a process was ended (" in killed
    assert "task 1" in killed
    assert "\n" not in killed
    assert refused.startswith("srun: the processes could not be started (srun: error: "), refused
    assert "compute.nodes" in refused


def change(path: Path, **blocks: dict[str, object]) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, values in blocks.items():
        content[name] = {**content.get(name, {}), **values}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def log(house: House) -> str:
    path = house.root / log_of_finetune()
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_a_training_of_two_processes_stops_before_its_limit_resumes_and_is_cancelled(
    slurm: OneNodeSlurm, finished: House, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    change(
        finished.root / finished.config,
        # Epochs of one batch: a training looks at the clock between batches too.
        training={
            "epochs": 100_000,
            "validate_every_epochs": 100_000,
            "checkpoint": "last",
            "batch_size": 8,
        },
        compute={"devices": 2, "train_threads": 1},
    )
    profile = finished.root / finished.execution[1] / "config.yaml"
    # A minute is what the last writes take: the first epoch ends the first attempt. This SLURM
    # grants more than it says. The variable has its value in the job alone, on the node.
    runtime_min = "59 * attempt - 58"
    wanted = {"runtime": runtime_min, "scratch": f"{scratch.parent}/$SCRATCH_OF_TEST"}
    change(profile, **{"set-resources": {"finetune": wanted}})
    finished.target = f"{fine_tuned()}/model.json"
    finished.variables = {"SCRATCH_OF_TEST": "scratch"}
    with finished.running() as process:
        wait_until(lambda: "error:" in log(finished), "the limit", PATIENCE_S)
        stop = log(finished).splitlines()
        # Whichever process comes first makes the copy, and the leader tells where it reads.
        assert any("cop" in line and f" {scratch}/" in line for line in stop), stop
        assert stop[-1].startswith("error: training: stopped after epoch 1 of 100000, "), stop
        assert stop[-1].endswith(" before the time limit; the next attempt resumes there")
        wait_until(
            lambda: "resuming after epoch 1 of 100000" in log(finished),
            "the next attempt",
            PATIENCE_S,
        )
        first, second = slurm.jobs(finished.root)
        assert first.state == "FAILED"
        assert list(scratch.rglob("images.u8")) != []
        subprocess.run(["scancel", str(second.number)], check=True, timeout=60)
        wait_until(lambda: "error:" in log(finished), "the end", PATIENCE_S)
        process.kill()
    assert "ended by SIGTERM (time limit, preemption or scancel)" in log(finished).splitlines()[-1]
    assert "Traceback" not in log(finished)
    slurm.cancel(finished.root)
