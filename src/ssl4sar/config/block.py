"""What all configuration blocks share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A block of the configuration: frozen, typed, unknown keys forbidden.

    The docstring under each field is its description in the schema and in ``config/README.md``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True
    )
