"""The container recipe: sections, files, versions and shell are right before anyone builds it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
RECIPE = PROJECT / "containers" / "ssl4sar.def"
#: Sections of an Apptainer definition file (its user guide, "Definition Files").
SHELL_SECTIONS = {"pre", "setup", "post", "environment", "runscript", "startscript", "test"}
SECTIONS = SHELL_SECTIONS | {"arguments", "files", "labels", "help"}
#: The headers, then name and body of every section.
HEAD, *PARTS = re.split(r"^%(.+)\n", RECIPE.read_text(encoding="utf-8"), flags=re.MULTILINE)
HEADER = dict(re.findall(r"^(\w+): (\S+)$", HEAD, re.MULTILINE))
BODY = {name: body.splitlines() for name, body in zip(PARTS[::2], PARTS[1::2], strict=True)}


def files() -> dict[str, str]:
    """Return source and target of every line of ``%files``."""
    pairs = [line.split() for line in BODY["files"] if line.strip()]
    assert all(len(pair) == 2 for pair in pairs)
    return dict(pairs)  # type: ignore[arg-type]


def test_the_recipe_has_what_a_user_needs() -> None:
    assert HEADER.keys() == {"Bootstrap", "From"}
    assert BODY.keys() <= SECTIONS
    assert len(BODY) == len(PARTS) / 2, "a section is repeated"
    assert {"post", "files", "labels", "help", "environment", "runscript", "test"} <= BODY.keys()
    assert all("".join(lines).strip() for lines in BODY.values())


def test_the_base_image_is_pinned_and_its_python_is_supported() -> None:
    assert HEADER["Bootstrap"] == "docker"
    image = re.fullmatch(r"python:(\d+\.\d+)-slim-(\w+)", HEADER["From"])
    assert image is not None
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Programming Language :: Python :: {image[1]}" in project["classifiers"]


def test_labels_agree_with_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    labels = dict(line.split(maxsplit=1) for line in BODY["labels"] if line.strip())
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.title"] == project["name"]


def test_files_exist_and_keep_their_place() -> None:
    for source, target in files().items():
        assert (PROJECT / source).exists(), source
        assert not (PROJECT / source).is_symlink(), f"{source}: links are copied as what they name"
        assert target == f"/opt/ssl4sar/{source}"


@pytest.mark.parametrize("section", sorted(SHELL_SECTIONS & BODY.keys()))
def test_shell_sections_are_valid(section: str) -> None:
    script = "\n".join(BODY[section])
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if section in {"post", "test"}:
        assert "set -eu" in script, "a failing command must fail the build"


@pytest.mark.slow
def test_the_files_of_the_image_are_enough_to_plan_a_run_from_another_folder(
    tmp_path: Path,
) -> None:
    home = tmp_path / "opt"
    for source in files():
        place = home / source
        if (PROJECT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / source, place, ignore=ignored)
        else:
            home.mkdir(exist_ok=True)
            shutil.copy2(PROJECT / source, place)
    link = re.search(r"ln -sfn (\S+) /opt/ssl4sar/(\S+)", "\n".join(BODY["post"]))
    assert link is not None
    (home / link[2]).symlink_to(link[1])
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(home / "Snakefile")]
    done = subprocess.run(
        [*command, "--cores", "1", "--dry-run"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    assert "caffe_mde" in text
    assert "profiles/default" in text, "the default profile is not found"
