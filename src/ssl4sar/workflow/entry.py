"""How the Snakefile comes to its study: run by itself, or as a module of another workflow."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssl4sar.config.loading import read_config, require_small_config, study_from
from ssl4sar.config.schema import annotated
from ssl4sar.core.atomic import write_text
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.study import (
    Study,
    default_config,
    open_study,
    require_usable_python,
    share_sources,
)

#: Folders in which the workflow reads and writes, seen from where Snakemake runs.
_FOLDERS: Final = ("benchmarks", "data", "logs", "resources", "results", "runs")


def study_of(workflow: Any, config: Mapping[str, Any], base: Path) -> Study:
    """Return the study that Snakemake, or a workflow around this one, asks for.

    Raises:
        UserError: a wrong key or value, or a Python or module that cannot be used.
    """
    share_sources(base)
    require_usable_python(
        sys.executable,
        in_environments=bool(workflow.deployment_settings.deployment_method),
    )
    modifier = workflow.modifier
    if modifier.is_main_snakefile():
        study = _own_study(workflow, config, base)
    else:
        _require_own_paths(modifier)
        study = _study_of_module(modifier.namespace, config, base)
    study.acquisition.follow(workflow, modifier.modify_rulename)
    return study


def _own_study(workflow: Any, config: Mapping[str, Any], base: Path) -> Study:
    # One file is one complete run: a file on the command line replaces the default, nothing merges.
    files = workflow.overwrite_configfiles
    for file in files:
        read_config(file)  # what Snakemake has read by now passes over a key that is there twice
    return open_study(
        config if files else default_config(base, config),
        files=files,
        command_line=workflow.config_settings.config,
        base=base,
    )


def _study_of_module(name: str, config: Mapping[str, Any], base: Path) -> Study:
    """Return the study of a module; without a configuration that of the embedded default.

    What the module was given is in no file that an audit could read, so it becomes one.
    """
    origin = f"config of the module {name}"
    require_small_config(config, origin)
    values = study_from(config or default_config(base, {}), origin)
    file = Path("runs") / values.name / "config.yaml"
    text = annotated(values)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
    return open_study(values.model_dump(mode="json"), files=[file], command_line={}, base=base)


def _require_own_paths(modifier: Any) -> None:
    moved = [
        folder
        for folder in _FOLDERS
        if modifier.path_modifier.replace_prefix(f"{folder}/") != f"{folder}/"
    ]
    if moved:
        raise UserError(
            f"module {modifier.namespace}",
            f"prefix or replace_prefix would move {', '.join(moved)} in the rules, but not where "
            "jobs look for inventories and states of trainings",
            "leave it out: the name of the run keeps its files apart, and snakemake --directory "
            "moves all of them",
        )
