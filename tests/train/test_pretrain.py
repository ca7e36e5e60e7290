"""Whole pretrainings of tiny networks: repeatable, resumable, stopped early, transferable."""

from __future__ import annotations

import json
import logging
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_training import (
    NETWORK,
    PRETRAINING,
    PowerCutError,
    column,
    interrupt,
    pretraining,
    rows,
    tensors,
)

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.models import TASKS, StartingWeights, starting_weights
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptSimMIMConfig, OptTranslatorConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.models.checkpoint import load_network, read_torch_file, save_network
from ssl4sar.models.opttranslator import OptTranslator
from ssl4sar.models.registry import load_weights
from ssl4sar.models.tyrion import build
from ssl4sar.train.finetune.finetune import _starting_network as finetune_start
from ssl4sar.train.loop.module import TrainingModule
from ssl4sar.train.operations.launch import launch
from ssl4sar.train.operations.resume_folder import LAST
from ssl4sar.train.pretext import pretrain_launch, pretrain_module
from ssl4sar.train.pretext.pretrain import _starting_network as pretrain_start
from ssl4sar.train.pretext.pretrain import pretrain, recipe_of
from ssl4sar.train.pretext.pretrain_launch import pretrain_and_record
from ssl4sar.train.pretext.pretrain_module import PretextScore, PretrainModule

# They train.
pytestmark = pytest.mark.slow

FILES = ("model.ckpt", "pictures.npz")


def train(store, folder, task="opttranslator", **changes):
    return pretrain(pretraining(store, folder, task, **changes))


def changed(task="opttranslator", **changes):
    return PRETRAINING[task].model_copy(update=changes)


def assert_equal(folder, other):
    """The same bits in every file."""
    for name in FILES:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    assert rows(folder) == rows(other)


def pictures(folder):
    with np.load(folder / "pictures.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def store(tiny_pairs):
    return tiny_pairs.store


@pytest.fixture(scope="module")
def reference(store, tmp_path_factory):
    """Uninterrupted pretrainings on both tasks."""
    folder = tmp_path_factory.mktemp("reference")
    results = {task: train(store, folder / task, task) for task in TASKS}
    return folder, results


def cut(monkeypatch, store, folder, task="opttranslator", at=(1, 0), **changes):
    """Interrupt a pretraining at (epoch, batch)."""
    with monkeypatch.context() as patch:
        interrupt(patch, PretrainModule, *at)
        with pytest.raises(PowerCutError):
            train(store, folder, task, **changes)


@pytest.mark.parametrize("task", TASKS)
def test_result_and_files(reference, store, task):
    folder, result = reference[0] / task, reference[1][task]
    network, info = load_network(folder / "model.ckpt")
    assert (result.record["epochs"], result.resumed_after_epoch) == (3, None)
    assert info["task"] == task
    assert info["seed"] == 1
    assert info["store_sha256"] == PairStore.open(store).sha256
    assert info["network"] == NETWORK.model_dump(mode="json")
    assert info["glaciers"] == ["A", "B", "C"]
    assert recipe_of(task, info["recipe"]) == PRETRAINING[task]
    assert {key: info[key] for key in result.record} == json.loads(json.dumps(result.record))
    extra = read_torch_file(folder / "model.ckpt").get("extra", {})
    assert network.out_channels == {"optsimmim": 3, "opttranslator": 14}[task]
    assert {key.split(".")[0] for key in extra} == (
        {"embedding", "readout"} if task == "optsimmim" else set()
    )
    inner = sum(p.numel() for p in network.parameters())
    assert result.record["parameters"] == inner + sum(value.numel() for value in extra.values())
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["1", "2", "3"]
    assert [row["step"] for row in table] == ["2", "4", "6"]  # 3 batches, 2 accumulated
    losses = [float(row["val_loss"]) for row in table]
    assert result.record["validation"]["loss"] == min(losses)
    assert result.record["epoch"] == 1 + losses.index(min(losses))
    # Tiles of 64 px every 32 px of 40 x 50 and 30 x 36 px.
    assert {row["val_tiles"] for row in table} == {"6"}
    assert result.record["validation"]["tiles"] == 6


@pytest.mark.parametrize("task", TASKS)
def test_pictures_of_the_first_every_second_and_the_last_epoch(reference, task):
    arrays = pictures(reference[0] / task)
    assert arrays["epochs"].tolist() == [1, 2, 3]
    assert arrays["predicted"].shape == (3, 2, 3, 64, 64)
    assert arrays["sar"].shape == (2, 64, 64)
    assert arrays["true"].shape == (2, 3, 64, 64)
    assert {name.split("_")[1] for name in arrays["names"]} == {"A", "B"}
    facts = {"epochs", "names", "synthetic"}
    assert {str(a.dtype) for name, a in arrays.items() if name not in facts} == {"uint8"}
    assert bool(arrays["synthetic"])
    assert ("masked" in arrays) == (task == "optsimmim")
    assert not np.array_equal(arrays["predicted"][0], arrays["predicted"][2])
    if task == "optsimmim":
        hidden = arrays["masked"].reshape(2, 16, 4, 16, 4).any(axis=(2, 4))
        # Of 256 tokens 77 are masked; predictions are there only.
        assert hidden.reshape(2, -1).sum(axis=1).tolist() == [77, 77]
        predicted = arrays["predicted"].reshape(3, 2, 3, 16, 4, 16, 4).any(axis=(0, 2, 4, 6))
        assert not (predicted & ~hidden).any()


@pytest.mark.parametrize(("task", "epoch", "batch"), [("opttranslator", 1, 0), ("optsimmim", 2, 2)])
def test_an_interrupted_pretraining_ends_with_the_same_bits(
    reference, store, tmp_path, monkeypatch, task, epoch, batch
):
    cut(monkeypatch, store, tmp_path, task, (epoch, batch))
    assert not (tmp_path / "model.ckpt").exists()
    torch.manual_seed(123)
    assert train(store, tmp_path, task).resumed_after_epoch == (epoch or None)
    assert_equal(tmp_path, reference[0] / task)


def test_interruptions_between_saving_and_drawing_lose_no_picture(
    reference, store, tmp_path, monkeypatch
):
    """Once before the pictures of epoch 2 are drawn, once before its state is saved."""
    whole = PretrainModule.on_train_epoch_end

    def before_pictures(self):
        if self.current_epoch == 1:
            self.pictures.draw = lambda *_: power_cut()
        whole(self)

    def after_pictures(self):
        whole(self)
        if self.current_epoch == 1:
            power_cut()

    def power_cut():
        raise PowerCutError

    for replacement in (before_pictures, after_pictures):
        with monkeypatch.context() as patch:
            patch.setattr(PretrainModule, "on_train_epoch_end", replacement)
            with pytest.raises(PowerCutError):
                train(store, tmp_path)
    assert train(store, tmp_path).resumed_after_epoch == 1
    assert_equal(tmp_path, reference[0] / "opttranslator")


@pytest.mark.parametrize("what", ["recipe", "task"])
def test_a_changed_pretraining_starts_again_without_old_pictures(
    store, tmp_path, monkeypatch, what
):
    seldom = {"epochs": 3, "samples_per_epoch": 2, "panels_every_epochs": 9}
    short = changed(**seldom)
    cut(monkeypatch, store, tmp_path, recipe=short, at=(1, 0))
    (picture,) = (tmp_path / "resume" / "pictures").glob("*.npy")
    # As if it had been drawn by then: this recipe does not draw it, so that it would be left.
    shutil.copy(picture, picture.with_name("epoch00002.npy"))
    change = {
        "recipe": {"recipe": short.model_copy(update={"learning_rate": 2e-3})},
        "task": {
            "task": "optsimmim",
            "recipe": changed("optsimmim", **seldom),
        },
    }[what]
    arguments = {"store": store, "recipe": short} | change
    result = train(folder=tmp_path, **arguments)
    assert result.resumed_after_epoch is None
    train(folder=tmp_path / "fresh", **arguments)
    assert_equal(tmp_path, tmp_path / "fresh")
    assert pictures(tmp_path)["epochs"].tolist() == [1, 3]


@pytest.mark.parametrize("at", [(0, 0), (1, 1)], ids=["in its first epoch", "later"])
def test_a_change_that_is_put_back_resumes_where_it_was(
    reference, store, tmp_path, monkeypatch, at
):
    cut(monkeypatch, store, tmp_path, at=(2, 1))
    cut(monkeypatch, store, tmp_path, at=at, source="other digest")
    assert train(store, tmp_path).resumed_after_epoch == 2
    assert_equal(tmp_path, reference[0] / "opttranslator")
    # Nor is the other one lost, and the curves of both are apart.
    kept = list((tmp_path / "resume").glob("superseded-*"))
    assert [(path / LAST).is_file() for path in kept] == ([True] if at[0] else [])
    assert len(list((tmp_path / "resume" / "tensorboard").glob("events*"))) == 2


def scored(monkeypatch, losses):
    """Let the validation say what is wanted, epoch by epoch."""
    whole = PretrainModule.score

    def score(self, network):
        known = len(self.validation_losses)
        tiles = whole(self, network).tiles
        if len(self.validation_losses) > known:
            self.validation_losses[-1] = losses[self.current_epoch]
        return PretextScore(losses[self.current_epoch], tiles)

    monkeypatch.setattr(PretrainModule, "score", score)


LOSSES = [0.5, 0.4, 0.45, 0.44, 0.43, 0.42, 0.41]


def test_no_better_validation_ends_early_with_a_picture(store, tmp_path, monkeypatch):
    scored(monkeypatch, LOSSES)
    recipe = changed(epochs=7, early_stop_patience=2, panels_every_epochs=3)
    result = train(store, tmp_path, recipe=recipe)
    assert (
        result.record["epochs"],
        result.record["epoch"],
        result.record["validation"]["loss"],
    ) == (4, 2, 0.4)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3", "4"]
    assert pictures(tmp_path)["epochs"].tolist() == [1, 3, 4]


def test_an_early_end_before_the_export_is_only_exported(store, tmp_path, monkeypatch):
    scored(monkeypatch, LOSSES)
    recipe = changed(epochs=7, early_stop_patience=2)
    train(store, tmp_path / "peace", recipe=recipe)
    with monkeypatch.context() as patch:
        patch.setattr("ssl4sar.train.pretext.pretrain._export", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(store, tmp_path, recipe=recipe)
    (tmp_path / "metrics.csv").unlink()
    interrupt(monkeypatch, PretrainModule, 4, 0)  # no step is taken
    assert train(store, tmp_path, recipe=recipe).resumed_after_epoch == 4
    assert_equal(tmp_path, tmp_path / "peace")


@pytest.mark.parametrize("task", TASKS[:1])
def test_lost_pictures_of_a_finished_pretraining_are_drawn_from_its_weights(
    reference, store, tmp_path, monkeypatch, capsys, task
):
    whole = reference[0] / task
    shutil.copytree(whole / "resume", tmp_path / "resume")
    shutil.rmtree(tmp_path / "resume" / "pictures")
    (tmp_path / "resume" / "pictures.npz").unlink()
    interrupt(monkeypatch, PretrainModule, 0, 0)  # nothing is trained again
    result = train(store, tmp_path, task)
    assert result.resumed_after_epoch == 3
    assert f"drawing epoch {result.record['epoch']} alone" in capsys.readouterr().err
    assert (tmp_path / "model.ckpt").read_bytes() == (whole / "model.ckpt").read_bytes()
    before, after = pictures(whole), pictures(tmp_path)
    assert after["epochs"].tolist() == [result.record["epoch"]]
    place = before["epochs"].tolist().index(result.record["epoch"])
    np.testing.assert_array_equal(after["predicted"][0], before["predicted"][place])
    np.testing.assert_array_equal(after["sar"], before["sar"])


def test_a_running_pretraining_can_be_ended_and_prolonged(
    reference, store, tmp_path, monkeypatch, caplog
):
    cut(monkeypatch, store, tmp_path, at=(2, 1))
    train(store, tmp_path / "short", recipe=changed(epochs=2))
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, logger="ssl4sar"):
        interrupt(patch, PretrainModule, 2, 0)  # no step is taken
        assert train(store, tmp_path, recipe=changed(epochs=2)).resumed_after_epoch == 2
        assert_equal(tmp_path, tmp_path / "short")
        for checkpoint in ("best_loss", "last"):
            shorter = changed(epochs=1, checkpoint=checkpoint)
            with pytest.raises(
                UserError, match=r"^opttranslator\.epochs: 2 epochs .* set it to 2 "
            ):
                train(store, tmp_path, recipe=shorter)
        ended = train(store, tmp_path, recipe=changed(epochs=2, panels=3, checkpoint="last"))
    assert (ended.record["epoch"], ended.record["epochs"]) == (2, 2)
    assert "2 epochs are done, 1 are asked for: nothing to train" in caplog.text
    assert pictures(tmp_path)["predicted"].shape[:2] == (1, 3)
    # Also one that has ended by itself.
    longer = changed(epochs=4)
    assert train(store, tmp_path / "short", recipe=longer).resumed_after_epoch == 2
    train(store, tmp_path / "long", recipe=longer)
    assert_equal(tmp_path / "short", tmp_path / "long")


def test_an_end_without_any_validated_epoch_is_reported(store, tmp_path, monkeypatch):
    seldom = changed(epochs=9, validate_every_epochs=4)
    cut(monkeypatch, store, tmp_path, recipe=seldom, at=(1, 0))
    with pytest.raises(UserError, match=r"^opttranslator\.epochs: none of the 1 .* to 4, or"):
        train(store, tmp_path, recipe=seldom.model_copy(update={"epochs": 1}))


def test_the_rate_of_a_prolonged_pretraining_forgets_the_extra_validation(
    store, tmp_path, monkeypatch
):
    """Epoch 3 is validated only where it is the last, and its loss would lower the rate."""
    scored(monkeypatch, [0.5, 0.4, 0.9, 0.5, 0.3, 0.6])
    recipe = changed(
        epochs=6, validate_every_epochs=2, plateau_patience=0, early_stop_patience=None
    )
    train(store, tmp_path / "peace", recipe=recipe)
    train(store, tmp_path, recipe=recipe.model_copy(update={"epochs": 3}))
    assert rows(tmp_path)[2]["val_loss"] == "0.9"
    assert train(store, tmp_path, recipe=recipe).resumed_after_epoch == 3
    rates, losses = (
        [[row[name] for row in rows(folder)] for folder in (tmp_path, tmp_path / "peace")]
        for name in ("learning_rate", "train_loss")
    )
    assert rates[0] == rates[1]
    assert losses[0] == losses[1]
    assert len(set(rates[0])) == 2


def test_the_plateau_schedule_survives_interruptions(store, tmp_path, monkeypatch):
    scored(monkeypatch, [0.5, 0.6, 0.7, 0.4, 0.6, 0.7, 0.8])
    recipe = changed(epochs=7, plateau_patience=1, early_stop_patience=None)
    train(store, tmp_path / "peace", recipe=recipe)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "peace")]
    # Two bad validations in a row halve the rate of the next epoch.
    assert rates == pytest.approx([3e-3, 3e-3, 3e-3, 1.5e-3, 1.5e-3, 1.5e-3, 7.5e-4])
    for epoch in (2, 3, 6):
        cut(monkeypatch, store, tmp_path, at=(epoch, 1), recipe=recipe)
    assert train(store, tmp_path, recipe=recipe).resumed_after_epoch == 6
    assert_equal(tmp_path, tmp_path / "peace")


def spoilt(monkeypatch, place, value, epoch):
    """Let a value of the second sample of the third batch of an epoch be no number any more."""
    whole = pretrain_module.pairs_on_device

    def pairs(batch, *arguments, **options):
        made = whole(batch, *arguments, **options)
        if (batch.key.epoch, batch.key.number) != (epoch, 2):
            return made
        spoilt = {name: getattr(made, name).clone() for name in ("sar", "optical")}
        spoilt[place][1] = value
        return made._replace(**spoilt)

    monkeypatch.setattr(pretrain_module, "pairs_on_device", pairs)


@pytest.mark.parametrize(
    ("task", "place", "value"),
    [
        ("opttranslator", "sar", "nan"),
        ("optsimmim", "optical", "inf"),
    ],
)
def test_a_loss_that_is_not_finite_names_batch_and_image_and_keeps_the_last_state(
    reference, store, tmp_path, monkeypatch, task, place, value
):
    names = {scene.name for scene in PairStore.open(store).scenes}
    with monkeypatch.context() as patch:
        spoilt(patch, place, float(value), 1)
        with pytest.raises(UserError) as caught:
            train(store, tmp_path, task)
    told = str(caught.value)
    found = value if place == "optical" else "nan"
    assert f"the loss became {found} in epoch 2, batch 3, image S1_" in told
    assert sum(name in told for name in names) == 1  # not the other image of the batch
    # Batches of two: the second of the third batch.
    assert " (sample 6); look at the image, lower" in told
    assert "the state after epoch 1 is set aside" in told
    assert f"{task}.learning_rate" in told
    assert "\n" not in told
    assert not (tmp_path / "model.ckpt").exists()
    assert train(store, tmp_path, task).resumed_after_epoch == 1
    assert_equal(tmp_path, reference[0] / task)


def test_weights_spoilt_by_the_last_step_of_an_epoch_are_not_saved(
    reference, store, tmp_path, monkeypatch
):
    """No loss of that epoch tells; the state after it would end every later attempt."""
    whole = TrainingModule.optimizer_step

    def step(self, epoch, *arguments):
        whole(self, epoch, *arguments)
        if self.trainer.global_step == 3:  # steps before this one
            with torch.no_grad():
                self.network.network.head.weight[0, 0] = math.inf

    with monkeypatch.context() as patch:
        patch.setattr(PretrainModule, "optimizer_step", step)
        with pytest.raises(UserError, match=r"weights became NaN or infinite in epoch 2.*after"):
            train(store, tmp_path)
    assert train(store, tmp_path).resumed_after_epoch == 1
    assert_equal(tmp_path, reference[0] / "opttranslator")


def test_a_validation_loss_that_is_not_finite_is_not_saved(reference, store, tmp_path, monkeypatch):
    whole = OptTranslator.errors

    def errors(self, *arguments):
        made = whole(self, *arguments)
        return made if self.training else replace(made, absolute=made.absolute * math.inf)

    cut(monkeypatch, store, tmp_path, at=(1, 0))
    with monkeypatch.context() as patch:
        patch.setattr(OptTranslator, "errors", errors)
        with pytest.raises(UserError, match=r"validation loss became inf after epoch 2; lower"):
            train(store, tmp_path)
    assert train(store, tmp_path).resumed_after_epoch == 1
    assert_equal(tmp_path, reference[0] / "opttranslator")


def test_last_weights_are_the_averaged_ones(store, tmp_path):
    result = train(store, tmp_path, "optsimmim", recipe=changed("optsimmim", checkpoint="last"))
    assert result.record["epoch"] == 3
    state = torch.load(tmp_path / "resume" / LAST, weights_only=True)["state_dict"]
    content = read_torch_file(tmp_path / "model.ckpt")
    exported = {f"network.{key}": value for key, value in content["state"].items()}
    exported |= content["extra"]
    assert {f"average.{key}" for key in exported} == {k for k in state if k.startswith("average.")}
    for key, value in exported.items():
        assert torch.equal(value, state[f"average.{key}"]), key
    assert not torch.equal(state["average.readout.weight"], state["network.readout.weight"])


@pytest.mark.parametrize(
    ("task", "precision", "trained_in"),
    [
        ("optsimmim", "32-true", torch.float32),
        ("opttranslator", "tf32", torch.float32),
        ("optsimmim", "bf16-mixed", torch.bfloat16),
    ],
)
def test_each_precision_is_that_of_the_training_alone(
    reference, store, tmp_path, convolved_in, task, precision, trained_in
):
    train(store, tmp_path, task, recipe=changed(task, precision=precision, epochs=1))
    # The validation chooses the epoch: never in mixed precision.
    assert convolved_in == {("training", trained_in), ("validation", torch.float32)}
    network, _ = load_network(tmp_path / "model.ckpt")
    assert network.head.weight.dtype == torch.float32
    (row,), before = rows(tmp_path), rows(reference[0] / task)[0]
    for name in ("train_loss", "val_loss"):
        loss, exact = float(row[name]), float(before[name])
        assert (loss != exact) is (precision == "bf16-mixed"), name
        assert loss == pytest.approx(exact, rel=1e-2), name


@pytest.mark.gpu
@pytest.mark.parametrize("task", TASKS)
def test_a_gpu_pretrains_in_mixed_precision(store, tmp_path, convolved_in, task):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    recipe = changed(task, precision="bf16-mixed", epochs=1, gradient_clip_norm=None)
    compute = ComputeConfig(device="cuda", train_threads=1, loader_workers=1)
    result = train(store, tmp_path, task, recipe=recipe, compute=compute)
    (row,) = rows(tmp_path)
    assert (row["step"], result.record["validation"]["tiles"]) == ("2", 6)
    assert math.isfinite(float(row["train_loss"]))
    assert convolved_in == {("training", torch.bfloat16), ("validation", torch.float32)}


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_store_without_images_of_a_split_is_refused(store, tmp_path, split):
    shutil.copytree(store, tmp_path / "store")
    path = tmp_path / "store" / "index.json"
    index = json.loads(path.read_text())
    other = {"train": "val", "val": "train"}[split]
    for scene in index["scenes"]:
        scene["split"] = other
    path.write_text(json.dumps(index))
    kind = {"train": "training", "val": "validation"}[split]
    with pytest.raises(UserError, match=f"store: the store has no {kind} image"):
        train(tmp_path / "store", tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_optical_images_without_data_are_reported_before_the_first_epoch(store, tmp_path, split):
    shutil.copytree(store, tmp_path / "store")
    path = tmp_path / "store" / "index.json"
    index = json.loads(path.read_text())
    # The glaciers of one split: an image of each glacier is in the other split as well.
    here = {scene["glacier"] for scene in index["scenes"][:1]}
    for scene in index["scenes"]:
        scene["split"] = split if scene["glacier"] in here else {"train": "val"}.get(split, "train")
    for glacier in index["glaciers"]:
        if glacier["glacier"] in here:
            glacier["valid_fraction"] = 0.0
    path.write_text(json.dumps(index))
    kind = {"train": "training", "val": "validation"}[split]
    with pytest.raises(UserError, match=rf"{kind} glacier \({min(here)}\) has a pixel with data"):
        train(tmp_path / "store", tmp_path)
    assert not (tmp_path / "metrics.csv").exists()


def starts(task, path):
    """Return the network of a fine-tuning with seed 7 from a checkpoint, and what was loaded."""
    settings, weights = starting_weights(NETWORK, task, [str(path)] if path else [])
    return finetune_start(settings, weights, 7)


@pytest.mark.parametrize("task", TASKS)
def test_all_of_encoder_and_decoder_goes_over_and_the_head_is_new(reference, task):
    path = reference[0] / task / "model.ckpt"
    pretrained = read_torch_file(path)["state"]
    network, report = starts(task, path)
    fresh, nothing = starts("none", None)
    state, random = network.state_dict(), fresh.state_dict()
    assert state.keys() == random.keys() == pretrained.keys()
    transferred = {key for key in state if not key.startswith("head.")}
    assert {key.split(".")[0] for key in transferred} == {"encoder", "decoder"}
    for key in transferred:
        assert torch.equal(state[key], pretrained[key]), key
    for key in state.keys() - transferred:
        assert torch.equal(state[key], random[key]), key
        assert state[key].shape != pretrained[key].shape
    assert report["sha256"] == sha256_file(path)
    assert (report["source"], report["tensors"], report["head"]) == (
        "checkpoint",
        len(transferred),
        False,
    )
    assert (nothing["source"], nothing["sha256"], nothing["tensors"]) == ("none", None, 0)


@pytest.mark.parametrize("task", TASKS[:1])
def test_the_best_weights_of_a_running_pretraining_are_a_starting_point(
    reference, store, tmp_path, monkeypatch, task
):
    cut(monkeypatch, store, tmp_path, task, at=(1, 0))
    (path,) = (tmp_path / "resume").glob("best_loss-epoch0001.pt")
    network, report = starts(task, path)
    pretrained = read_torch_file(path)["state"]
    for key, value in network.state_dict().items():
        assert key.startswith("head.") or torch.equal(value, pretrained[key]), key
    assert (report["glaciers"], report["unfinished_after_epoch"]) == (["A", "B", "C"], 1)
    assert "unfinished_after_epoch" not in starts(task, reference[0] / task / "model.ckpt")[1]


@pytest.mark.parametrize("task", TASKS)
def test_pretraining_moves_every_tensor_of_encoder_and_decoder(reference, store, tmp_path, task):
    """Without weight decay, which moves what no gradient reaches."""
    plain = {"weight_decay": 0.0, "ema_decay": None, "accumulate_batches": 1}
    # In the first step nothing reaches the attention: its gains are zero until then.
    recipe = changed(task, epochs=2, checkpoint="last", **plain)
    train(store, tmp_path, task, recipe=recipe)
    moved = read_torch_file(tmp_path / "model.ckpt")
    start = pretrain_start(task, NETWORK, StartingWeights(), 1)[0].state_dict()
    for key, value in {**moved["state"], **moved.get("extra", {})}.items():
        before = start[key if key in start else f"network.{key}"]
        assert not torch.equal(value, before), key


def test_a_pretraining_starts_from_given_weights(store, tmp_path):
    given = tmp_path / "given.ckpt"
    donor, _ = starts("none", None)
    save_network(given, donor, NETWORK, {})
    weights = StartingWeights(kind="checkpoint", file=str(given))
    short = changed(epochs=1)
    result = train(store, tmp_path, weights=weights, recipe=short)
    assert result.record["starting_weights"]["sha256"] == sha256_file(given)
    # Where the file is does not matter: a moved project resumes, and the file has the same bytes.
    before = (tmp_path / "model.ckpt").read_bytes()
    moved = given.rename(tmp_path / "moved.ckpt")
    again = StartingWeights(kind="checkpoint", file=str(moved))
    assert train(store, tmp_path, weights=again, recipe=short).resumed_after_epoch == 1
    assert (tmp_path / "model.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"embed_dim": 16}, r"network\.embed_dim 8, where 16"),
        ({"window_tokens": 8}, r"network\.window_tokens 4, where 8"),
        ({"input_px": 128}, r"network\.input_px 64, where 128"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_geometry_is_refused(reference, change, told):
    path = reference[0] / "opttranslator" / "model.ckpt"
    config = TyrionConfig(**{**NETWORK.model_dump(), **change})
    network = build(config)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(UserError, match=told) as caught:
        load_weights(network, config, StartingWeights(kind="checkpoint", file=str(path)))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


# Several processes, and the record ---------------------------------------------------------------

PLAIN = {"epochs": 2, "learning_rate": 0.02, "panels": 1}
SHARED = {
    # Three batches in two steps: in the second one a process has no sample that counts.
    "shared batches": OptSimMIMConfig(
        **PLAIN, samples_per_epoch=5, batch_size=2, accumulate_batches=2, ema_decay=0.9
    ),
    # The second batch has three samples: one process has two of them.
    "split batches": OptTranslatorConfig(
        **PLAIN, samples_per_epoch=7, batch_size=4, accumulate_batches=1, gradient_clip_norm=1.0
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_end_where_one_does(store, tmp_path, name):
    recipe = SHARED[name]
    task = "optsimmim" if isinstance(recipe, OptSimMIMConfig) else "opttranslator"
    network = NETWORK.model_copy(update={"dropout": 0.0})
    facts = {}
    for devices in (1, 2):
        compute = ComputeConfig(devices=devices, train_threads=1)
        request = pretraining(
            store, tmp_path / str(devices), task, recipe=recipe, network=network, compute=compute
        )
        values = request.model_dump(mode="json")
        facts[devices] = launch(pretrain_launch.train, values, compute, request.resume)
    one, two = tmp_path / "1", tmp_path / "2"
    assert column(two, "step") == column(one, "step")
    assert column(two, "val_tiles") == column(one, "val_tiles") == [6, 6]
    for loss in ("train_loss", "val_loss"):
        assert column(two, loss) == pytest.approx(column(one, loss), rel=1e-5, abs=0), loss
    assert tensors(two).keys() == tensors(one).keys()
    for key, value in tensors(one).items():
        torch.testing.assert_close(tensors(two)[key], value, rtol=1e-5, atol=1e-5, msg=key)
    _, info = load_network(two / "model.ckpt")
    assert info["parameters"] == facts[2]["parameters"] == facts[1]["parameters"]
    assert facts[2]["epoch"] == facts[1]["epoch"]
    drawn = [pictures(folder)["predicted"].astype(int) for folder in (one, two)]
    assert abs(drawn[0] - drawn[1]).max() <= 1
    for log in two.glob("resume/processes/*/*.log"):
        assert log.read_text() == "", "a library remarks on something"


def test_equal_pretrainings_have_equal_records_of_network_and_dataset(tiny_pairs, tmp_path):
    records = []
    for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "two"):  # once from its state
        request = pretraining(tiny_pairs.store, folder, recipe=changed(epochs=1))
        pretrain_and_record(request, tiny_pairs.manifest, folder / "model.json")
        records.append((folder / "model.json").read_bytes())
    assert records[0] == records[1] == records[2]
    record = json.loads(records[0])
    _, info = load_network(tmp_path / "one" / "model.ckpt")
    assert record["sha256"] == sha256_file(tmp_path / "one" / "model.ckpt")
    for key in ("task", "epoch", "epochs", "validation", "parameters", "starting_weights", "seed"):
        assert record[key] == info[key]
    assert record["dataset"] == {
        "source": "synthetic",
        "synthetic": True,
        "glaciers": ["A", "B", "C"],
        "images": {"train": 6, "val": 2},
        "excluded": [],
        "left_out": [],
        "allow_test_glaciers": True,
        "included_test_glaciers": ["B"],
    }


def test_a_damaged_manifest_is_reported_before_the_training(store, tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    request = pretraining(store, tmp_path)
    with pytest.raises(UserError, match=r"dataset\.json: this is not a valid manifest"):
        pretrain_and_record(request, tmp_path / "dataset.json", tmp_path / "model.json")
    assert not request.resume.exists()
