"""Two processes that share a pretraining end where one alone does."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.models.checkpoint import load_network, read_torch_file
from ssl4sar.train.operations.launch import launch
from ssl4sar.train.pretext.pretrain_process import pretrain_from_request

# They train.
pytestmark = pytest.mark.slow

MODEL = TyrionConfig(
    input_px=64,
    embed_dim=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_tokens=4,
    dropout=0.0,
)
SHORT = {
    "epochs": 2,
    "learning_rate": 0.02,
    "panels": 1,
}
RECIPES = {
    # Three batches in two steps: in the second one a process has no sample that counts.
    "shared batches": OptSimMIMConfig(
        **SHORT, samples_per_epoch=5, batch_size=2, accumulate_batches=2, ema_decay=0.9
    ),
    # The second batch has three samples: one process has two of them.
    "split batches": OptTranslatorConfig(
        **SHORT, samples_per_epoch=7, batch_size=4, accumulate_batches=1, gradient_clip_norm=1.0
    ),
}


def train(store, folder, recipe, devices):
    compute = ComputeConfig(devices=devices, train_threads=1)
    request = {
        "task": "optsimmim" if isinstance(recipe, OptSimMIMConfig) else "opttranslator",
        "store": str(store),
        "network": MODEL.model_dump(mode="json"),
        "weights": {"kind": "none", "file": None},
        "recipe": recipe.model_dump(mode="json"),
        "compute": compute.model_dump(mode="json"),
        "seed": 1,
        "source": "digest",
        "checkpoint": str(folder / "model.ckpt"),
        "metrics": str(folder / "metrics.csv"),
        "pictures": str(folder / "pictures.npz"),
        "resume": str(folder / "resume"),
        "scratch": "",
        "end_s": None,
    }
    return launch(pretrain_from_request, request, compute, folder / "resume")


def column(folder, name):
    with (folder / "metrics.csv").open() as stream:
        return [float(row[name]) for row in csv.DictReader(stream)]


def tensors(folder):
    content = read_torch_file(folder / "model.ckpt")
    return {**content["state"], **content.get("extra", {})}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_end_where_one_does(tiny_pairs, tmp_path, name):
    facts = {
        devices: train(tiny_pairs.store, tmp_path / str(devices), RECIPES[name], devices)
        for devices in (1, 2)
    }
    one, two = tmp_path / "1", tmp_path / "2"
    assert column(two, "step") == column(one, "step")
    assert column(two, "val_tiles") == column(one, "val_tiles") == [6, 6]
    for loss in ("train_loss", "val_loss"):
        assert column(two, loss) == pytest.approx(column(one, loss), rel=1e-5, abs=0), loss
    assert tensors(two).keys() == tensors(one).keys()
    for key, value in tensors(one).items():
        torch.testing.assert_close(tensors(two)[key], value, rtol=1e-5, atol=1e-5, msg=key)
    network, info = load_network(two / "model.ckpt")
    assert info["parameters"] == facts[2]["parameters"] == facts[1]["parameters"]
    assert network.out_channels in {3, 14}
    assert facts[2]["epoch"] == facts[1]["epoch"]
    drawn = [np.load(folder / "pictures.npz")["predicted"].astype(int) for folder in (one, two)]
    assert abs(drawn[0] - drawn[1]).max() <= 1
    for log in two.glob("resume/processes/*/*.log"):
        assert log.read_text() == "", "a library remarks on something"


def test_a_process_returns_what_equal_trainings_share(tiny_pairs, tmp_path):
    recipe = RECIPES["split batches"].model_copy(update={"epochs": 1})
    facts = train(tiny_pairs.store, tmp_path, recipe, 1)
    assert facts == {
        "task": "opttranslator",
        "epoch": 1,
        "epochs": 1,
        "validation": {"loss": column(tmp_path, "val_loss")[0], "tiles": 6},
        "parameters": sum(value.numel() for value in tensors(tmp_path).values()),
        "starting_weights": {
            "source": "none",
            "sha256": None,
            "tensors": 0,
            "head": False,
            "glaciers": [],
        },
    }
