"""The raw products are rendered once, and stacked once."""

from __future__ import annotations

import pytest
from raw_glacier import RawGlacier, Stacked, make_raw_glacier

from ssl4sar.stack.scenes import stack_scenes


@pytest.fixture(scope="session")
def raw_glacier(tmp_path_factory: pytest.TempPathFactory) -> RawGlacier:
    return make_raw_glacier(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def stacked(raw_glacier: RawGlacier, tmp_path_factory: pytest.TempPathFactory) -> Stacked:
    record = tmp_path_factory.mktemp("stack") / "stack.json"
    stack = stack_scenes(
        raw_glacier.scenes, "Synthetic01", raw_glacier.grid, raw_glacier.elevation, record
    )
    return Stacked(raw_glacier, stack, record)
