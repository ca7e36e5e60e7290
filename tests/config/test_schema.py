from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from ssl4sar.config.schema import TABLE_START, json_schema, replace_tables
from ssl4sar.config.study import StudyConfig

PROJECT = Path(__file__).resolve().parents[2]


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")


def test_schema_file_matches_the_models() -> None:
    committed = (PROJECT / "config" / "schema.json").read_text(encoding="utf-8")
    assert committed == json_schema(), "run `ssl4sar config-docs`"


def test_readme_tables_match_the_models() -> None:
    committed = (PROJECT / "config" / "README.md").read_text(encoding="utf-8")
    assert committed == replace_tables(committed), "run `ssl4sar config-docs`"


def test_every_field_is_described() -> None:
    assert [name for name, text in fields(StudyConfig) if not text] == []


def test_schema_forbids_unknown_keys() -> None:
    schema = json.loads(json_schema())
    assert schema["additionalProperties"] is False
    assert all(block["additionalProperties"] is False for block in schema["$defs"].values())


def test_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        replace_tables(f"text {TABLE_START}")
