"""Order, processes and errors of work on many things."""

from __future__ import annotations

import math

import pytest

from ssl4sar.core.processes import in_processes


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    jobs = list(range(20, 0, -1))
    assert list(in_processes(math.factorial, jobs, workers, "multiplying")) == [
        math.factorial(job) for job in jobs
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_job_comes_through(workers: int) -> None:
    with pytest.raises(ValueError, match="not defined for negative"):
        list(in_processes(math.factorial, [1, -1, 2], workers, "multiplying"))
