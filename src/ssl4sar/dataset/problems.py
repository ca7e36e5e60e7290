"""What is wrong with the files of a dataset, and how it is reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError

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


def problem_of(file: str, error: OSError | UserError | ForeignTextError) -> Problem:
    """Return the problem of a file that cannot be read.

    Args:
        file: path relative to the dataset, POSIX.
        error: why.
    """
    if isinstance(error, UserError):
        return Problem("error", file, error.problem, error.fix)
    if isinstance(error, ForeignTextError):
        return Problem("error", file, str(error), "replace the file by the original")
    if isinstance(error, FileNotFoundError):
        return Problem("error", file, "the file is missing", "add it or remove its scene")
    problem = f"the file cannot be read ({error.strerror})"
    return Problem("error", file, problem, "check its permissions and its disk")


@dataclass(frozen=True, kw_only=True)
class Report:
    """Result of reading a whole dataset."""

    root: str
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        """Problems that stop the workflow."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """Problems that do not."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    def facts(self) -> dict[str, Any]:
        """Return what is reported besides the problems, as plain values."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "root": self.root,
            "ok": not self.errors,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            **self.facts(),
            "problems": [asdict(problem) for problem in self.problems],
        }

    def problem_lines(self) -> list[str]:
        """Return a line for a person on every problem, with their numbers before."""
        counts = f"errors: {len(self.errors)}, warnings: {len(self.warnings)}"
        return [counts, *(f"  {p.severity} {p.file}: {p.problem}; {p.fix}" for p in self.problems)]

    def write(self, path: str | Path) -> None:
        """Write the report as JSON, atomically."""
        write_json(path, self.as_dict())

    def refuse_errors(self, dataset: str, fix: str) -> None:
        """Refuse a dataset with errors.

        Args:
            dataset: what it is, e.g. "CaFFe tree".
            fix: what to do, with the place of the whole report.

        Raises:
            UserError: there are errors; the first few are named.
        """
        if not self.errors:
            return
        first = "; ".join(f"{p.file}: {p.problem}" for p in self.errors[:_SHOWN])
        more = f"; and {len(self.errors) - _SHOWN} more" if len(self.errors) > _SHOWN else ""
        noun = "error" if len(self.errors) == 1 else "errors"
        raise UserError(
            self.root, f"the {dataset} has {len(self.errors)} {noun} ({first}{more})", fix
        )


def limits(values: Iterable[int]) -> tuple[int, int] | None:
    """Return the smallest and the largest of some numbers; None without any."""
    listed = list(values)
    return (min(listed), max(listed)) if listed else None


def span(ends: tuple[int, int] | None) -> str:
    """Return limits in words."""
    return "unknown" if ends is None else f"{ends[0]}-{ends[1]}"


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """Return errors first, then warnings, each by file."""
    return sorted(problems, key=lambda p: (p.severity, p.file, p.problem))
