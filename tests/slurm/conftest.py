"""A running SLURM, and copies of the project that run their jobs there by the shipped profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from micro_study import PROJECT
from one_node_slurm import OneNodeSlurm, Unavailable, one_node_slurm
from project_copy import House, copy_project

#: What a cluster of one node and the patience of a test ask for; the rest is as shipped.
TEST_SETTINGS: dict[str, Any] = {
    "jobs": 4,
    "latency-wait": 20,
    "slurm-status-command": "squeue",
    # Before the first question; `prompt_snakemake` asks every further one after a second.
    "slurm-init-seconds-before-status-checks": 1,
}


@pytest.fixture(scope="session")
def slurm_session() -> Iterator[OneNodeSlurm]:
    try:
        with one_node_slurm() as slurm:
            yield slurm
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def slurm(slurm_session: OneNodeSlurm, tmp_path: Path) -> Iterator[OneNodeSlurm]:
    """The running node; jobs that a test leaves behind are cancelled."""
    yield slurm_session
    slurm_session.hold_new_jobs(False)
    slurm_session.cancel(tmp_path / "house")
    # Shown by pytest where a test failed, and with -rA.
    for job in slurm_session.jobs(tmp_path / "house"):
        print(job)


def with_slurm_profile(house: House, **settings: Any) -> House:
    """Let a copy of the project run by the shipped profile under the settings of the tests."""
    shipped = house.root / "workflow" / "profiles" / "slurm" / "config.yaml"
    profile = {**yaml.safe_load(shipped.read_text(encoding="utf-8")), **TEST_SETTINGS, **settings}
    target = house.root / "slurm_of_tests" / "config.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(profile), encoding="utf-8")
    program = (str(PROJECT / "tests" / "support" / "prompt_snakemake.py"),)
    return replace(house, execution=("--profile", str(target.parent)), program=program)


@pytest.fixture
def house(slurm: OneNodeSlurm, tmp_path: Path) -> House:
    """A fresh copy of the project without results, for SLURM."""
    return with_slurm_profile(copy_project(tmp_path / "house"))


@pytest.fixture
def finished(slurm: OneNodeSlurm, finished_study: House, tmp_path: Path) -> House:
    """A copy of the finished local study, for SLURM."""
    return with_slurm_profile(finished_study.copy(tmp_path / "house"))
