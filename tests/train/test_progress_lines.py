"""Lines for logs: loss, scores, time left."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

from ssl4sar.train.finetune.validation import ValidationScore
from ssl4sar.train.loop.module import EpochRecord
from ssl4sar.train.loop.progress_lines import ProgressLines

SCORE = ValidationScore(300.0, 0.5, (None, 0.25, 0.5, 0.75), 1, 8)
RECORD = EpochRecord(1, 10, 0.9, 0.01, 20.0, 30.0, SCORE)


def test_progress_lines_have_loss_scores_and_time_left(caplog):
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
        lines.log_epoch(trainer, replace(RECORD, epoch=3))
        lines.log_epoch(trainer, replace(RECORD, epoch=4, validation=None))
        lines.log_epoch(trainer, replace(RECORD, epoch=5, validation=replace(SCORE, mde_m=None)))
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
