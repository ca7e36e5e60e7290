"""Order, processes and errors of work on many things."""

from __future__ import annotations

import math
import os

import pytest

from ssl4sar.core.processes import in_processes


def process_of(_: int) -> int:
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    jobs = list(range(20, 0, -1))
    assert list(in_processes(math.factorial, jobs, workers, "multiplying")) == [
        math.factorial(job) for job in jobs
    ]


def test_one_worker_is_this_process() -> None:
    assert set(in_processes(os.getpgid, [0, 0], 1, "asking")) == {os.getpgid(0)}
    assert list(in_processes(abs, [], 2, "asking")) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_comes_through(workers: int) -> None:
    with pytest.raises(ValueError, match="not defined for negative"):
        list(in_processes(math.factorial, [1, -1, 2], workers, "multiplying"))
