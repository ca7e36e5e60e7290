"""A training stops while its last epoch is safe, not when the cluster kills it."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from torch import nn

from ssl4sar.config.pretext import OptTranslatorConfig
from ssl4sar.core.errors import UserError
from ssl4sar.train.loop.deadline import TimeLimit, expected_s, needed_s
from ssl4sar.train.loop.module import EpochRecord, TrainingModule
from ssl4sar.train.operations.stopping import StoppedError
from ssl4sar.train.operations.team import ALONE
from ssl4sar.train.pretext.pretrain_module import PretextScore

SCORE = PretextScore(0.5, 6)


class Training(TrainingModule):
    """Calls the hooks as Lightning does, with epochs of given durations."""

    def __init__(self, limit_s, epochs=10, batches=100, records=(), validate_every=1):
        recipe = OptTranslatorConfig(epochs=epochs, validate_every_epochs=validate_every)
        super().__init__(nn.Linear(1, 1), config=recipe, seed=1, block="opttranslator")
        self.now_s = 0.0
        self.records = list(records)
        self.limit = TimeLimit(limit_s, ALONE, lambda: self.records, clock=lambda: self.now_s)
        self.told = SimpleNamespace(
            current_epoch=len(self.records), max_epochs=epochs, num_training_batches=batches
        )

    @property
    def current_epoch(self):
        return self.told.current_epoch

    def sample_losses(self, batch):
        raise NotImplementedError

    def score(self, network):
        raise NotImplementedError

    def epoch(self, duration_s, validation_s=0.0, writing_s=0.0):
        self.limit.on_train_epoch_start(self.told, self)
        for batch in range(self.told.num_training_batches):
            self.now_s += duration_s / self.told.num_training_batches
            self.limit.on_train_batch_end(self.told, self, None, None, batch)
        validation_s = validation_s if self.validation_is_due else 0
        self.records.append(record(duration_s + validation_s, self.validation_is_due))
        self.now_s += validation_s + writing_s
        self.told.current_epoch += 1


def record(duration_s, validated=True):
    return EpochRecord(1, 1, 1.0, 1.0, 1.0, duration_s, SCORE if validated else None)


def test_the_next_epoch_begins_only_where_the_longest_would_fit():
    assert needed_s(1000) == 1260
    training = Training(limit_s=2000 + 1000 + needed_s(2000) - 1)
    training.epoch(1000)
    training.epoch(1500, validation_s=500)
    with pytest.raises(StoppedError) as caught:
        training.epoch(1000)
    assert str(caught.value) == (
        "training: stopped after epoch 2 of 10, 41 min before the time limit; "
        "the next attempt resumes there"
    )


def test_the_count_of_a_resumed_training_resumes():
    training = Training(limit_s=1500, records=[record(900)] * 6)
    training.epoch(1000)
    with pytest.raises(StoppedError, match="after epoch 7 of 10"):
        training.epoch(1000)


@pytest.mark.parametrize("resumed", [False, True])
def test_an_epoch_that_cannot_fit_is_reported_early_and_named_at_the_end(caplog, resumed):
    training = Training(limit_s=600, records=[record(50)] if resumed else [])
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        with pytest.raises(UserError) as caught:
            training.epoch(6000)
    told = str(caught.value)
    assert "no epoch was finished, one takes about 100 min" in told
    assert "raise the resource `runtime`" in told
    assert ("resumes after epoch 1" if resumed else "starts again") in told
    warnings = [r.message for r in caplog.records if "probably be lost" in r.message]
    assert len(warnings) == 1
    assert "an epoch takes about 100 min" in warnings[0]


def test_an_epoch_that_turns_slow_ends_before_the_job_does():
    training = Training(limit_s=3000)
    training.epoch(500)
    with pytest.raises(UserError, match=r"epoch 2 of 10 is slower .* after epoch 1$"):
        training.epoch(5000)
    assert training.now_s < 3000


def test_an_epoch_with_validation_needs_its_time():
    """Four epochs of 300 s, then one of 800 s, in a job that has 700 s left for it."""
    training = Training(limit_s=1900, validate_every=5, records=[record(800)])
    training.told.current_epoch = 5
    for _ in range(4):
        training.epoch(300, validation_s=500)
    with pytest.raises(StoppedError, match="after epoch 9 of 10, 12 min"):
        training.epoch(300, validation_s=500)


def test_the_first_epoch_of_a_job_begins_with_a_word(caplog):
    """Earlier epochs may be those of a slower machine; a stop would come back in every job."""
    training = Training(limit_s=3000, records=[record(9000)])
    with caplog.at_level(logging.INFO, logger="ssl4sar"):
        training.epoch(1000)
        training.epoch(1000)
    warnings = [r.message for r in caplog.records if "probably be lost" in r.message]
    assert warnings == [
        "an epoch takes about 150 min, but the job ends in 50 min: this epoch will probably be lost"
    ]


def test_writing_takes_time_too():
    training = Training(limit_s=1000 + 900 + needed_s(1000))
    training.epoch(1000, writing_s=900)
    with pytest.raises(StoppedError):
        training.epoch(1000)


def test_the_nearest_of_kin_says_how_long_an_epoch_takes():
    earlier, own = [record(900), record(500, False)], [record(90), record(50, False)]
    assert expected_s([], 0, validates=True) is None
    for validates, expected in ((True, 90), (False, 50)):
        assert expected_s([*earlier, *own], 2, validates=validates) == expected
    assert expected_s([*earlier, own[1]], 2, validates=True) == 900
    assert expected_s([earlier[1], own[1]], 1, validates=True) == 50
    assert expected_s([earlier[1]], 1, validates=True) == 500
