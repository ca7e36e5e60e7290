"""A private copy of the project in which Snakemake runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_copy import House, copy_project


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A fresh copy of the project without results."""
    return copy_project(tmp_path / "house")
