from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

from ssl4sar.version import VERSION

PROJECT = Path(__file__).resolve().parents[1]


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert VERSION == project["version"] == citation["version"]
