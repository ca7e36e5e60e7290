"""The same work on many things, in several processes, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, TypeVar

from ssl4sar.core.progress import track

J = TypeVar("J")
R = TypeVar("R")
_CHUNK: Final = 4


def in_processes(
    work: Callable[[J], R],
    jobs: Sequence[J],
    workers: int,
    description: str,
    chunk: int = _CHUNK,
) -> Iterator[R]:
    """Yield the result of every job in the order of the jobs, and show how far the work is.

    Pillow holds the interpreter lock while it decodes, so threads would not run side by side.

    Args:
        work: picklable function of one job.
        jobs: picklable arguments.
        workers: processes; with one, all is done in this process.
        description: what is done, e.g. "checking scenes".
        chunk: neighbouring jobs that one process does.
    """
    if workers == 1 or len(jobs) < 2:
        yield from track(map(work, jobs), description, total=len(jobs))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = pool.map(work, jobs, chunksize=chunk)
        yield from track(done, description, total=len(jobs))
