from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.provenance.problem import listed, shown


def test_paths_are_shown_as_a_person_would_type_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "runs/a.json") == "runs/a.json"
    assert shown(Path("/elsewhere/a.json")) == "/elsewhere/a.json"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (["a"], "a"),
        (["a", "b", "a"], "a, b"),
        (list("abcd"), "a, b, c, d"),
        (list("abcdef"), "a, b, c, d and 2 more"),
    ],
)
def test_long_lists_are_cut_and_counted(jobs: list[str], expected: str) -> None:
    assert listed(jobs) == expected
