"""Best epochs, and the table of epochs."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch

from ssl4sar.train.finetune.validation import ValidationScore
from ssl4sar.train.loop.checkpointing import (
    AtomicCheckpointIO,
    write_metrics,
)
from ssl4sar.train.loop.module import EpochRecord
from ssl4sar.train.operations.resume_folder import LAST

SCORE = ValidationScore(300.0, 0.5, (None, 0.25, 0.5, 0.75), 1, 8)
RECORD = EpochRecord(1, 10, 0.9, 0.01, 20.0, 30.0, SCORE)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / LAST
    AtomicCheckpointIO().save_checkpoint({"state": torch.arange(9.0)}, path)
    before = path.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        AtomicCheckpointIO().save_checkpoint({"state": torch.ones(9), "f": lambda: 0}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [LAST]


def test_the_table_has_a_row_per_epoch_and_empty_cells_for_the_undefined(tmp_path):
    records = [
        replace(RECORD, validation=None),
        replace(RECORD, epoch=2, validation=replace(SCORE, mde_m=None)),
        replace(RECORD, epoch=3),
    ]
    write_metrics(tmp_path / "metrics.csv", records, ValidationScore.COLUMNS)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["val_iou_pooled"] == rows[0]["val_images"] == rows[1]["val_mde_m"] == ""
    assert rows[2] == {
        "epoch": "3",
        "step": "10",
        "train_loss": "0.9",
        "learning_rate": "0.01",
        "samples_per_s": "20.0",
        "duration_s": "30.0",
        "val_mde_m": "300.0",
        "val_iou_pooled": "0.5",
        "val_iou_na": "",
        "val_iou_rock": "0.25",
        "val_iou_glacier": "0.5",
        "val_iou_ocean": "0.75",
        "val_no_front": "1",
        "val_images": "8",
    }
