"""The conda environments of the rules agree with the project and hold what the rules import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from loaded_rules import loaded_rules

from ssl4sar.provenance.digest import source_files

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = sorted((PROJECT / "envs").glob("*.yaml"))
#: Names on conda-forge that differ from those on PyPI.
CONDA_NAMES = {"dask": "dask-core", "matplotlib": "matplotlib-base", "torch": "pytorch"}
#: Modules whose name differs from their package's on conda-forge.
PACKAGES = {
    "PIL": "pillow",
    "dask": "dask-core",
    "matplotlib": "matplotlib-base",
    "skimage": "scikit-image",
    "torch": "pytorch",
    "yaml": "pyyaml",
}
#: Libraries of extras, imported where they are used only; the error there tells how to install one.
OPTIONAL = {"asf_search", "blake3", "pyroSAR", "pystac", "pystac_client", "sentinelsat"}
#: Imported by what runs in the main process only; the scripts of the rules do not reach it.
MAIN_PROCESS = {"snakemake"}


def project() -> dict[str, str]:
    """Return the dependencies of the project by their names on conda-forge, with their bounds."""
    table = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pairs = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?(.*)", line) for line in table["dependencies"]]
    bounds = {CONDA_NAMES.get(m[1], m[1]): m[2] for m in pairs if m}
    return {**bounds, "python": table["requires-python"]}


def environment(path: Path) -> dict[str, str]:
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    pairs = [re.fullmatch(r"([\w-]+) (\S+)", line) for line in lines]
    return {m[1]: m[2] for m in pairs if m}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda p: p.stem)
def test_bounds_are_those_of_the_project(path: Path) -> None:
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    found, wanted = environment(path), project()
    assert len(found) == len(lines), "a line is not understood"
    lowest = {name: bound.split(",")[0] for name, bound in found.items() if name != "pyrosar"}
    assert lowest == {name: wanted.get(name) for name in lowest}


def test_the_environment_of_pyrosar_is_that_of_the_other_engine_and_pyrosar() -> None:
    both = (environment(PROJECT / f"envs/{name}.yaml") for name in ("pyrosar", "data"))
    with_pyrosar, without = both
    assert with_pyrosar.pop("pyrosar")
    assert with_pyrosar == without


def test_together_they_hold_every_dependency() -> None:
    there = set().union(*(environment(path) for path in ENVIRONMENTS))
    assert project().keys() - there == MAIN_PROCESS


def imported(paths: list[Path]) -> set[str]:
    names: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
    return names - set(sys.stdlib_module_names) - {"ssl4sar"}


@pytest.mark.slow
def test_an_environment_holds_what_its_rules_import() -> None:
    lacking = {}
    for name, rule in loaded_rules().items():
        there = environment(Path(rule.basedir) / str(rule.conda_env))
        files = source_files(PROJECT / "workflow/scripts" / f"{name}.py")
        needed = {PACKAGES.get(each, each) for each in imported(list(files.values()))}
        lacking[name] = needed - there.keys() - OPTIONAL
    assert {name: packages for name, packages in lacking.items() if packages} == {}
