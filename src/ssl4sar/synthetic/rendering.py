"""Render many images, one after another or in several processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from ssl4sar.core.progress import track

Job = TypeVar("Job")


def render_all(render: Callable[[Job], None], jobs: Sequence[Job], workers: int, told: str) -> None:
    """Call ``render`` with every job and show the progress.

    Args:
        render: function of a module, which processes can import; what it writes must not depend
            on other jobs.
        jobs: picklable, those that share a world beside each other: each process builds the
            worlds that it needs.
        workers: processes; 1 renders in this one.
        told: what the progress is called.
    """
    if workers == 1:
        for job in track(jobs, told):
            render(job)
        return
    chunk = max(1, math.ceil(len(jobs) / (4 * workers)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = pool.map(render, jobs, chunksize=chunk)
        for _ in track(done, told, total=len(jobs)):
            pass
