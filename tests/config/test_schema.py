from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from ssl4sar.cli import main
from ssl4sar.config.block import blocks_within
from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.schema import (
    TABLE_END,
    TABLE_START,
    annotated,
    json_schema,
    replace_tables,
    write_docs,
)
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_yaml

PROJECT = Path(__file__).resolve().parents[2]


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field.description
        for block in blocks_within(field.annotation):
            yield from fields(block, f"{prefix}{name}.")


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


def test_docs_are_renewed_only_where_needed(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"head\n{TABLE_START}\nold\n{TABLE_END}\ntail\n")
    files = [tmp_path / "schema.json", readme]
    assert write_docs(tmp_path, check=True) == files
    assert "old" in readme.read_text()
    assert write_docs(tmp_path) == files
    assert readme.read_text().startswith("head\n")
    assert readme.read_text().endswith("tail\n")
    assert "| `learning_rate` | float | `0.01` |" in readme.read_text()
    assert write_docs(tmp_path, check=True) == []


def test_wrong_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"README\.md: the key tables cannot be renewed"):
        write_docs(tmp_path)


@pytest.mark.parametrize("name", ["config", "paper", "acquisition", "trial"])
def test_an_annotated_file_is_the_configuration(name: str) -> None:
    file = PROJECT / "config" / f"{name}.yaml"
    config = study_from(read_config(file), file)
    text = annotated(config)
    assert study_from(parse_yaml(text), "the text") == config
    assert max(map(len, text.splitlines())) < 200
    # Every key has its meaning above it.
    lines = text.splitlines()
    keys = [n for n, line in enumerate(lines) if line and not line.lstrip().startswith("#")]
    assert all(lines[n - 1].lstrip().startswith("#") for n in keys)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", str(PROJECT / "config/config.yaml")]) == 0
    out = capsys.readouterr().out
    assert "  # The CaFFe tree" not in out
    assert "# The CaFFe tree of the run.\ncaffe:\n  # synthetic: rendered" in out
    assert main(["config", "show"]) == 0
    assert "name: my_study\n" in capsys.readouterr().out
