"""How far a training is, in lines for logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from ssl4sar.core.progress import log
from ssl4sar.train.loop.module import EpochRecord


class ProgressLines(Callback):
    """A line per epoch, and now and then one within an epoch, for logs.

    Args:
        interval_s: seconds between two lines within an epoch.
        clock: seconds, for tests.
    """

    def __init__(
        self, interval_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._start_s = self._last_s = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock; epochs of an earlier run do not count for the time left."""
        self._start_s = self._last_s = self._clock()
        self._first_epoch = trainer.current_epoch

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log how far the epoch is, at most once per interval."""
        if not trainer.is_global_zero or self._clock() - self._last_s < self._interval_s:
            return
        self._last_s = self._clock()
        batches = int(trainer.num_training_batches)
        done = trainer.current_epoch + (batch_idx + 1) / batches
        log(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
            f"batch {batch_idx + 1}/{batches}, {self._time_left(trainer, done)}"
        )

    def log_epoch(self, trainer: pl.Trainer, record: EpochRecord) -> None:
        """Log the result of an epoch."""
        validation = "" if record.validation is None else f"{record.validation.text()}, "
        self._last_s = self._clock()
        log(
            f"epoch {record.epoch}/{trainer.max_epochs}: loss {record.train_loss:.4f}, "
            f"{validation}{record.samples_per_s:.1f} samples/s, "
            f"{self._time_left(trainer, record.epoch)}"
        )

    def _time_left(self, trainer: pl.Trainer, epochs_done: float) -> str:
        spent_s = self._clock() - self._start_s
        per_epoch_s = spent_s / max(epochs_done - self._first_epoch, 1e-9)
        epochs_left = (trainer.max_epochs or 0) - epochs_done
        return f"{_duration(epochs_left * per_epoch_s)} left"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
