"""Reading a configuration file, with errors a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError

#: Shortcuts for the command line: ``--config caffe_root=DIR`` stands for these keys.
SHORTCUTS: Mapping[str, str] = {"caffe_root": "caffe.root"}


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML configuration file into a plain mapping, unvalidated.

    Raises:
        UserError: missing, not YAML, or no mapping.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(path, "the file does not exist", "see config/ for examples") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, f"the file cannot be read ({error})", "check the file") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place else ""
        raise UserError(
            path, f"the file is no YAML{where}", "check indentation and colons"
        ) from None
    if not isinstance(content, dict):
        raise UserError(path, "the file holds no keys", "see config/config.yaml")
    return content


def study_from(values: Mapping[str, Any], source: str | Path) -> StudyConfig:
    """Validate a configuration.

    Args:
        values: nested mapping as read from YAML; shortcuts of ``SHORTCUTS`` are applied.
        source: file named in the error.

    Returns:
        The typed configuration.

    Raises:
        UserError: names every wrong key, what is wrong with it and what is allowed.
    """
    try:
        return StudyConfig.model_validate(_expand(values))
    except ValidationError as error:
        problems = [_explain(detail) for detail in error.errors()]
        raise UserError(
            source,
            "; ".join(problems),
            "the keys are described in config/README.md",
        ) from None


def _expand(values: Mapping[str, Any]) -> dict[str, Any]:
    expanded = dict(values)
    for shortcut, target in SHORTCUTS.items():
        if shortcut not in expanded:
            continue
        block_name, key = target.split(".")
        block = dict(expanded.get(block_name) or {})
        block[key] = expanded.pop(shortcut)
        if shortcut == "caffe_root":
            block["source"] = "local"
        expanded[block_name] = block
    return expanded


def _explain(detail: ErrorDetails) -> str:
    location = [part for part in detail["loc"] if isinstance(part, (str, int))]
    key = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        return f"{key} is no known key ({_allowed_keys(location)})"
    if detail["type"] == "missing":
        return f"{key} is missing"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if detail["type"] == "value_error":
        # A block's own check names its field; that of a single value leaves it to the location.
        joint = "." if isinstance(detail["input"], Mapping) else " "
        return f"{key}{joint}{message}" if key else message
    return f"{key}: {message}, got {detail['input']!r}"


def _allowed_keys(location: list[str | int]) -> str:
    model: type[BaseModel] = StudyConfig
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    keys = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), keys, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(keys)}"
