"""Ending a training on a signal: one line, nothing half-written.

SLURM sends SIGTERM at the time limit, before preemption and on ``scancel``, half a minute before
it kills; ``sbatch --signal=USR1@300`` sends SIGUSR1 earlier.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from ssl4sar.core.errors import UserError

SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1)


class StoppedError(UserError):
    """A training was ended from outside, not by a mistake."""


class StopSignal(BaseException):
    """Raised where the process is; no ``except Exception`` of a library may swallow it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class StopSignals:
    """Turns the first of SIGTERM and SIGUSR1 into an error that a person can read."""

    def __init__(self) -> None:
        self._received: str | None = None
        self._process = os.getpid()

    @contextmanager
    def raised_as(self, error: Callable[[str], StoppedError]) -> Iterator[None]:
        """Within the block, in the main thread, a signal ends the work.

        Raises:
            StoppedError: a signal came.
        """
        before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            self.listen()
            yield
        except BaseException as problem:
            # What else fails after a signal follows from it, e.g. a loader process that got it too.
            if self._received is None or isinstance(problem, UserError):
                raise
            raise error(self._received) from problem
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Take over the signals, also from Lightning, which would ask the other processes."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if os.getpid() != self._process:  # a loader process: it ends with its training
            return
        if self._received is None:
            self._received = signal.Signals(number).name
            raise StopSignal(number)


def stopped_by(signal_name: str, epochs_done: int, epochs: int) -> StoppedError:
    """Return the error of a training that a signal ended.

    Args:
        signal_name: name of the signal.
        epochs_done: finished epochs, of earlier attempts too.
        epochs: epochs of the whole training.
    """
    resumes = f"resumes after epoch {epochs_done}" if epochs_done else "starts again"
    return StoppedError(
        "training",
        f"ended by {signal_name} (time limit, preemption or scancel) after {epochs_done} of "
        f"{epochs} epochs, the running epoch is lost",
        f"the next attempt {resumes}",
    )
