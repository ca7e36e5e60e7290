from __future__ import annotations

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.problems import Problem, Report, ordered


def problem(severity: str, file: str) -> Problem:
    return Problem(severity, file, "it is wrong", "correct it")  # type: ignore[arg-type]


def test_errors_come_before_warnings_and_files_in_order() -> None:
    listed = [problem("warning", "a"), problem("error", "c"), problem("error", "b")]
    assert [p.file for p in ordered(listed)] == ["b", "c", "a"]


def test_errors_are_told_in_one_line_and_none_pass() -> None:
    Report(root="root").refuse_errors("CaFFe tree", "rerun")
    with pytest.raises(UserError) as caught:
        Report(root="root", problems=[problem("error", "x.png")]).refuse_errors(
            "dataset", "correct them"
        )
    assert str(caught.value) == ("root: the dataset has 1 error (x.png: it is wrong); correct them")
    with pytest.raises(UserError, match=r"7 errors \(0: .*; 4: it is wrong; and 2 more\)"):
        Report(root="r", problems=[problem("error", str(n)) for n in range(7)]).refuse_errors(
            "dataset", "f"
        )
