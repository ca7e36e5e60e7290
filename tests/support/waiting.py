"""Waiting for what another process or thread should bring about: short, and with a name."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    holds: Callable[[], object], what: str, timeout_s: float = 120, poll_s: float = 0.2
) -> None:
    """Wait for a condition.

    Args:
        holds: returns whether it is true by now.
        what: is waited for, for the reader of a failure.
        timeout_s: how long at most.
        poll_s: pause between two looks.

    Raises:
        TimeoutError: it did not come true.
    """
    end_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(poll_s)
