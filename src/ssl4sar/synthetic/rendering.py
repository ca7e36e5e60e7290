"""Render many images, one after another or in several processes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from ssl4sar.core.processes import in_processes

Plan = TypeVar("Plan")


def render_all(
    render: Callable[[Plan], None], plans: Sequence[Plan], workers: int, what: str
) -> None:
    """Call ``render`` with every plan and show the progress.

    Args:
        render: function of a module, which processes can import; what it writes must not depend
            on other plans.
        plans: picklable, those that share a world beside each other: each process builds the
            worlds that it needs.
        workers: processes; 1 renders in this one.
        what: the images, for lines of progress.
    """
    chunk = max(1, math.ceil(len(plans) / (4 * workers)))
    done = in_processes(render, plans, workers, f"rendering synthetic {what}", chunk)
    deque(done, maxlen=0)
