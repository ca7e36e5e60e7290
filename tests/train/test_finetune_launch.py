"""A fine-tuning is recorded beside its checkpoint, with the pretraining that it started from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.config.training import TrainingConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.evaluate.trained_models import read_training_record, trained_model
from ssl4sar.models.checkpoint import load_network
from ssl4sar.train.finetune.finetune_launch import FinetuneFiles, finetune_and_record
from ssl4sar.train.pretext.pretrain_launch import PretrainFiles, pretrain_and_record

# They train.
pytestmark = pytest.mark.slow

MODEL = TyrionConfig(
    input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_tokens=4
)
SHORT = {"epochs": 1, "samples_per_epoch": 2, "batch_size": 2, "accumulate_batches": 1}
COMPUTE = ComputeConfig(train_threads=1)


@pytest.fixture(scope="module")
def pretrained(tiny_pairs, tmp_path_factory):
    """Files of a pretraining."""
    folder = tmp_path_factory.mktemp("pretrained")
    names = ("model.ckpt", "metrics.csv", "pictures.npz", "model.json", "resume")
    files = PretrainFiles(tiny_pairs.store, tiny_pairs.manifest, *(folder / name for name in names))
    recipe = OptTranslatorConfig(**SHORT).model_dump(mode="json")
    model = MODEL.model_dump(mode="json")
    pretrain_and_record(
        "opttranslator", files, model, "none", [], recipe, COMPUTE, 0, "digest", "", None
    )
    return files


def files_in(folder, store, pretrained=None):
    return FinetuneFiles(
        store=store,
        pretrained=None if pretrained is None else pretrained.record,
        checkpoint=folder / "model.ckpt",
        metrics=folder / "metrics.csv",
        record=folder / "model.json",
        resume=folder / "resume",
    )


def finetune(files, weights, weights_files):
    row = {
        "network": MODEL.model_dump(mode="json"),
        "weights": weights,
        "recipe": TrainingConfig(**SHORT, target_px=32).model_dump(mode="json"),
    }
    windows = {"prediction.centre_px": 64, "prediction.sigma_px": 16.0}
    finetune_and_record(files, "mine", row, windows, weights_files, COMPUTE, 5, "digest", "", None)


def test_the_record_holds_that_of_the_pretraining(tiny_store, tmp_path, pretrained):
    files = files_in(tmp_path, tiny_store, pretrained)
    finetune(files, "opttranslator", [str(pretrained.checkpoint)])
    record = read_training_record(files.record)
    assert (record["model"], record["weights"], record["seed"]) == ("mine", "opttranslator", 5)
    assert record["sha256"] == sha256_file(files.checkpoint)
    assert record["pretraining"] == json.loads(pretrained.record.read_text())
    started = record["starting_weights"]
    assert started["sha256"] == sha256_file(pretrained.checkpoint)
    assert started["sha256"] == record["pretraining"]["sha256"]
    assert (started["source"], started["head"]) == ("checkpoint", False)
    _, info = load_network(files.checkpoint)
    assert info["starting_weights"] == started
    assert trained_model([record], ["COL"]).test_glaciers_seen == ["B"]


def test_without_a_pretraining_there_is_none_in_the_record(tiny_store, tmp_path):
    files = files_in(tmp_path, tiny_store)
    finetune(files, "none", [])
    record = read_training_record(files.record)
    assert record["pretraining"] is None
    assert record["starting_weights"]["sha256"] is None


def test_a_record_of_other_weights_is_refused_before_the_training(tiny_store, tmp_path, pretrained):
    other = tmp_path / "other.ckpt"
    other.write_bytes(pretrained.checkpoint.read_bytes() + b"x")
    files = files_in(tmp_path / "out", tiny_store, pretrained)
    with pytest.raises(UserError, match=r"model\.json: the record is not that of .*other\.ckpt"):
        finetune(files, "opttranslator", [str(other)])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "3"])
def test_a_damaged_record_is_one_line(tiny_store, tmp_path, pretrained, text):
    path = tmp_path / "record.json"
    if text is not None:
        path.write_text(text)
    files = replace(files_in(tmp_path / "out", tiny_store), pretrained=path)
    with pytest.raises(UserError, match=r"record of the pretraining cannot be read") as caught:
        finetune(files, "opttranslator", [str(pretrained.checkpoint)])
    assert "\n" not in str(caught.value)


def test_weights_that_are_gone_are_told(tiny_store, tmp_path, pretrained):
    files = files_in(tmp_path / "out", tiny_store, pretrained)
    with pytest.raises(UserError, match=r"gone\.ckpt: the file does not exist"):
        finetune(files, "opttranslator", [str(tmp_path / "gone.ckpt")])
