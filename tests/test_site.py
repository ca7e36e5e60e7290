"""The documentation site builds without a warning and loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SITE_INSTALLED = all(importlib.util.find_spec(name) for name in ("material", "mkdocstrings"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SITE_INSTALLED, reason="needs the extra: pip install -e '.[docs]'"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a dead link or a page that the navigation lacks ends the build."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return folder


def test_documents_outside_the_folder_are_pages(site: Path) -> None:
    configuration = (site / "config" / "index.html").read_text(encoding="utf-8")
    assert 'href="../acquisition.html"' in configuration
    assert (site / "config" / "acquisition.yaml").is_file(), "a file that a page links to"


def test_the_reference_has_public_functions_only(site: Path) -> None:
    names = re.findall(r'id="(ssl4sar\.[\w.]+)"', (site / "api.html").read_text(encoding="utf-8"))
    assert "ssl4sar.core.errors.UserError" in names
    assert len(names) > 50
    assert [name for name in names if "._" in name] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = r"""<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']+"""
    for page in site.rglob("*.html"):
        assert re.findall(loaded, page.read_text(encoding="utf-8")) == [], page
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8"), style
