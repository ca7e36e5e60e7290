"""Whole trainings of a tiny network: repeatable, resumable, shared by processes, able to learn."""

from __future__ import annotations

import errno
import functools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_training import (
    FINETUNING,
    NETWORK,
    PowerCutError,
    column,
    finetuning,
    interrupt,
    pretraining,
    rows,
    tensors,
)
from waiting import wait_until

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import StartingWeights
from ssl4sar.config.training import AugmentationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.evaluate.trained_models import read_training_record, trained_model
from ssl4sar.models.checkpoint import load_network
from ssl4sar.train.finetune import finetune_launch
from ssl4sar.train.finetune.finetune import finetune
from ssl4sar.train.finetune.finetune_launch import finetune_and_record
from ssl4sar.train.finetune.finetune_module import FinetuneModule
from ssl4sar.train.loop.deadline import TimeLimit
from ssl4sar.train.operations.launch import launch
from ssl4sar.train.operations.resume_folder import LAST, PREVIOUS
from ssl4sar.train.operations.stopping import StoppedError
from ssl4sar.train.pretext.pretrain_launch import pretrain_and_record

# They train.
pytestmark = pytest.mark.slow


def train(store, folder, **changes):
    return finetune(finetuning(store, folder, **changes))


def changed(**changes):
    return FINETUNING.model_copy(update=changes)


def assert_equal(folder, other):
    assert rows(folder) == rows(other)
    for name, value in tensors(other).items():
        assert torch.equal(tensors(folder)[name], value), name


@pytest.fixture(scope="module")
def reference(tiny_store, tmp_path_factory):
    """An uninterrupted training."""
    folder = tmp_path_factory.mktemp("reference")
    return folder, train(tiny_store, folder)


def cut(monkeypatch, store, folder, epoch, batch):
    with monkeypatch.context() as patch:
        interrupt(patch, FinetuneModule, epoch, batch)
        with pytest.raises(PowerCutError):
            train(store, folder)


def test_result_and_files(reference):
    folder, result = reference
    network, info = load_network(folder / "model.ckpt")
    assert result.resumed_after_epoch is None
    assert {key: info[key] for key in result.record} == json.loads(json.dumps(result.record))
    assert info["parameters"] == sum(p.numel() for p in network.parameters())
    assert info["seed"] == 1
    assert info["training"] == FINETUNING.model_dump(mode="json")
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert [row["step"] for row in table] == ["2", "4", "6"]  # 3 batches, 2 accumulated
    (chosen,) = (row for row in table if row["epoch"] == str(result.record["epoch"]))
    assert float(chosen["val_iou_pooled"]) == result.record["validation"]["iou_pooled"]
    defined = [float(row["val_mde_m"]) for row in table if row["val_mde_m"]]
    assert float(chosen["val_mde_m"] or "inf") == min(defined, default=float("inf"))
    for name in (LAST, PREVIOUS):
        content = torch.load(folder / "resume" / name, weights_only=True)
        assert any(key.startswith("average.") for key in content["state_dict"])


def test_loader_processes_and_a_copy_on_scratch_change_nothing(reference, tiny_store, tmp_path):
    """The same seed gives the same files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    compute = ComputeConfig(train_threads=1, loader_workers=2)
    train(tiny_store, tmp_path, compute=compute, scratch=str(scratch))
    assert (tmp_path / "model.ckpt").read_bytes() == (reference[0] / "model.ckpt").read_bytes()
    assert rows(tmp_path) == rows(reference[0])
    # The lock of the user stays.
    assert [path.name for path in scratch.rglob("*") if path.is_file()] == ["gate"]
    # The global switches of PyTorch are put back.
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("epoch", "batch", "workers"), [(0, 1, 0), (1, 1, 2), (2, 2, 0)])
def test_an_interrupted_training_ends_with_the_same_bits(
    reference, tiny_store, tmp_path, monkeypatch, epoch, batch, workers
):
    compute = ComputeConfig(train_threads=1, loader_workers=workers)
    cut(monkeypatch, tiny_store, tmp_path, epoch, batch)
    assert not (tmp_path / "model.ckpt").exists()
    torch.manual_seed(123)  # the state of the process must not matter
    resumed = train(tiny_store, tmp_path, compute=compute)
    assert resumed.resumed_after_epoch == (epoch or None)
    assert_equal(tmp_path, reference[0])


def test_two_interruptions_and_a_damaged_checkpoint(reference, tiny_store, tmp_path, monkeypatch):
    for epoch in (1, 2):
        cut(monkeypatch, tiny_store, tmp_path, epoch, 1)
    last = tmp_path / "resume" / LAST
    last.write_bytes(last.read_bytes()[:9000])
    assert train(tiny_store, tmp_path).resumed_after_epoch == 1
    assert_equal(tmp_path, reference[0])


def test_a_network_with_a_front_output_trains_resumes_and_predicts_it(
    tiny_store, tmp_path, monkeypatch
):
    recipe = changed(front_loss_weight=1.0, front_crop_probability=0.5)
    compute = ComputeConfig(train_threads=1, loader_workers=2)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(tiny_store, whole, recipe=recipe)
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        interrupt(patch, FinetuneModule, epoch=1, batch=1)
        train(tiny_store, broken, recipe=recipe, compute=compute)
    train(tiny_store, broken, recipe=recipe, compute=compute)
    expected, found = tensors(whole), tensors(broken)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    network, _ = load_network(whole / "model.ckpt")
    assert network.out_channels == 5
    # Who starts from it with zones alone gets a head of its own.
    again = StartingWeights(kind="checkpoint", file=str(whole / "model.ckpt"))
    train(tiny_store, tmp_path / "zones", weights=again)
    assert load_network(tmp_path / "zones" / "model.ckpt")[0].out_channels == 4


def test_a_signal_ends_with_one_line_and_the_next_attempt_resumes(
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
    assert_equal(tmp_path, reference[0])


def test_a_time_limit_stops_after_an_epoch_and_the_next_attempt_resumes(
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
    assert_equal(tmp_path, reference[0])


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other digest"},
        {"seed": 3},
        {"network": NETWORK.model_copy(update={"dropout": 0.2})},
        {"recipe": changed(validation_stride_px=16)},
    ],
    ids=["source", "seed", "network", "stride of the validation"],
)
def test_a_changed_training_starts_again(tiny_store, tmp_path, monkeypatch, change):
    cut(monkeypatch, tiny_store, tmp_path, 1, 0)
    assert train(tiny_store, tmp_path, **change).resumed_after_epoch is None
    train(tiny_store, tmp_path / "fresh", **change)
    assert_equal(tmp_path, tmp_path / "fresh")


def test_a_finished_training_is_only_exported_again(reference, tiny_store, tmp_path):
    shutil.copytree(reference[0] / "resume", tmp_path / "resume")
    result = train(tiny_store, tmp_path)
    assert result.resumed_after_epoch == FINETUNING.epochs
    assert_equal(tmp_path, reference[0])


def test_published_optimiser_without_average(tiny_store, tmp_path):
    config = changed(
        optimiser="sgd",
        schedule="constant",
        ema_decay=None,
        gradient_clip_norm=None,
        checkpoint="last",
        epochs=2,
    )
    train(tiny_store, tmp_path, recipe=config)
    state = torch.load(tmp_path / "resume" / LAST, weights_only=True)["state_dict"]
    assert torch.equal(tensors(tmp_path)["head.weight"], state["network.head.weight"])
    assert not any(key.startswith("average.") for key in state)


def test_only_due_epochs_and_the_last_are_validated(tiny_store, tmp_path):
    train(tiny_store, tmp_path, recipe=changed(epochs=5, validate_every_epochs=2))
    validated = [row["epoch"] for row in rows(tmp_path) if row["val_iou_pooled"]]
    assert validated == ["2", "4", "5"]


def test_class_weights_and_sampling_matter(reference, tiny_store, tmp_path):
    losses = {tuple(column(reference[0], "train_loss"))}
    for change in (
        {"class_weights": (1.0, 4.0, 1.0, 1.0)},
        {"sampling": "glaciers"},
        {"augmentation": AugmentationConfig(legacy_bilinear_masks=True)},
    ):
        folder = tmp_path / next(iter(change))
        train(tiny_store, folder, recipe=changed(**change))
        losses.add(tuple(column(folder, "train_loss")))
    assert len(losses) == 4


@pytest.mark.parametrize("name", ["best_mde-epoch0001.pt", "upcoming.ckpt", "model.ckpt"])
def test_a_full_disk_is_one_clear_line(tiny_store, tmp_path, monkeypatch, name):
    whole = Path.open

    def full(path, *arguments, **options):
        if path.name.startswith(f".{name}."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError, match=rf"{name}: no space left") as caught:
        train(tiny_store, tmp_path, recipe=changed(epochs=1))
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
    assert train(tiny_store, tmp_path, recipe=changed(epochs=1)).resumed_after_epoch is None


@pytest.mark.gpu
def test_a_gpu_trains_in_mixed_precision(tiny_store, tmp_path, convolved_in):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    config = changed(precision="bf16-mixed", epochs=1, samples_per_epoch=4, accumulate_batches=1)
    compute = ComputeConfig(device="cuda", train_threads=1, loader_workers=1)
    result = train(tiny_store, tmp_path, recipe=config, compute=compute)
    (row,) = rows(tmp_path)
    assert (row["step"], result.record["validation"]["images"]) == ("2", 2)
    assert math.isfinite(float(row["train_loss"]))
    assert convolved_in == {("training", torch.bfloat16), ("validation", torch.float32)}


def test_a_missing_gpu_is_reported_before_anything_is_read(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match=r"compute\.device.*no CUDA device"):
        train(tmp_path / "no store", tmp_path, compute=ComputeConfig(device="cuda"))


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
    result = train(tiny_store, tmp_path, recipe=config)
    losses = column(tmp_path, "train_loss")
    assert losses[-1] < 0.6 * losses[0]
    assert result.record["validation"]["iou_pooled"] > 0.7


# Several processes -------------------------------------------------------------------------------

# 7 samples: the last batch is smaller, and the last optimiser step has fewer batches.
SHARED = changed(
    epochs=4, samples_per_epoch=7, optimiser="sgd", schedule="constant", learning_rate=0.05
)


def launched(store, folder, devices=1, recipe=SHARED):
    compute = ComputeConfig(devices=devices, train_threads=1)
    request = finetuning(store, folder, recipe=recipe, compute=compute)
    values = request.model_dump(mode="json")
    return launch(finetune_launch.train, values, compute, request.resume)


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + "/../support"]
import test_finetune as t
from ssl4sar.core.errors import UserError
try:
    t.launched(Path({store!r}), Path({folder!r}), {devices}, t.{recipe})
except UserError as error:
    sys.exit(f"error: {{error}}")
"""
LONG = changed(epochs=20, validate_every_epochs=20)


def started(store, folder, devices, recipe):
    """Start a training in a process of its own, and wait for the end of its first epoch."""
    program = PROGRAM.format(
        tests=str(Path(__file__).parent),
        store=str(store),
        folder=str(folder),
        devices=devices,
        recipe=recipe,
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    last = folder / "resume" / LAST
    wait_until(lambda: last.exists() or process.poll() is not None, "the first epoch", 240, 0.005)
    assert process.poll() is None, process.stderr.read()
    return process


def test_kill_in_the_middle_then_resume(tiny_store, tmp_path):
    """SIGKILL at an arbitrary moment; the bits are those of a training left in peace."""
    train(tiny_store, tmp_path / "peace", recipe=LONG)
    folder = tmp_path / "killed"
    with started(tiny_store, folder, 1, "LONG") as process:
        time.sleep(0.2)
        process.kill()
    assert not (folder / "model.ckpt").exists(), "the training ended before it could be killed"
    assert 0 < train(tiny_store, folder, recipe=LONG).resumed_after_epoch < 20
    assert_equal(folder, tmp_path / "peace")


@pytest.fixture(scope="module")
def pair(tiny_store, tmp_path_factory):
    """The same training by two processes, undisturbed."""
    folder = tmp_path_factory.mktemp("pair")
    return folder, launched(tiny_store, folder, devices=2)


def assert_same_training(one, other):
    assert column(other, "train_loss") == pytest.approx(column(one, "train_loss"), rel=1e-5)
    assert column(other, "step") == column(one, "step")
    for name in ("val_iou_pooled",):
        assert column(other, name) == pytest.approx(column(one, name), abs=1e-3)
    for name, value in tensors(one).items():
        assert torch.allclose(tensors(other)[name], value, rtol=1e-4, atol=1e-5), name


def test_shared_batches_give_the_losses_of_one_process(tiny_store, tmp_path, pair):
    """With Dice, dropout and every augmentation: the batches are the same ones.

    Batches that are split between processes are those of the pretrainings: test_pretrain.
    """
    folder, facts = pair
    alone = launched(tiny_store, tmp_path)
    assert_same_training(tmp_path, folder)
    assert facts["parameters"] == alone["parameters"]
    assert facts["validation"]["images"] == alone["validation"]["images"] == 2
    logs = list(folder.glob("resume/processes/*/*.log"))
    assert sorted(path.name for path in logs) == ["rank0.log", "rank1.log"]
    for log in logs:
        assert log.read_text() == "", "a library remarks on something"


def test_a_signal_ends_both_and_the_next_attempt_resumes(tiny_store, tmp_path, pair):
    folder = tmp_path / "stopped"
    with started(tiny_store, folder, 2, "SHARED") as process:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, said
    assert "ended by SIGTERM" in errors[0]
    assert "Traceback" not in said
    assert not (folder / "model.ckpt").exists()
    shutil.copytree(folder, tmp_path / "alone")
    launched(tiny_store, folder, devices=2)
    assert_equal(folder, pair[0])
    # Where a training runs is no part of it: one process resumes what two began.
    launched(tiny_store, tmp_path / "alone")
    assert_same_training(pair[0], tmp_path / "alone")


# The record --------------------------------------------------------------------------------------


def recorded(store, folder, weights, file=None, pretrained=None):
    recipe = changed(epochs=1, samples_per_epoch=2, accumulate_batches=1)
    start = StartingWeights() if file is None else StartingWeights(kind="checkpoint", file=file)
    request = finetuning(store, folder, recipe=recipe, weights=start, seed=5)
    row = {
        "network": NETWORK.model_dump(mode="json"),
        "weights": weights,
        "recipe": recipe.model_dump(mode="json"),
    }
    finetune_and_record(request, "mine", row, folder / "model.json", pretrained)
    return read_training_record(folder / "model.json")


@pytest.fixture(scope="module")
def pretrained(tiny_pairs, tmp_path_factory):
    """Folder of a pretraining with its record."""
    folder = tmp_path_factory.mktemp("pretrained")
    request = pretraining(tiny_pairs.store, folder)
    recipe = request.recipe.model_copy(update={"epochs": 1, "samples_per_epoch": 2})
    pretrain_and_record(
        request.model_copy(update={"recipe": recipe}), tiny_pairs.manifest, folder / "model.json"
    )
    return folder


def test_the_record_holds_that_of_the_pretraining(tiny_store, tmp_path, pretrained):
    path = pretrained / "model.json"
    weights = str(pretrained / "model.ckpt")
    record = recorded(tiny_store, tmp_path, "opttranslator", weights, path)
    assert (record["model"], record["weights"], record["seed"]) == ("mine", "opttranslator", 5)
    assert record["sha256"] == sha256_file(tmp_path / "model.ckpt")
    assert record["pretraining"] == json.loads(path.read_text())
    started = record["starting_weights"]
    assert started["sha256"] == sha256_file(weights) == record["pretraining"]["sha256"]
    assert (started["source"], started["head"]) == ("checkpoint", False)
    _, info = load_network(tmp_path / "model.ckpt")
    assert info["starting_weights"] == started
    assert trained_model([record], ["COL"]).test_glaciers_seen == ["B"]


def test_without_a_pretraining_there_is_none_in_the_record(tiny_store, tmp_path):
    record = recorded(tiny_store, tmp_path, "none")
    assert record["pretraining"] is None
    assert record["starting_weights"]["sha256"] is None


def test_a_record_of_other_weights_is_refused_before_the_training(tiny_store, tmp_path, pretrained):
    other, out = tmp_path / "other.ckpt", tmp_path / "out"
    record = pretrained / "model.json"
    with pytest.raises(UserError, match=r"other\.ckpt: the file does not exist"):
        recorded(tiny_store, out, "opttranslator", str(other), record)
    shutil.rmtree(out)
    other.write_bytes((pretrained / "model.ckpt").read_bytes() + b"x")
    with pytest.raises(UserError, match=r"model\.json: the record is not that of .*other\.ckpt"):
        recorded(tiny_store, out, "opttranslator", str(other), record)
    assert not out.exists()
