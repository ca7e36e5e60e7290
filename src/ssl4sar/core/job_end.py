"""When the job that runs this process will be ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from ssl4sar.core.errors import UserError

JOB_END_VARIABLE: Final = "SSL4SAR_JOB_END"
#: Start of this process, seconds since 1970; scripts import this module before heavier ones.
_STARTED_S: Final = time.time()
_ASK_TIMEOUT_S: Final = 30.0


def job_end_s(
    runtime_min: float | None,
    max_time_min: float | None = None,
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[str], str] | None = None,
    started_s: float = _STARTED_S,
) -> float | None:
    """Return when this job will be ended, seconds since 1970; None where nothing is known to.

    The earliest limit that is known counts: those of the user, and under SLURM that of the job.
    The variable SSL4SAR_JOB_END gives an absolute time, seconds since 1970, for queues that give
    one job to several trainings or tries.

    Newer versions of SLURM give it in a variable; of others it is asked; where that fails, the
    limit that the job was submitted with counts from the start of this process.

    Args:
        runtime_min: time limit that a SLURM job was submitted with, minutes, if known.
        max_time_min: the user's limit, minutes from the start of this process; None: none.
        environment: variables of the job.
        ask: returns the end of a job by its number, as ``squeue`` prints it; for tests.
        started_s: start of this process, seconds since 1970; for tests.

    Raises:
        UserError: SSL4SAR_JOB_END is not a time.
    """
    own_s = None if max_time_min is None else started_s + 60 * max_time_min
    slurm_s = _slurm_end_s(runtime_min, environment, ask or _ask_squeue, started_s)
    ends_s = (own_s, _user_end_s(environment), slurm_s)
    return min((end_s for end_s in ends_s if end_s is not None), default=None)


def _user_end_s(environment: Mapping[str, str]) -> float | None:
    given = environment.get(JOB_END_VARIABLE)
    if not given:
        return None
    if not given.isdigit():
        raise UserError(
            JOB_END_VARIABLE,
            f"{given!r} is not a time in whole seconds since 1970",
            "see `date +%s`",
        )
    return float(given)


def _slurm_end_s(
    runtime_min: float | None,
    environment: Mapping[str, str],
    ask: Callable[[str], str],
    started_s: float,
) -> float | None:
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return None
    given = environment.get("SLURM_JOB_END_TIME", "")
    if given.isdigit() and int(given) > 0:
        return float(given)
    try:
        answer = ask(job).strip()
    except (OSError, subprocess.SubprocessError):
        answer = ""
    if answer in {"NONE", "N/A", "Unknown"}:
        return None
    try:
        return datetime.fromisoformat(answer).timestamp()
    except ValueError:
        return None if runtime_min is None else started_s + 60 * runtime_min


def _ask_squeue(job: str) -> str:
    return subprocess.run(
        ["squeue", "--noheader", "--jobs", job, "--format", "%e"],
        env={**os.environ, "SLURM_TIME_FORMAT": "standard"},
        capture_output=True,
        text=True,
        timeout=_ASK_TIMEOUT_S,
        check=True,
    ).stdout
