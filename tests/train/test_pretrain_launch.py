"""A pretraining is recorded beside its checkpoint."""

from __future__ import annotations

import json

import pytest

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.config.networks import TyrionConfig
from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.models.checkpoint import load_network
from ssl4sar.train.pretext.pretrain_launch import PretrainFiles, pretrain_and_record

# They train.
pytestmark = pytest.mark.slow

MODEL = TyrionConfig(
    input_px=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_tokens=4
)
RECIPE = OptTranslatorConfig(epochs=1, samples_per_epoch=2, batch_size=2, accumulate_batches=1)


def files_in(folder, tiny_pairs):
    return PretrainFiles(
        store=tiny_pairs.store,
        manifest=tiny_pairs.manifest,
        checkpoint=folder / "out" / "model.ckpt",
        metrics=folder / "out" / "metrics.csv",
        pictures=folder / "out" / "pictures.npz",
        record=folder / "out" / "model.json",
        resume=folder / "resume",
    )


def pretrain(files, seed=4):
    pretrain_and_record(
        "opttranslator",
        files,
        MODEL.model_dump(mode="json"),
        "none",
        [],
        RECIPE.model_dump(mode="json"),
        ComputeConfig(train_threads=1),
        seed,
        "digest",
        "",
        None,
    )


def test_the_record_tells_network_and_dataset(tiny_pairs, tmp_path):
    files = files_in(tmp_path, tiny_pairs)
    pretrain(files)
    record = json.loads(files.record.read_text())
    _, info = load_network(files.checkpoint)
    assert record["sha256"] == sha256_file(files.checkpoint)
    assert (record["seed"], record["task"], record["epoch"]) == (4, "opttranslator", 1)
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
    names = {"model.ckpt", "metrics.csv", "pictures.npz", "model.json"}
    assert {path.name for path in files.record.parent.iterdir()} == names


def test_equal_pretrainings_have_equal_records(tiny_pairs, tmp_path):
    made = [files_in(tmp_path / name, tiny_pairs) for name in ("one", "two")]
    for files in made:
        pretrain(files)
    assert made[0].record.read_bytes() == made[1].record.read_bytes()
    pretrain(made[1])  # from the state after its last epoch
    assert made[0].record.read_bytes() == made[1].record.read_bytes()


def test_a_damaged_manifest_is_told_before_the_training(tiny_pairs, tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    files = files_in(tmp_path, tiny_pairs)
    files = type(files)(**{**vars(files), "manifest": tmp_path / "dataset.json"})
    with pytest.raises(UserError, match=r"dataset\.json: this is not a valid manifest"):
        pretrain(files)
    assert not files.resume.exists()
