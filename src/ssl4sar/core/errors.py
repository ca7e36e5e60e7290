"""The one exception that a person is meant to read."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """A mistake in what the user supplied, told in one line.

    Args:
        subject: the file, key or option that is at fault.
        problem: what is wrong with it, without a full stop.
        fix: what to do about it, without a full stop.
    """

    def __init__(self, subject: str | Path, problem: str, fix: str) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.fix = fix
        super().__init__(f"{self.subject}: {problem}; {fix}")

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        """Keep the three parts when the error crosses a process boundary."""
        return (type(self), (self.subject, self.problem, self.fix))
