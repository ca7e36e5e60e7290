"""Two processes that share a training end where one alone does."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
import torch
from waiting import wait_until

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.models.checkpoint import load_network
from ssl4sar.train.finetune.finetune_process import finetune_from_request
from ssl4sar.train.operations.launch import launch
from ssl4sar.train.operations.resume_folder import LAST
from ssl4sar.train.operations.stopping import StoppedError

pytestmark = pytest.mark.slow

MODEL = TyrionConfig(
    input_px=64,
    embed_dim=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_tokens=4,
    dropout=0.1,
)
# 7 samples: the last batch is smaller, and the last optimiser step has fewer batches.
TRAINING = TrainingConfig(
    epochs=4,
    samples_per_epoch=7,
    batch_size=2,
    accumulate_batches=2,
    target_px=32,
    optimiser="sgd",
    learning_rate=0.05,
    gradient_clip_norm=1.0,
    ema_decay=0.9,
)


def request(store: Path, folder: Path, config: TrainingConfig, compute: ComputeConfig):
    return {
        "store": str(store),
        "network": MODEL.model_dump(mode="json"),
        "weights": {"kind": "none", "file": None},
        "training": config.model_dump(mode="json"),
        "prediction.centre_px": 64,
        "prediction.sigma_px": 16.0,
        "compute": compute.model_dump(mode="json"),
        "seed": 1,
        "source": "digest",
        "checkpoint": str(folder / "model.ckpt"),
        "metrics": str(folder / "metrics.csv"),
        "resume": str(folder / "resume"),
        "scratch": "",
        "end_s": None,
    }


def train(store, folder, config=TRAINING, devices=1):
    compute = ComputeConfig(devices=devices, train_threads=1)
    told = request(store, folder, config, compute)
    return launch(finetune_from_request, told, compute, folder / "resume")


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


def losses(folder):
    return [float(row["train_loss"]) for row in rows(folder)]


def weights(folder):
    network, _ = load_network(folder / "model.ckpt")
    return network.state_dict()


@pytest.fixture(scope="module")
def pair(tiny_store, tmp_path_factory):
    """The same training by two processes, undisturbed."""
    folder = tmp_path_factory.mktemp("pair")
    return folder, train(tiny_store, folder, devices=2)


def assert_same_training(one, other):
    assert losses(other) == pytest.approx(losses(one), rel=1e-5)
    assert [row["step"] for row in rows(other)] == [row["step"] for row in rows(one)]
    assert [float(r["val_iou_pooled"]) for r in rows(other)] == pytest.approx(
        [float(r["val_iou_pooled"]) for r in rows(one)], abs=1e-3
    )
    for name, value in weights(one).items():
        assert torch.allclose(weights(other)[name], value, rtol=1e-4, atol=1e-5), name


def test_shared_batches_give_the_losses_of_one_process(tiny_store, tmp_path, pair):
    """With Dice, dropout and every augmentation: the batches are the same ones.

    Batches that are split between processes are those of the pretrainings: test_pretrain_process.
    """
    folder, facts = pair
    alone = train(tiny_store, tmp_path)
    assert_same_training(tmp_path, folder)
    assert facts["parameters"] == alone["parameters"]
    assert facts["validation"]["images"] == alone["validation"]["images"] == 2
    logs = sorted(path.name for path in folder.glob("resume/processes/*/*.log"))
    assert logs == ["rank0.log", "rank1.log"]
    for log in folder.glob("resume/processes/*/*.log"):
        assert log.read_text() == "", "a library remarks on something"


def test_a_signal_ends_both_and_the_next_attempt_goes_on(tiny_store, tmp_path, pair):
    folder = tmp_path / "stopped"
    last = folder / "resume" / LAST

    def stop():
        wait_until(last.exists, "the first epoch", 240, 0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    with pytest.raises(StoppedError, match=r"^training: ended by SIGTERM "):
        train(tiny_store, folder, devices=2)
    stopping.join()
    assert not (folder / "model.ckpt").exists()
    shutil.copytree(folder, tmp_path / "alone")
    train(tiny_store, folder, devices=2)
    for name, value in weights(pair[0]).items():
        assert torch.equal(weights(folder)[name], value), name
    assert losses(folder) == losses(pair[0])
    # Where a training runs is no part of it: one process goes on with what two began.
    train(tiny_store, tmp_path / "alone")
    assert_same_training(pair[0], tmp_path / "alone")
