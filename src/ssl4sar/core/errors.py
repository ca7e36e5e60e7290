"""The one exception that a person is meant to read."""

from __future__ import annotations

from pathlib import Path

from ssl4sar.core.wording import printable


class UserError(Exception):
    """A mistake in what the user supplied, in one line.

    Args:
        subject: the file, key or option that is at fault.
        problem: what is wrong with it, without a full stop.
        fix: what to do about it, without a full stop.
    """

    def __init__(self, subject: str | Path, problem: str, fix: str) -> None:
        self.subject = str(subject)
        self.problem = problem
        self.fix = fix
        # Names, reasons and messages in it may come from a server or a file of somebody else.
        super().__init__(f"{printable(subject)}: {printable(problem)}; {printable(fix)}")

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        """Keep the three parts when the error crosses a process boundary."""
        return (type(self), (self.subject, self.problem, self.fix))


class EngineError(UserError):
    """What geocodes is missing or does not make what is asked for: no other scene fares better."""
