"""What all configuration blocks share."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A block of the configuration: frozen, typed, unknown keys forbidden.

    The docstring under each field is its description in the schema and in ``config/README.md``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True
    )


def blocks_within(annotation: Any) -> tuple[type[BaseModel], ...]:
    """Return the blocks that a field may hold: one, one per key of a mapping, or one of several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(block for part in get_args(annotation) for block in blocks_within(part))
