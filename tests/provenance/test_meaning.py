"""What counts of a module: what it computes, not how it is written."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from reworded import reworded

from ssl4sar.provenance.digest import SURROUNDINGS, source_digest
from ssl4sar.provenance.meaning import _MEASURED, meaning_of

PROJECT = Path(__file__).resolve().parents[2]
BEFORE = '''
"""Counts."""

def count(things: list[str], name: str = "all") -> int:
    """Return how many."""
    if not things:
        raise UserError(name, f"there are no {name}", "give some")
    log(f"{name}: {len(things):,} things")
    for thing in track(things, "counting"):
        warnings.warn(f"odd: {thing}", stacklevel=2)
    return len(things) + 1
'''


def meaning(text: str) -> str:
    return meaning_of(ast.parse(textwrap.dedent(text)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Counts."""', '"""Counts things."""'),
        ('"""Return how many."""', "'''Say how many there are.'''"),
        ("    log(", "    # said once\n    log("),
        ("there are no {name}", "nothing of {name} is there"),
        ('"give some"', '"give at least one"'),
        (": {len(things):,} things", " has {len(things)} of them"),
        ('"counting"', '"counting things"'),
        ("odd: {thing}", "strange: {thing}"),
        ("list[str], name", "list[str],\n    name"),
    ],
)
def test_texts_for_people_do_not_count(old: str, new: str) -> None:
    assert BEFORE.count(old) == 1
    assert meaning(BEFORE.replace(old, new)) == meaning(BEFORE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+ 1", "+ 2"),
        ("+ 1", "+ 1.0"),
        ("+ 1", "+ True"),
        ('= "all"', '= "each"'),
        ("not things", "things"),
        ("raise UserError", "raise ValueError"),
        ('log(f"{name}', 'log(f"{things}'),
        ("stacklevel=2", "stacklevel=3"),
        ("def count", "def number"),
        ("    return", "    things.pop()\n    return"),
    ],
)
def test_what_computes_counts(old: str, new: str) -> None:
    assert BEFORE.count(old) == 1
    assert meaning(BEFORE.replace(old, new)) != meaning(BEFORE)


def test_texts_that_go_into_results_count() -> None:
    assert meaning("KEY = 'a'") != meaning("KEY = 'b'")
    assert meaning("f(x, 'a')") != meaning("f(x, 'b')")
    assert meaning("f'{x:.2f}'") != meaning("f'{x:.3f}'")
    assert meaning("f(log, 'a')") != meaning("f(log, 'b')")


@pytest.mark.parametrize(
    "form",
    [
        "for x in track(sorted(folder.glob({})), 'reading'): pass",
        "list(progress.track([x for x in rows if x.kind == {}], 'rows'))",
        "track_bytes(pieces(url + {}), 'loading', None)",
        "FrontError(scene, sums[{}], 1)",
        "SubsetError(mde_m=means[{}])",
    ],
)
def test_what_is_worked_on_or_measured_counts_where_progress_or_errors_are_named(
    form: str,
) -> None:
    assert meaning(form.format("'a'")) != meaning(form.format("'b'"))


def test_only_measures_are_called_errors_without_being_raised() -> None:
    """A class whose name ends like an exception's has its texts left out of every digest."""
    found = {
        node.name
        for path in (PROJECT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and node.name.endswith(("Error", "Exception", "Warning"))
        and not node.bases
    }
    assert found == _MEASURED


@pytest.mark.slow
def test_an_update_of_all_texts_changes_no_digest(tmp_path: Path) -> None:
    scripts = sorted((PROJECT / "workflow/scripts").glob("*.py"))
    before = [source_digest(script, PROJECT / "src") for script in scripts]
    changed = 0
    for path in sorted((PROJECT / "src/ssl4sar").rglob("*.py")):
        new = tmp_path / "src" / path.relative_to(PROJECT / "src")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(reworded(path), encoding="utf-8")
        changed += "reworded: " in new.read_text(encoding="utf-8")
    assert changed > 100
    for script in scripts:
        (tmp_path / script.name).write_text(reworded(script), encoding="utf-8")
    assert [source_digest(tmp_path / s.name, tmp_path / "src") for s in scripts] == before


def test_what_surrounds_is_there() -> None:
    for name in SURROUNDINGS:
        place = PROJECT / "src" / Path(*name.split("."))
        assert place.is_dir() or place.with_suffix(".py").is_file(), name
