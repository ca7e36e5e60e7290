"""docs/extending.md is true: its files and diffs fit today's tree, and the result works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PAGE = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
#: A block of the page: a whole file has its path in the text before it.
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NAMED = re.compile(r"`((?:src|workflow|tests)/[\w/.]+)`")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after every change of the page."""
    root = tmp_path_factory.mktemp("extended")
    for part in ("src", "workflow", "tests", "config"):
        shutil.copytree(PROJECT / part, root / part, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(PROJECT / "pyproject.toml", root)
    for block in BLOCK.finditer(PAGE):
        kind, text = block[1], block[2]
        if kind == "diff":
            (root / "change.diff").write_text(text, encoding="utf-8")
            subprocess.run(
                ["git", "apply", "-C1", "--verbose", "change.diff"],
                cwd=root,
                # The copy may be below a checkout, which is not what is changed.
                env={**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)},
                check=True,
            )
        elif kind == "python":
            path = root / NAMED.findall(PAGE[: block.start()])[-1]
            assert not path.exists(), f"the page would replace {path}"
            path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.slow
def test_the_four_additions_pass_their_tests(extended: Path) -> None:
    tests = dict.fromkeys(re.findall(r"`(tests/\w+/[\w/]+\.py)`", PAGE))
    chosen = "stack or zips or 60_m_long or specificity"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", chosen, *tests],
        cwd=extended,
        env={**os.environ, "PYTHONPATH": str(extended / "src")},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_row_of_the_page_is_a_configuration(extended: Path) -> None:
    row = re.search(r"```yaml\n(name: toy\n.*?)```", PAGE, re.DOTALL)
    assert row
    (extended / "toy.yaml").write_text(row[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ssl4sar.cli", "config", "show", "toy.yaml"],
        cwd=extended,
        env={**os.environ, "PYTHONPATH": str(extended / "src")},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "name: plain_stack" in done.stdout, done.stderr
