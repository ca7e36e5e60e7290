"""Dotted keys of nested values, e.g. ``training.learning_rate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def leaves(values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted key; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found.update(leaves(value, f"{start}{key}."))
        else:
            found[start + key] = value
    return found


def value_at(values: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key.

    Raises:
        KeyError: there is no such key.
    """
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping):
            raise KeyError(key)
        found = found[part]
    return found
