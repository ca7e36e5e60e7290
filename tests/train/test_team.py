"""What one process of a training knows of its place."""

from __future__ import annotations

import pytest
import torch

from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.team import ALONE, Team
from ssl4sar.train.operations.team_in_lightning import environment_of, trainer_options


def gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_a_process_alone_decides_and_needs_no_strategy():
    assert ALONE.leads
    assert ALONE.agree(lambda: 7) == 7
    assert trainer_options(ALONE, torch.device("cpu")) == {"accelerator": "cpu", "devices": 1}


@pytest.mark.parametrize(
    ("visible", "local_rank", "expected"),
    [(4, 0, "cuda:0"), (4, 3, "cuda:3"), (8, 3, "cuda:3"), (1, 3, "cuda:0")],
    ids=["first", "last", "more than needed", "each process sees its own only"],
)
def test_each_process_has_its_gpu(monkeypatch, visible, local_rank, expected):
    gpus(monkeypatch, visible)
    team = Team(local_rank, 4, local_rank, 4)
    device = team.device("cuda")
    assert str(device) == expected
    options = trainer_options(team, device)
    assert (options["accelerator"], options["devices"]) == ("gpu", [device.index])


def test_too_few_gpus_are_reported_in_one_line(monkeypatch):
    gpus(monkeypatch, 2)
    with pytest.raises(UserError, match=r"compute\.devices: 4 GPUs per node .* 2 are there"):
        Team(0, 4, 0, 4).device("cuda")


def test_a_team_without_gpus_trains_on_processors(monkeypatch):
    gpus(monkeypatch, 0)
    assert Team(1, 2, 1, 2).device("auto").type == "cpu"


def test_lightning_gets_its_place_whatever_slurm_says(monkeypatch):
    for name, value in {"SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_JOB_NAME": "x"}.items():
        monkeypatch.setenv(name, value)
    environment = environment_of(Team(2, 4, 0, 2))
    environment.set_world_size(1)
    environment.set_global_rank(0)
    assert (environment.global_rank(), environment.world_size()) == (2, 4)
    assert (environment.local_rank(), environment.creates_processes_externally) == (0, True)
