"""Signals end the work with one line, and only once."""

from __future__ import annotations

import os
import signal

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.train.operations.stopping import SIGNALS, StoppedError, StopSignals, stopped_by


def told(name):
    return stopped_by(name, 3, 10)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_becomes_one_line_and_the_handlers_come_back(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(StoppedError) as caught, StopSignals().raised_as(told):
        os.kill(os.getpid(), number)
    text = str(caught.value)
    assert signal.Signals(number).name in text
    assert "after 3 of 10 epochs" in text
    assert "resumes after epoch 3" in text
    assert "\n" not in text
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_nobody_swallows_the_stop_and_a_second_signal_does_not_disturb_the_end():
    with pytest.raises(StoppedError), StopSignals().raised_as(told):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            pytest.fail("the stop is no ordinary error")
        finally:
            os.kill(os.getpid(), signal.SIGUSR1)


def test_what_fails_because_of_the_signal_is_reported_as_the_signal():
    with pytest.raises(StoppedError), StopSignals().raised_as(told):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise RuntimeError("a loader process was terminated")


@pytest.mark.parametrize("error", [ValueError("x"), UserError("a", "b", "c")])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, StopSignals().raised_as(told):
        raise error
    assert caught.value is error


def test_the_inner_line_is_the_one_that_is_reported():
    def less_precise(name):
        return StoppedError("training", name, "nothing")

    with pytest.raises(StoppedError, match="3 of 10"), StopSignals().raised_as(less_precise):
        with StopSignals().raised_as(told):
            os.kill(os.getpid(), signal.SIGTERM)
