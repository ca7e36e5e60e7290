"""The earliest of the limits that are known: SLURM's and one's own."""

from __future__ import annotations

import subprocess
from datetime import datetime

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.job_end import job_end_s

JOB = {"SLURM_JOB_ID": "12"}


def never_asked(job):
    raise AssertionError("there is no need to ask")


def no_squeue(job):
    raise FileNotFoundError("squeue")


def failing(job):
    raise subprocess.CalledProcessError(1, "squeue")


def end_s(environment, answer=None, runtime_min=30.0, max_time_min=None):
    ask = answer if callable(answer) else (lambda job: str(answer))
    return job_end_s(runtime_min, max_time_min, environment, ask, started_s=1000.0)


def test_without_slurm_and_a_limit_of_ones_own_there_is_none():
    assert end_s({}, never_asked) is None


def test_slurm_tells_the_end_or_is_asked():
    assert end_s({**JOB, "SLURM_JOB_END_TIME": "5000"}, never_asked) == 5000
    when = datetime(2026, 3, 4, 5, 6, 7)
    assert end_s(JOB, f"{when.isoformat()}\n") == when.timestamp()


@pytest.mark.parametrize("answer", [no_squeue, failing, "", "slurm_load_jobs error"])
def test_where_slurm_does_not_answer_the_limit_of_the_rule_counts(answer):
    assert end_s(JOB, answer) == 1000 + 30 * 60
    assert end_s(JOB, answer, runtime_min=None) is None


def test_a_given_time_counts_without_any_queue():
    assert end_s({"SSL4SAR_JOB_END": "5000"}, never_asked) == 5000
    assert end_s({**JOB, "SSL4SAR_JOB_END": "5000", "SLURM_JOB_END_TIME": "4000"}) == 4000
    assert end_s({"SSL4SAR_JOB_END": ""}, never_asked) is None


@pytest.mark.parametrize("told", ["soon", "-1", "1.5", "2026-01-01"])
def test_what_is_not_a_time_is_reported(told):
    with pytest.raises(UserError, match=r"^SSL4SAR_JOB_END: .*seconds since 1970"):
        end_s({"SSL4SAR_JOB_END": told}, never_asked)


def test_the_earliest_limit_counts():
    told = {**JOB, "SLURM_JOB_END_TIME": "5000"}
    assert end_s(told, max_time_min=20) == 2200
    assert end_s(told, max_time_min=600) == 5000
    assert end_s(JOB, "NONE", max_time_min=20) == 2200
    assert end_s(JOB, no_squeue, max_time_min=600) == 2800
