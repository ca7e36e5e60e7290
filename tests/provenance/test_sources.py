"""What is remembered of sources between processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssl4sar.provenance import sources
from ssl4sar.provenance.digest import source_digest
from ssl4sar.provenance.sources import remembered

TEXT = "from ssl4sar.a import b\n\n\ndef f():\n    return 1\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    package = tmp_path / "ssl4sar" / "a"
    package.mkdir(parents=True)
    for path in (package.parent / "__init__.py", package / "__init__.py", package / "b.py"):
        path.write_text(f'"""{path}."""\nX = 1\n')
    (tmp_path / "script.py").write_text(TEXT)
    return tmp_path / "script.py"


def digest_in_new_process(
    monkeypatch: pytest.MonkeyPatch, script: Path, memory: Path
) -> tuple[str, int]:
    """Return the digest of a script, and how many files were parsed for it."""
    parsed = []
    real = sources.ast.parse
    monkeypatch.setattr(sources, "_KNOWN", {})
    monkeypatch.setattr(sources.ast, "parse", lambda *a, **k: parsed.append(a) or real(*a, **k))
    sources._recall.cache_clear()
    with remembered(memory):
        # Another stamp, so that nothing but the memory knows the content.
        for path in script.parent.rglob("*.py"):
            path.write_bytes(path.read_bytes())
        found = source_digest(script, script.parent)
    monkeypatch.undo()
    return found, len(parsed)


def test_what_is_remembered_is_not_read_again_and_an_edit_is_seen(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    memory = script.parent / "memory.json"
    fresh = digest_in_new_process(monkeypatch, script, memory)
    assert fresh == (source_digest(script, script.parent), 4)
    assert digest_in_new_process(monkeypatch, script, memory) == (fresh[0], 0)
    script.write_text(TEXT.replace("1", "2"))
    edited, parsed = digest_in_new_process(monkeypatch, script, memory)
    assert edited != fresh[0]
    assert parsed == 1


@pytest.mark.parametrize("damage", ["", "[]", "{}", "null", '{"by": 1}', "other reader", "short"])
def test_a_useless_memory_costs_one_look(
    monkeypatch: pytest.MonkeyPatch, script: Path, damage: str
) -> None:
    memory = script.parent / "memory.json"
    fresh = digest_in_new_process(monkeypatch, script, memory)
    content = json.loads(memory.read_text())
    if damage == "other reader":
        damage = json.dumps({**content, "by": "another version"})
    elif damage == "short":
        damage = json.dumps({**content, "sources": [["1"]]})
    memory.write_text(damage)
    assert digest_in_new_process(monkeypatch, script, memory) == fresh


def test_a_memory_that_cannot_be_written_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    fresh = digest_in_new_process(monkeypatch, script, script / "memory.json")
    assert fresh[0] == source_digest(script, script.parent)
