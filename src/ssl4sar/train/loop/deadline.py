"""Stopping before the time limit of a cluster job, where the work of an epoch would be lost.

After each epoch, which is where a training can resume, the time left is compared with what epochs
like the next one, validated or not, took at most. The stop is an error of the job, so that the
workflow submits it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from ssl4sar.core.errors import UserError
from ssl4sar.core.progress import log
from ssl4sar.train.loop.module import EpochRecord, TrainingModule
from ssl4sar.train.operations.stopping import StoppedError
from ssl4sar.train.operations.team import Team

#: An epoch may take this much longer than the longest one of its kind before.
_SPREAD: Final = 0.2
#: Time for the final writes.
_WRITING_S: Final = 60.0
#: Share of an epoch after which its duration is estimated.
_ESTIMATE_AFTER: Final = 0.05


def needed_s(epoch_s: float) -> float:
    """Return the time that must be left to begin another epoch.

    Args:
        epoch_s: how long such an epoch has taken at most, with validation and writes.
    """
    return (1 + _SPREAD) * epoch_s + _WRITING_S


def expected_s(
    records: Sequence[EpochRecord], first_of_job: int, *, validates: bool
) -> float | None:
    """Return how long the next epoch takes at most by those before; None: there are none.

    Epochs of this job go before earlier ones, which other devices may have computed, and epochs
    that were validated as the next one is, or not, before others.

    Args:
        records: the epochs so far.
        first_of_job: number of epochs that earlier jobs have done.
        validates: whether the next epoch is validated.
    """

    def alike(some: Sequence[EpochRecord]) -> list[EpochRecord]:
        return [record for record in some if (record.validation is not None) == validates]

    choices = (alike(records[first_of_job:]), alike(records), records[first_of_job:], records)
    chosen = next((choice for choice in choices if choice), ())
    return max((record.duration_s for record in chosen), default=None)


class TimeLimit(Callback):
    """Stops a training that would not finish its next epoch in time.

    The first epoch of a job always begins: a stop would repeat itself in every further job.

    Args:
        end_s: when the job ends, seconds since 1970.
        team: the processes that share the training; its leader looks at the clock.
        records: returns the epochs so far, those of earlier jobs too.
        clock: seconds since 1970, for tests.
    """

    def __init__(
        self,
        end_s: float,
        team: Team,
        records: Callable[[], Sequence[EpochRecord]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._end_s = end_s
        self._team = team
        self._records = records
        self._clock = clock
        self._first_epoch = 0
        self._epoch_start_s: float | None = None
        #: Longest time that pictures and the state of an epoch have taken, beyond its record.
        self._writing_s = 0.0
        self._warned = False

    @property
    def _left_s(self) -> float:
        return self._end_s - self._clock()

    @property
    def _is_first(self) -> bool:
        """Whether this job has not finished an epoch yet."""
        return len(self._records()) == self._first_epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where the time left is too short; the epoch before is safe on disk by now.

        Raises:
            StoppedError: the training stops.
        """
        now_s, records = self._clock(), self._records()
        first = self._epoch_start_s is None
        if self._epoch_start_s is None:
            self._first_epoch = len(records)
        else:
            passed_s = now_s - self._epoch_start_s
            self._writing_s = max(self._writing_s, passed_s - records[-1].duration_s)
        self._epoch_start_s = now_s
        if not isinstance(pl_module, TrainingModule):
            raise TypeError("TimeLimit needs a TrainingModule")
        epoch_s = expected_s(records, self._first_epoch, validates=pl_module.validation_is_due)
        if epoch_s is None:
            return
        if first:
            if self._team.leads and self._left_s < epoch_s:
                self._warn(epoch_s)
            return
        left_s, stops = self._team.agree(
            lambda: (
                self._end_s - now_s,
                self._end_s - now_s < needed_s(epoch_s + self._writing_s),
            )
        )
        if stops:
            raise StoppedError(
                "training",
                f"stopped after epoch {trainer.current_epoch} of {trainer.max_epochs}, "
                f"{_minutes(left_s)} before the time limit",
                "the next attempt resumes there",
            )

    def _warn(self, epoch_s: float) -> None:
        self._warned = True
        log(
            f"an epoch takes about {_minutes(epoch_s)}, but the job ends in "
            f"{_minutes(self._left_s)}: this epoch will probably be lost"
        )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Warn where the first epoch does not fit, and end one that meets the limit.

        Raises:
            UserError: the limit is near; raised by the leader, whose end is the end of all.
        """
        if not self._team.leads or self._epoch_start_s is None:
            return
        done = (batch_idx + 1) / max(int(trainer.num_training_batches), 1)
        epoch_s = (self._clock() - self._epoch_start_s) / done
        if self._left_s < _WRITING_S and done < 1:
            raise self._lost_epoch(trainer, epoch_s)
        estimated = self._is_first and done >= _ESTIMATE_AFTER
        if estimated and not self._warned and (1 - done) * epoch_s > self._left_s:
            self._warn(epoch_s)

    def _lost_epoch(self, trainer: pl.Trainer, epoch_s: float) -> UserError:
        done = trainer.current_epoch
        resumes = f"resumes after epoch {done}" if done else "starts again"
        if self._is_first:
            return UserError(
                "training",
                f"the time limit is too short: no epoch was finished, one takes about "
                f"{_minutes(epoch_s)}",
                "raise the resource `runtime` of the rule, or compute.max_time_min if it is set; "
                f"the next attempt {resumes}",
            )
        return UserError(
            "training",
            f"epoch {done + 1} of {trainer.max_epochs} is slower than those before and met the "
            "time limit, its work is lost",
            f"the next attempt {resumes}",
        )


def _minutes(seconds: float) -> str:
    return (
        f"{max(seconds, 0) / 60:.0f} min" if seconds >= 600 else f"{max(seconds, 0) / 60:.1f} min"
    )
