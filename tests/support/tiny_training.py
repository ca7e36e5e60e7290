"""Trainings of a tiny network on the tiny stores of tests/train, and what they leave."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig, PretextConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.models.checkpoint import read_torch_file
from ssl4sar.train.finetune.finetune import FinetuneRequest
from ssl4sar.train.loop.module import TrainingModule
from ssl4sar.train.pretext.pretrain import PretrainRequest

NETWORK = TyrionConfig(
    input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_tokens=4
)
COMPUTE = ComputeConfig(train_threads=1)
FINETUNING = TrainingConfig(
    epochs=3,
    samples_per_epoch=6,
    batch_size=2,
    accumulate_batches=2,
    target_px=32,
    optimiser="adamw",
    learning_rate=3e-3,
    schedule="cosine",
    gradient_clip_norm=1.0,
    ema_decay=0.9,
)
_SHORT: dict[str, Any] = {
    "epochs": 3,
    "samples_per_epoch": 6,
    "batch_size": 2,
    "accumulate_batches": 2,
    "optimiser": "adamw",
    "learning_rate": 3e-3,
    "gradient_clip_norm": 1.0,
    "panels": 2,
    "panels_every_epochs": 2,
}
PRETRAINING: dict[str, PretextConfig] = {
    "optsimmim": OptSimMIMConfig(**_SHORT, ema_decay=0.9),
    "opttranslator": OptTranslatorConfig(**_SHORT),
}


def _request(store: Path, folder: Path) -> dict[str, Any]:
    return {
        "store": store,
        "network": NETWORK,
        "weights": StartingWeights(),
        "seed": 1,
        "source": "digest",
        "checkpoint": folder / "model.ckpt",
        "metrics": folder / "metrics.csv",
        "resume": folder / "resume",
        "compute": COMPUTE,
    }


def finetuning(store: Path, folder: Path, **changes: Any) -> FinetuneRequest:
    """Return the request of a fine-tuning with files in a folder."""
    own = {"recipe": FINETUNING, "centre_px": 64, "sigma_px": 16.0}
    return FinetuneRequest(**{**_request(store, folder), **own, **changes})


def pretraining(
    store: Path, folder: Path, task: str = "opttranslator", **changes: Any
) -> PretrainRequest:
    """Return the request of a pretraining with files in a folder."""
    own = {"task": task, "recipe": PRETRAINING[task], "pictures": folder / "pictures.npz"}
    return PretrainRequest(**{**_request(store, folder), **own, **changes})


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the table of epochs without the columns that differ between equal trainings."""
    with (folder / "metrics.csv").open() as stream:
        table = list(csv.DictReader(stream))
    for row in table:
        del row["samples_per_s"], row["duration_s"]
    return table


def column(folder: Path, name: str) -> list[float]:
    """Return a column of the table of epochs."""
    return [float(row[name]) for row in rows(folder)]


def tensors(folder: Path) -> dict[str, Tensor]:
    """Return everything in the exported checkpoint."""
    content = read_torch_file(folder / "model.ckpt")
    return {**content["state"], **content.get("extra", {})}


class PowerCutError(Exception):
    """Stands in for whatever ends a process."""


def interrupt(
    patch: pytest.MonkeyPatch, module: type[TrainingModule[Any, Any]], epoch: int, batch: int
) -> None:
    """End trainings with a ``PowerCutError`` before a batch of an epoch, both from 0."""
    whole = module.training_step

    def step(self: Any, batch_of_step: Any, index: int) -> Tensor:
        if (self.current_epoch, index) == (epoch, batch):
            raise PowerCutError
        return whole(self, batch_of_step, index)

    patch.setattr(module, "training_step", step)
