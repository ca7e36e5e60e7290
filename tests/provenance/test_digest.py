from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssl4sar.provenance.digest import (
    DynamicImportError,
    digest_of,
    meanings,
    source_digest,
    source_files,
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    package = tmp_path / "ssl4sar"
    for folder in ("", "a", "b"):
        (package / folder).mkdir(parents=True, exist_ok=True)
        (package / folder / "__init__.py").write_text('"""Purpose."""\n')
    (package / "a" / "leaf.py").write_text("X = 1\n")
    (package / "a" / "late.py").write_text("Y = 1\n")
    (package / "a" / "other.py").write_text("Z = 1\n")
    (package / "b" / "middle.py").write_text(
        "import json\nfrom ssl4sar.a import leaf\n\n\ndef f():\n    from . import side\n"
        "    from ..a.late import Y\n    return Y\n"
    )
    (package / "b" / "side.py").write_text("import ssl4sar.b.middle\n")
    (tmp_path / "one.py").write_text("from ssl4sar.b.middle import f\n")
    (tmp_path / "two.py").write_text("import ssl4sar.a.other\n")
    return tmp_path


def test_closure_holds_inner_relative_and_circular_imports(house: Path) -> None:
    assert list(source_files(house / "one.py", house)) == [
        "script",
        "ssl4sar",
        "ssl4sar.a",
        "ssl4sar.a.late",
        "ssl4sar.a.leaf",
        "ssl4sar.b",
        "ssl4sar.b.middle",
        "ssl4sar.b.side",
    ]


@pytest.mark.parametrize("module", ["leaf", "late"])
def test_edit_reaches_users_only_and_reverting_restores(house: Path, module: str) -> None:
    scripts = [house / "one.py", house / "two.py"]
    before = [source_digest(script, house) for script in scripts]
    path = house / "ssl4sar" / "a" / f"{module}.py"
    content = path.read_text()
    path.write_text(content + "EDITED = 1\n")
    after = [source_digest(script, house) for script in scripts]
    assert after[0] != before[0]
    assert after[1] == before[1]
    path.write_text(content)
    assert [source_digest(script, house) for script in scripts] == before


def test_an_edit_of_comments_and_texts_changes_nothing(house: Path) -> None:
    before = source_digest(house / "one.py", house)
    path = house / "ssl4sar" / "a" / "leaf.py"
    path.write_text('"""Says what it is."""\n# why\n' + path.read_text() + "\n\n")
    assert source_digest(house / "one.py", house) == before


def test_touch_and_move_change_nothing(house: Path, tmp_path_factory) -> None:
    before = source_digest(house / "one.py", house)
    for path in house.rglob("*.py"):
        os.utime(path, (1, 1))
    assert source_digest(house / "one.py", house) == before
    moved = tmp_path_factory.mktemp("m") / "house"
    house.rename(moved)
    assert source_digest(moved / "one.py", moved) == before


@pytest.mark.parametrize(
    "line",
    [
        "import importlib\nimportlib.import_module('ssl4sar.a.leaf')\n",
        "from importlib import import_module\nname = 'x'\nimport_module(name)\n",
        "__import__('ssl4sar.a')\n",
    ],
)
def test_dynamic_first_party_imports_are_refused(house: Path, line: str) -> None:
    (house / "one.py").write_text(line)
    with pytest.raises(DynamicImportError, match=r"one\.py:\d"):
        source_files(house / "one.py", house)


def test_dynamic_import_of_others_is_fine(house: Path) -> None:
    (house / "one.py").write_text("import importlib\nimportlib.import_module('json')\n")
    assert list(source_files(house / "one.py", house)) == ["script"]


def test_what_surrounds_the_work_of_a_job_is_no_part_of_it(house: Path) -> None:
    package = house / "ssl4sar"
    for name in ("workflow/job.py", "workflow/study.py", "provenance/record.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).parent.joinpath("__init__.py").write_text("")
        (package / name).write_text("")
    (package / "workflow" / "job.py").write_text("import ssl4sar.provenance.record\n")
    script = house / "two.py"
    script.write_text(
        "import ssl4sar.a.other\nimport ssl4sar.workflow.study\n"
        "from ssl4sar.workflow.job import job\n"
    )
    files = set(source_files(script, house))
    assert "ssl4sar.workflow.study" in files
    assert not files & {"ssl4sar.workflow.job", "ssl4sar.provenance.record", "ssl4sar.provenance"}
    before = source_digest(script, house)
    (package / "workflow" / "job.py").write_text("ANOTHER = 1\n")
    assert source_digest(script, house) == before


def test_a_digest_can_be_made_again_from_the_hashes_of_its_files(house: Path) -> None:
    found = meanings(source_files(house / "one.py", house))
    assert digest_of(found) == source_digest(house / "one.py", house)
