"""Shared fixtures: where the real test data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder with real data and golden cases; skips where it is missing."""
    folder = Path(os.environ.get("SSL4SAR_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set SSL4SAR_TEST_DATA to the data folder")
    return folder
