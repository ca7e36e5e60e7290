"""Resume points, best epochs, the table of epochs, and progress lines."""

from __future__ import annotations

import csv
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ssl4sar.train.checkpointing import (
    LAST,
    PREVIOUS,
    AtomicCheckpointIO,
    Best,
    ProgressLines,
    TrainingState,
    clear_resume_folder,
    find_resume_point,
    training_fingerprint,
    write_metrics,
)
from ssl4sar.train.module import EpochRecord
from ssl4sar.train.validation import ValidationScore

SCORE = ValidationScore(300.0, 0.5, (None, 0.25, 0.5, 0.75), 1, 8)
RECORD = EpochRecord(1, 10, 0.9, 0.01, 20.0, 30.0, SCORE)


def checkpoint(fingerprint="abc", epochs_done=2):
    return {
        "state_dict": {"w": torch.arange(1000.0)},
        "ssl4sar": {"fingerprint": fingerprint, "epochs_done": epochs_done, "step": 7},
    }


def test_fingerprint_follows_content_not_order():
    base = training_fingerprint({"seed": 1, "model": {"a": 1, "b": 2}})
    assert base == training_fingerprint({"model": {"b": 2, "a": 1}, "seed": 1})
    assert base != training_fingerprint({"seed": 1, "model": {"a": 2, "b": 1}})
    assert base != training_fingerprint({"seed": 2, "model": {"a": 1, "b": 2}})


def test_no_folder_is_no_resume_point(tmp_path):
    assert find_resume_point(tmp_path / "missing", "abc") is None


def test_the_newest_matching_checkpoint_is_found(tmp_path):
    torch.save(checkpoint(epochs_done=1), tmp_path / PREVIOUS)
    torch.save(checkpoint(epochs_done=2), tmp_path / LAST)
    point = find_resume_point(tmp_path, "abc")
    assert (point.path, point.epochs_done, point.step) == (tmp_path / LAST, 2, 7)


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "foreign", "code"])
def test_a_damaged_last_falls_back_to_the_previous(tmp_path, caplog, damage):
    torch.save(checkpoint(epochs_done=1), tmp_path / PREVIOUS)
    last = tmp_path / LAST
    torch.save(checkpoint(epochs_done=2), last)
    if damage == "cut":
        last.write_bytes(last.read_bytes()[:1500])
    elif damage == "empty":
        last.write_bytes(b"")
    elif damage == "noise":
        last.write_bytes(b"\x01\x02" * 999)
    elif damage == "foreign":
        torch.save([1, 2], last)
    else:
        torch.save({"ssl4sar": SimpleNamespace(a=1)}, last)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert find_resume_point(tmp_path, "abc").path == tmp_path / PREVIOUS
    assert f"cannot resume from {last}" in caplog.text


def test_another_training_is_not_resumed(tmp_path, caplog):
    torch.save(checkpoint("abc"), tmp_path / LAST)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        assert find_resume_point(tmp_path, "other") is None
    assert "have changed" in caplog.text


def test_clearing_leaves_foreign_files(tmp_path):
    for name in (LAST, PREVIOUS, "best_mde-epoch0001.pt", "notes.txt"):
        (tmp_path / name).write_text("x")
    clear_resume_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / LAST
    AtomicCheckpointIO().save_checkpoint(checkpoint(), path)
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


def test_state_survives_a_file_of_plain_values(tmp_path):
    state = TrainingState(
        tmp_path, tmp_path / "m.csv", "abc", lambda trainer, record: None, ValidationScore
    )
    state.records = [replace(RECORD, validation=None), RECORD]
    state.best = {"best_mde": Best(1, "best_mde-epoch0001.pt", SCORE)}
    torch.save(state.state_dict(), tmp_path / "state.pt")
    again = TrainingState(
        tmp_path, tmp_path / "m.csv", "abc", lambda trainer, record: None, ValidationScore
    )
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.records == state.records
    assert again.best == state.best


def test_progress_lines_tell_loss_scores_and_time_left(caplog):
    now = [0.0]
    lines = ProgressLines(interval_s=60, clock=lambda: now[0])
    trainer = SimpleNamespace(
        is_global_zero=True, current_epoch=2, max_epochs=6, num_training_batches=10
    )
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        lines.on_train_start(trainer, None)
        for batch, time_s in enumerate((30.0, 61.0, 90.0, 130.0)):
            now[0] = time_s
            lines.on_train_batch_end(trainer, None, None, None, batch)
        now[0] = 3600.0
        lines.tell_epoch(trainer, replace(RECORD, epoch=3))
        lines.tell_epoch(trainer, replace(RECORD, epoch=4, validation=None))
        lines.tell_epoch(trainer, replace(RECORD, epoch=5, validation=replace(SCORE, mde_m=None)))
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "epoch 3/6: batch 2/10, 19 min 19 s left",
        "epoch 3/6: batch 4/10, 19 min 30 s left",
        "epoch 3/6: loss 0.9000, validation MDE 300 m, IoU 0.500, no front in 1 of 8, "
        "20.0 samples/s, 3 h 0 min left",
        "epoch 4/6: loss 0.9000, 20.0 samples/s, 1 h 0 min left",
        "epoch 5/6: loss 0.9000, validation MDE undefined, IoU 0.500, no front in 1 of 8, "
        "20.0 samples/s, 20 min 0 s left",
    ]
