"""Whole trainings of a tiny network: repeatable, resumable, and able to learn."""

from __future__ import annotations

import csv
import errno
import functools
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from waiting import wait_until

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.training import AugmentationConfig, TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.models.checkpoint import load_network
from ssl4sar.train.finetune.finetune import finetune
from ssl4sar.train.finetune.finetune_module import FinetuneModule
from ssl4sar.train.loop.deadline import TimeLimit
from ssl4sar.train.operations.resume_folder import LAST, PREVIOUS
from ssl4sar.train.operations.stopping import StoppedError

# They train.
pytestmark = pytest.mark.slow

MODEL = TyrionConfig(
    input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_tokens=4
)
TRAINING = TrainingConfig(
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
COMPUTE = ComputeConfig(train_threads=1)


def train(store, folder, **changes):
    arguments = {
        "store_path": store,
        "settings": MODEL,
        "weights": StartingWeights(),
        "training_config": TRAINING,
        "centre_px": 64,
        "sigma_px": 16.0,
        "compute_config": COMPUTE,
        "seed": 1,
        "source": "digest",
        "checkpoint_path": folder / "model.ckpt",
        "metrics_path": folder / "metrics.csv",
        "resume_dir": folder / "resume",
    } | changes
    return finetune(**arguments)


def changed(**changes):
    return TRAINING.model_copy(update=changes)


def weights_sha(folder):
    network, _ = load_network(folder / "model.ckpt")
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def rows(folder):
    with (folder / "metrics.csv").open() as stream:
        table = list(csv.DictReader(stream))
    for row in table:  # the only columns that may differ between equal trainings
        del row["samples_per_s"], row["duration_s"]
    return table


@pytest.fixture(scope="module")
def reference(tiny_store, tmp_path_factory):
    """An uninterrupted training."""
    folder = tmp_path_factory.mktemp("reference")
    return folder, train(tiny_store, folder)


class PowerCutError(Exception):
    """Stands in for whatever ends a process."""


def interrupt(monkeypatch, epoch, batch):
    whole = FinetuneModule.training_step

    def step(self, crops, index):
        if (self.current_epoch, index) == (epoch, batch):
            raise PowerCutError
        return whole(self, crops, index)

    monkeypatch.setattr(FinetuneModule, "training_step", step)


def test_result_and_files(reference):
    folder, result = reference
    network, info = load_network(folder / "model.ckpt")
    assert result.checkpoint == folder / "model.ckpt"
    assert result.resumed_after_epoch is None
    assert result.parameters == info["parameters"] == sum(p.numel() for p in network.parameters())
    assert info["seed"] == 1
    assert info["epoch"] == result.epoch
    assert info["training"] == TRAINING.model_dump(mode="json")
    json.dumps(info)
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert [row["step"] for row in table] == ["2", "4", "6"]  # 3 batches, 2 accumulated
    (chosen,) = (row for row in table if row["epoch"] == str(result.epoch))
    assert float(chosen["val_iou_pooled"]) == result.validation.iou_pooled
    defined = [float(row["val_mde_m"]) for row in table if row["val_mde_m"]]
    assert float(chosen["val_mde_m"] or "inf") == min(defined, default=float("inf"))


def test_lightning_checkpoints_hold_plain_content_only(reference):
    folder, _ = reference
    for name in (LAST, PREVIOUS):
        content = torch.load(folder / "resume" / name, weights_only=True)
        assert any(key.startswith("average.") for key in content["state_dict"])


def test_loader_processes_and_a_copy_on_scratch_change_nothing(reference, tiny_store, tmp_path):
    """The same seed gives the same files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    compute = ComputeConfig(train_threads=1, loader_workers=2)
    train(tiny_store, tmp_path, compute_config=compute, scratch=str(scratch))
    assert (tmp_path / "model.ckpt").read_bytes() == (reference[0] / "model.ckpt").read_bytes()
    assert rows(tmp_path) == rows(reference[0])
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
    # The global switches of PyTorch are put back.
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("epoch", "batch"), [(0, 1), (2, 2)])
def test_an_interrupted_training_ends_with_the_same_bits(
    reference, tiny_store, tmp_path, monkeypatch, epoch, batch
):
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, batch)
        with pytest.raises(PowerCutError):
            train(tiny_store, tmp_path)
    assert not (tmp_path / "model.ckpt").exists()
    torch.manual_seed(123)  # the state of the process must not matter
    result = train(tiny_store, tmp_path)
    assert result.resumed_after_epoch == (epoch or None)
    assert weights_sha(tmp_path) == weights_sha(reference[0])
    assert rows(tmp_path) == rows(reference[0])


def test_two_interruptions_and_a_damaged_checkpoint(reference, tiny_store, tmp_path, monkeypatch):
    for epoch in (1, 2):
        with monkeypatch.context() as patch:
            interrupt(patch, epoch, 1)
            with pytest.raises(PowerCutError):
                train(tiny_store, tmp_path)
    last = tmp_path / "resume" / LAST
    last.write_bytes(last.read_bytes()[:9000])
    result = train(tiny_store, tmp_path)
    assert result.resumed_after_epoch == 1
    assert weights_sha(tmp_path) == weights_sha(reference[0])
    assert rows(tmp_path) == rows(reference[0])


def test_a_signal_ends_with_one_line_and_the_next_attempt_goes_on(
    reference, tiny_store, tmp_path, monkeypatch
):
    number = signal.SIGTERM
    whole = FinetuneModule.training_step

    def step(self, crops, index):
        if (self.current_epoch, index) == (1, 1):
            os.kill(os.getpid(), number)
        return whole(self, crops, index)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(FinetuneModule, "training_step", step)
        with pytest.raises(StoppedError) as caught:
            train(tiny_store, tmp_path)
    assert str(caught.value) == (
        f"training: ended by {number.name} (time limit, preemption or scancel) after 1 of 3 "
        "epochs, the running epoch is lost; the next attempt resumes after epoch 1"
    )
    assert signal.getsignal(number) == before
    assert [path.name for path in tmp_path.rglob("*.part")] == []
    assert train(tiny_store, tmp_path).resumed_after_epoch == 1
    assert weights_sha(tmp_path) == weights_sha(reference[0])


def test_a_time_limit_stops_after_an_epoch_and_the_next_attempt_goes_on(
    reference, tiny_store, tmp_path, monkeypatch
):
    clock = SimpleNamespace(now_s=0.0)
    whole = FinetuneModule.on_train_epoch_end

    def slow(self):
        whole(self)
        clock.now_s += 1000

    with monkeypatch.context() as patch:
        patch.setattr(FinetuneModule, "on_train_epoch_end", slow)
        limit = functools.partial(TimeLimit, clock=lambda: clock.now_s)
        patch.setattr("ssl4sar.train.loop.run.TimeLimit", limit)
        with pytest.raises(StoppedError, match=r"after epoch 2 of 3, 10 min before the time limit"):
            train(tiny_store, tmp_path, end_s=2600.0)
        assert not (tmp_path / "model.ckpt").exists()
        # The limit does not matter to a training that is done.
        assert train(tiny_store, tmp_path, end_s=clock.now_s + 1300).resumed_after_epoch == 2
    assert weights_sha(tmp_path) == weights_sha(reference[0])
    assert rows(tmp_path) == rows(reference[0])


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other digest"},
        {"seed": 3},
        {"settings": MODEL.model_copy(update={"dropout": 0.2})},
    ],
    ids=["source", "seed", "model"],
)
def test_a_changed_training_starts_anew(tiny_store, tmp_path, monkeypatch, change):
    with monkeypatch.context() as patch:
        interrupt(patch, 1, 0)
        with pytest.raises(PowerCutError):
            train(tiny_store, tmp_path)
    assert train(tiny_store, tmp_path, **change).resumed_after_epoch is None
    train(tiny_store, tmp_path / "fresh", **change)
    assert weights_sha(tmp_path) == weights_sha(tmp_path / "fresh")


def test_a_finished_training_is_only_exported_again(reference, tiny_store, tmp_path):
    train(tiny_store, tmp_path)
    for name in ("model.ckpt", "metrics.csv"):
        (tmp_path / name).unlink()
    result = train(tiny_store, tmp_path)
    assert result.resumed_after_epoch == TRAINING.epochs
    assert weights_sha(tmp_path) == weights_sha(reference[0])
    assert rows(tmp_path) == rows(reference[0])


def test_last_weights_are_the_averaged_ones(tiny_store, tmp_path):
    result = train(tiny_store, tmp_path, training_config=changed(checkpoint="last"))
    assert result.epoch == TRAINING.epochs
    state = torch.load(tmp_path / "resume" / LAST, weights_only=True)["state_dict"]
    network, _ = load_network(tmp_path / "model.ckpt")
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[f"average.{key}"])
    assert not torch.equal(state["average.head.weight"], state["network.head.weight"])


def test_published_optimiser_without_average(tiny_store, tmp_path):
    config = changed(
        optimiser="sgd",
        schedule="constant",
        ema_decay=None,
        gradient_clip_norm=None,
        checkpoint="last",
        epochs=2,
    )
    train(tiny_store, tmp_path, training_config=config)
    state = torch.load(tmp_path / "resume" / LAST, weights_only=True)["state_dict"]
    network, _ = load_network(tmp_path / "model.ckpt")
    assert torch.equal(network.head.weight, state["network.head.weight"])
    assert not any(key.startswith("average.") for key in state)


def test_only_due_epochs_and_the_last_are_validated(tiny_store, tmp_path):
    config = changed(epochs=5, validate_every_epochs=2)
    train(tiny_store, tmp_path, training_config=config)
    validated = [row["epoch"] for row in rows(tmp_path) if row["val_iou_pooled"]]
    assert validated == ["2", "4", "5"]


def test_class_weights_and_sampling_matter(reference, tiny_store, tmp_path):
    shas = {weights_sha(reference[0])}
    for change in (
        {"class_weights": (1.0, 4.0, 1.0, 1.0)},
        {"sampling": "glaciers"},
        {"augmentation": AugmentationConfig(legacy_bilinear_masks=True)},
    ):
        folder = tmp_path / next(iter(change))
        train(tiny_store, folder, training_config=changed(**change))
        shas.add(weights_sha(folder))
    assert len(shas) == 4


def test_mixed_precision_is_that_of_the_training_alone(tiny_store, tmp_path, convolved_in):
    losses = {}
    for precision, trained_in in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        convolved_in.clear()
        folder = tmp_path / precision
        train(tiny_store, folder, training_config=changed(precision=precision, epochs=1))
        # The validation chooses the epoch: never in mixed precision.
        assert convolved_in == {("training", trained_in), ("validation", torch.float32)}
        network, _ = load_network(folder / "model.ckpt")
        assert network.head.weight.dtype == torch.float32
        losses[precision] = float(rows(folder)[0]["train_loss"])
    assert losses["bf16-mixed"] != losses["32-true"]
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=1e-2)


@pytest.mark.parametrize("name", ["best_mde-epoch0001.pt", "upcoming.ckpt", "model.ckpt"])
def test_a_full_disk_is_one_clear_line(tiny_store, tmp_path, monkeypatch, name):
    whole = Path.open

    def full(path, *arguments, **options):
        if path.name.startswith(f".{name}."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError, match=rf"{name}: no space left") as caught:
        train(tiny_store, tmp_path, training_config=changed(epochs=1))
    assert "\n" not in str(caught.value)


HOLDER = """
import sys
from pathlib import Path
from ssl4sar.core.lock import sole
folder = Path(sys.argv[1])
with sole(folder / "training.lock", folder, "trains here"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_folder_in_use_is_refused_and_left_alone(tiny_store, tmp_path):
    folder = tmp_path / "resume"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as owner:
        assert owner.stdout.readline() == "locked\n"
        (folder / LAST).write_bytes(b"the owner's")
        with pytest.raises(UserError, match=rf"resume: process {owner.pid} .*kill {owner.pid}"):
            train(tiny_store, tmp_path)
        assert (folder / LAST).read_bytes() == b"the owner's"
        owner.stdin.close()
    result = train(tiny_store, tmp_path, training_config=changed(epochs=1))
    assert result.resumed_after_epoch is None


def test_the_stride_of_the_validation_is_part_of_the_training(tiny_store, tmp_path):
    train(tiny_store, tmp_path, training_config=changed(epochs=1))
    again = changed(epochs=1, validation_stride_px=16)
    assert train(tiny_store, tmp_path, training_config=again).resumed_after_epoch is None
    _, info = load_network(tmp_path / "model.ckpt")
    assert info["validation_windows"]["stride_px"] == 16


@pytest.mark.gpu
def test_a_gpu_trains_in_mixed_precision(tiny_store, tmp_path, convolved_in):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    config = changed(precision="bf16-mixed", epochs=1, samples_per_epoch=4, accumulate_batches=1)
    compute = ComputeConfig(device="cuda", train_threads=1, loader_workers=1)
    result = train(tiny_store, tmp_path, training_config=config, compute_config=compute)
    (row,) = rows(tmp_path)
    assert (row["step"], result.validation.images) == ("2", 2)
    assert math.isfinite(float(row["train_loss"]))
    assert convolved_in == {("training", torch.bfloat16), ("validation", torch.float32)}


def test_a_missing_gpu_is_told_before_anything_is_read(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=r"compute\.device.*no CUDA device"):
        train(tmp_path / "no store", tmp_path, compute_config=ComputeConfig(device="cuda"))


def test_a_tiny_network_learns_a_simple_world(tiny_store, tmp_path):
    config = changed(
        epochs=30,
        samples_per_epoch=32,
        batch_size=4,
        accumulate_batches=1,
        learning_rate=5e-3,
        checkpoint="best_iou",
        validate_every_epochs=10,
        augmentation=AugmentationConfig(rezoom_probability=0, speckle_probability=0),
    )
    result = train(tiny_store, tmp_path, training_config=config)
    losses = [float(row["train_loss"]) for row in rows(tmp_path)]
    assert losses[-1] < 0.6 * losses[0]
    assert result.validation.iou_pooled > 0.7


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + "/../support"]
import test_finetune
test_finetune.train(Path({store!r}), Path({folder!r}),
                    training_config=test_finetune.changed(epochs=20, validate_every_epochs=20))
"""


def test_kill_in_the_middle_then_resume(tiny_store, tmp_path):
    """SIGKILL at an arbitrary moment; the bits are those of a training left in peace."""
    config = changed(epochs=20, validate_every_epochs=20)
    train(tiny_store, tmp_path / "peace", training_config=config)
    folder = tmp_path / "killed"
    program = PROGRAM.format(
        tests=str(Path(__file__).parent), store=str(tiny_store), folder=str(folder)
    )
    last = folder / "resume" / LAST
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        wait_until(
            lambda: last.exists() or process.poll() is not None, "the first epoch", 240, 0.005
        )
        assert process.poll() is None, "the training ended by itself"
        time.sleep(0.2)
        process.kill()
    assert not (folder / "model.ckpt").exists(), "the training ended before it could be killed"
    result = train(tiny_store, folder, training_config=config)
    assert 0 < result.resumed_after_epoch < 20
    assert weights_sha(folder) == weights_sha(tmp_path / "peace")
    assert rows(folder) == rows(tmp_path / "peace")
