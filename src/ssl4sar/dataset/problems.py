"""What is wrong with the files of a dataset, and how it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.errors import UserError

_SHOWN: Final = 5

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file.

    Attributes:
        severity: errors stop the workflow, warnings do not.
        file: path relative to the dataset, POSIX.
        problem: what is wrong.
        fix: what to do.
    """

    severity: Severity
    file: str
    problem: str
    fix: str


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Return errors first, then warnings, each by file."""
    return sorted(problems, key=lambda p: (p.severity, p.file, p.problem))


def refuse_errors(root: str | Path, dataset: str, errors: Sequence[Problem], fix: str) -> None:
    """Refuse a dataset with errors.

    Args:
        root: folder of the dataset.
        dataset: what it is, e.g. "CaFFe tree".
        errors: its errors.
        fix: what to do, with the place of the whole report.

    Raises:
        UserError: there are errors; the first few are told.
    """
    if not errors:
        return
    first = "; ".join(f"{p.file}: {p.problem}" for p in errors[:_SHOWN])
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    noun = "error" if len(errors) == 1 else "errors"
    raise UserError(
        root,
        f"the {dataset} has {len(errors)} {noun} ({first}{more})",
        fix,
    )
