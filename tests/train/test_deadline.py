"""A training stops while its last epoch is safe, not when the cluster kills it."""

from __future__ import annotations

import logging
import subprocess
from datetime import datetime
from types import SimpleNamespace

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.train.deadline import TimeLimit, job_end_s, needed_s
from ssl4sar.train.stopping import StoppedError
from ssl4sar.train.team import ALONE

JOB = {"SLURM_JOB_ID": "12"}


def never_asked(job):
    raise AssertionError("there is no need to ask")


def no_squeue(job):
    raise FileNotFoundError("squeue")


def failing(job):
    raise subprocess.CalledProcessError(1, "squeue")


def end_s(environment, answer=None, runtime_min=30.0):
    ask = answer if callable(answer) else (lambda job: str(answer))
    return job_end_s(runtime_min, environment, ask, clock=lambda: 1000.0)


def test_without_slurm_there_is_no_limit():
    assert end_s({}, never_asked) is None


def test_slurm_tells_the_end_or_is_asked():
    assert end_s({**JOB, "SLURM_JOB_END_TIME": "5000"}, never_asked) == 5000
    when = datetime(2026, 3, 4, 5, 6, 7)
    assert end_s(JOB, f"{when.isoformat()}\n") == when.timestamp()


@pytest.mark.parametrize("answer", ["NONE", "N/A", "Unknown"])
def test_a_job_without_limit(answer):
    assert end_s(JOB, answer) is None


@pytest.mark.parametrize("answer", [no_squeue, failing, "", "slurm_load_jobs error"])
def test_where_slurm_does_not_answer_the_limit_of_the_rule_counts(answer):
    assert end_s(JOB, answer) == 1000 + 30 * 60
    assert end_s(JOB, answer, runtime_min=None) is None


class Training:
    """Calls the hooks as Lightning does, with epochs of given durations."""

    def __init__(self, limit_s, epochs=10, batches=100, first_epoch=0):
        self.now_s = 0.0
        self.limit = TimeLimit(limit_s, ALONE, clock=lambda: self.now_s)
        self.trainer = SimpleNamespace(
            current_epoch=first_epoch, max_epochs=epochs, num_training_batches=batches
        )

    def epoch(self, duration_s, validation_s=0.0):
        self.limit.on_train_epoch_start(self.trainer, None)
        for batch in range(self.trainer.num_training_batches):
            self.now_s += (duration_s - validation_s) / self.trainer.num_training_batches
            self.limit.on_train_batch_end(self.trainer, None, None, None, batch)
        self.now_s += validation_s
        self.trainer.current_epoch += 1


def test_the_next_epoch_begins_only_where_the_longest_would_fit():
    assert needed_s(1000) == 1260
    training = Training(limit_s=2000 + 1000 + 1260 - 1)
    training.epoch(1000)
    training.epoch(2000, validation_s=500)
    with pytest.raises(StoppedError) as caught:
        training.epoch(1000)
    assert str(caught.value) == (
        "training: stopped after epoch 2 of 10, 21 min before the time limit; "
        "the next attempt goes on there"
    )


def test_time_that_is_just_enough_is_used():
    training = Training(limit_s=2 * 1000 + 1260)
    for _ in range(3):
        training.epoch(1000)
    with pytest.raises(StoppedError, match=r"after epoch 3 of 10, 4\.3 min before"):
        training.epoch(1000)


def test_the_count_of_a_resumed_training_goes_on():
    training = Training(limit_s=1500, first_epoch=6)
    training.epoch(1000)
    with pytest.raises(StoppedError, match="after epoch 7 of 10"):
        training.epoch(1000)


def test_an_epoch_that_cannot_fit_is_told_early_and_named_at_the_end(caplog):
    training = Training(limit_s=600)
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        with pytest.raises(UserError) as caught:
            training.epoch(6000)
    told = str(caught.value)
    assert "no epoch was finished, one takes about 100 min" in told
    assert "raise the resource `runtime`" in told
    assert "starts anew" in told
    warnings = [r.message for r in caplog.records if "probably be lost" in r.message]
    assert len(warnings) == 1
    assert "an epoch takes about 100 min" in warnings[0]


def test_an_epoch_that_turns_slow_ends_before_the_job_does():
    training = Training(limit_s=3000)
    training.epoch(500)
    with pytest.raises(UserError, match=r"epoch 2 of 10 is slower .* after epoch 1$"):
        training.epoch(5000)
    assert training.now_s < 3000
