"""How a team and its signals appear to Lightning.

Apart from what starts and ends processes, which need not wait for Lightning to be imported.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy

from ssl4sar.train.operations.stopping import StopSignals
from ssl4sar.train.operations.team import PATIENCE, Team


def trainer_options(team: Team, device: torch.device) -> dict[str, Any]:
    """Return the arguments of a Lightning trainer that say where it runs.

    Args:
        team: the processes that share the training.
        device: device of this process.
    """
    options: dict[str, Any] = {
        "accelerator": "gpu" if device.type == "cuda" else "cpu",
        "devices": 1 if device.index is None else [device.index],
    }
    if team.size > 1:
        # Statistics of batches are shared once per epoch; each step uses every parameter.
        options["strategy"] = DDPStrategy(
            gradient_as_bucket_view=True, broadcast_buffers=False, timeout=PATIENCE
        )
    return options


class ListenInTraining(Callback):
    """Takes the signals back after Lightning has taken them at the start of a training.

    Args:
        signals: who listens.
    """

    def __init__(self, signals: StopSignals) -> None:
        self._signals = signals

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over again."""
        self._signals.listen()


def environment_of(team: Team) -> ClusterEnvironment:
    """Return what gives Lightning its rank, instead of its own search.

    Inside a SLURM job that search takes variables of the job for those of the training, and
    requeues the job on signals, while retries are the workflow's.

    Args:
        team: the processes that share the training.
    """
    return _Environment(team)


class _Environment(ClusterEnvironment):
    """Every process appears as the only one of its node, with the one device that it uses."""

    def __init__(self, team: Team) -> None:
        super().__init__()
        self._team = team

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        raise RuntimeError("the processes have not joined")

    @property
    def main_port(self) -> int:
        raise RuntimeError("the processes have not joined")

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._team.size

    def set_world_size(self, size: int) -> None:
        """Ignore Lightning's count, which knows this process only."""

    def global_rank(self) -> int:
        return self._team.rank

    def set_global_rank(self, rank: int) -> None:
        """Ignore Lightning's count, which knows this process only."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self._team.rank
