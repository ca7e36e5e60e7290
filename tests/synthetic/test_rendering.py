"""Rendering in one and in several processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from ssl4sar.synthetic.rendering import render_all


def fail(number: int) -> None:
    """Stand for a renderer without a disk."""
    raise OSError(f"no room for {number}")


def test_several_processes_write_the_same_files(tmp_path: Path) -> None:
    # A function of the standard library, which fresh processes can import.
    names = [tmp_path / str(number) for number in range(9)]
    render_all(partial(Path.write_text, data="same"), names, 2, "files")
    assert sorted(tmp_path.iterdir()) == sorted(names)
    assert {path.read_text() for path in names} == {"same"}


def test_errors_of_a_job_arrive() -> None:
    with pytest.raises(OSError, match="no room for 0"):
        render_all(fail, [0, 1], 1, "numbers")
    with pytest.raises(FileNotFoundError):
        render_all(Path.read_text, [Path("/missing/file")], 2, "files")
