"""Telling what this installation can use, for people and for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from ssl4sar.acquire.backends import Backend, find_backends
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.printing import console as safe_console

SCHEMA: Final = "ssl4sar.doctor/1"
DEFAULT_CONFIG: Final = Path("config/config.yaml")
_WIDTH_WITHOUT_TERMINAL: Final = 160


def doctor(config_file: Path | None, *, as_json: bool) -> bool:
    """Print every backend with its version, or the reason why it is missing and the remedy.

    Args:
        config_file: configuration that says what is needed; None takes the embedded default of the
            folder at hand, or the defaults of every key where there is none.
        as_json: print JSON instead of a table.

    Returns:
        Whether all is there that the configuration needs.

    Raises:
        UserError: the configuration is missing or wrong.
    """
    config, source = _config(config_file)
    backends = find_backends(config)
    missing = [each for each in backends if each.needed and not each.present]
    if as_json:
        content = {
            "schema": SCHEMA,
            "config": source,
            "ready": not missing,
            "backends": [each.as_row() for each in backends],
        }
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        _print(backends, missing, source)
    return not missing


def _config(path: Path | None) -> tuple[StudyConfig, str]:
    if path is None and not DEFAULT_CONFIG.is_file():
        return StudyConfig(name="default"), "defaults"
    chosen = path or DEFAULT_CONFIG
    return study_from(read_config(chosen), chosen), str(chosen)


def _print(backends: list[Backend], missing: list[Backend], source: str) -> None:
    console = safe_console(
        highlight=False,
        width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL,
    )
    table = Table(title=Text(f"Backends; needed is what {source} uses"))
    for heading in ("kind", "name", "state", "version", "needed"):
        table.add_column(heading, no_wrap=True)
    table.add_column("found, or why not and what helps", overflow="fold")
    for each in backends:
        state = Text("ok", "green") if each.present else Text("missing", _colour(each))
        told = each.reason if each.remedy is None else f"{each.reason}; {each.remedy}"
        table.add_row(
            each.kind,
            each.name,
            state,
            each.version or "",
            "yes" if each.needed else "",
            Text(told),
        )
    console.print(table)
    if missing:
        names = ", ".join(f"{each.kind} {each.name}" for each in missing)
        console.print(Text(f"Missing for {source}: {names}", "red"))
    else:
        console.print(Text(f"All is there that {source} needs."))


def _colour(backend: Backend) -> str:
    return "red" if backend.needed else "yellow"
