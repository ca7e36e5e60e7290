"""What an audit finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ssl4sar.provenance.chain import Chain

Kind = Literal[
    "missing", "altered", "added", "unreadable", "record", "stale", "rival", "code", "config"
]
_MOST_NAMED = 4


@dataclass(frozen=True)
class Problem:
    """Something that does not hold.

    Attributes:
        kind: missing, altered, added, unreadable: a file. record: a record that is not there or
            cannot be used. stale: an input that was made again since it was read. rival: a file
            that two records claim. code, config: what differs in today's project.
        subject: file or key.
        message: what is wrong with it.
        jobs: jobs it concerns.
    """

    kind: Kind
    subject: str
    message: str
    jobs: tuple[str, ...]


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        chain: the jobs behind the file.
        problems: what does not hold; empty: everything holds.
        notes: what a reader should know and what is not a fault.
        files: files looked at.
        bytes: bytes hashed; 0 for a quick audit.
    """

    chain: Chain
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is missing, altered or different today."""
        return not self.problems

    def add(self, kind: Kind, subject: str | Path, message: str, *jobs: str) -> None:
        """Add a problem, once."""
        name = shown(subject) if isinstance(subject, Path) else subject
        problem = Problem(kind, name, message, jobs)
        if problem not in self.problems:
            self.problems.append(problem)

    def note(self, note: str) -> None:
        """Add a note, once."""
        if note not in self.notes:
            self.notes.append(note)


def shown(path: Path) -> str:
    """Return a path as a person in the working directory would type it."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def listed(names: Sequence[str]) -> str:
    """Return the first few of some names, each once, and how many more there are."""
    names = list(dict.fromkeys(names))
    first = ", ".join(names[:_MOST_NAMED])
    rest = len(names) - _MOST_NAMED
    return f"{first} and {rest} more" if rest > 0 else first
