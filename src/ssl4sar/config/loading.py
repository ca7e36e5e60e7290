"""Reading a configuration file, with errors a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ssl4sar.config.block import blocks_within
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_yaml, read_bounded, require_small
from ssl4sar.core.wording import printable

#: Shortcuts for the command line: ``--config caffe_root=DIR`` stands for these keys.
SHORTCUTS: Mapping[str, str] = {
    "caffe_root": "caffe.root",
    "caffe_test_glaciers": "caffe.test_glaciers",
}
#: Problems of a configuration named at once, and characters of a wrong value that are shown.
_MOST_NAMED: Final = 6
_LONGEST_SHOWN: Final = 100


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML configuration file into a plain mapping, unvalidated.

    Raises:
        UserError: missing, not YAML, too long or too deep, or no mapping.
    """
    path = Path(path)
    try:
        content = parse_yaml(read_bounded(path))
    except FileNotFoundError as error:
        raise UserError(path, "the file does not exist", "see config/ for examples") from error
    except OSError as error:
        raise UserError(path, f"the file cannot be read ({error})", "check the file") from error
    except ForeignTextError as error:
        raise UserError(path, str(error), "check indentation and colons") from error
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
    require_small_config(values, source)
    try:
        return StudyConfig.model_validate(_expand(values))
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [_explain(detail) for detail in found[:_MOST_NAMED]]
        if len(found) > _MOST_NAMED:
            problems.append(f"and {len(found) - _MOST_NAMED} more")
        raise UserError(
            source,
            "; ".join(problems),
            "the keys are described in config/README.md",
        ) from None


def require_small_config(values: Mapping[str, Any], source: str | Path) -> None:
    """Refuse values that are far too many or too deep, before anything writes them out.

    Args:
        values: configuration that another program has read, e.g. Snakemake.
        source: file or option named in the error.

    Raises:
        UserError: they are.
    """
    try:
        require_small(values)
    except ForeignTextError as error:
        raise UserError(source, str(error), "no configuration needs that: check it") from error


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
    parts, block = _placed(detail["loc"])
    key = ".".join(parts)
    if detail["type"] == "extra_forbidden":
        return f"{key} is not a known key ({_allowed_keys(parts[-1], block)})"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"].startswith("union_tag_"):
        return _wrong_name(key, detail)
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if detail["type"] == "value_error":
        # A block's own check names its field; that of a single value leaves it to the location.
        joint = "." if isinstance(detail["input"], Mapping) else " "
        return f"{key}{joint}{message}" if key else message
    return f"{key}: {message}, got {printable(repr(detail['input']), _LONGEST_SHOWN)}"


def _wrong_name(key: str, detail: ErrorDetails) -> str:
    """Explain a block whose name, which says which settings there are, is missing or unknown."""
    facts = detail.get("ctx", {})
    key = f"{key}.{facts['discriminator'].strip(chr(39))}"
    if "tag" not in facts:
        return f"{key} is missing"
    names = facts["expected_tags"].replace("'", "").split(", ")
    close = difflib.get_close_matches(facts["tag"], names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    name = printable(facts["tag"], _LONGEST_SHOWN)
    return f"{key}: {name} is not one of {', '.join(names)}{hint}"


def _placed(location: Sequence[str | int]) -> tuple[list[str], type[BaseModel]]:
    """Return the parts of the key that an error is about, and the block that holds the last one."""
    parts: list[str] = []
    block: type[BaseModel] = StudyConfig
    kinds: dict[str, type[BaseModel]] = {}
    for part in map(str, location):
        if part in kinds:
            # Pydantic puts in the name of the network behind the key `network`.
            block, kinds = kinds[part], {}
            continue
        parts.append(part)
        field = block.model_fields.get(part)
        found = blocks_within(None if field is None else field.annotation)
        kinds = {kind.model_fields["name"].default: kind for kind in found} if found[1:] else {}
        block = found[0] if len(found) == 1 else block
    return parts, block


def _allowed_keys(key: str, block: type[BaseModel]) -> str:
    keys = list(block.model_fields)
    close = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(keys)}"
