"""A private copy of the project in which Snakemake runs, and one finished run of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from project_copy import House, copy_project


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A fresh copy of the project without results."""
    return copy_project(tmp_path / "house")


@pytest.fixture
def finished(finished_original: House, tmp_path: Path) -> House:
    """A private copy of the finished run, time stamps and Snakemake's records included."""
    shutil.copytree(finished_original.root, tmp_path / "house", symlinks=True)
    return House(tmp_path / "house")
