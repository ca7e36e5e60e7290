"""What an audit can find wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "missing", "altered", "added", "unreadable", "record", "stale", "rival", "code", "config"
]
_MOST_JOBS_NAMED = 4


@dataclass(frozen=True)
class Problem:
    """Something that does not hold.

    Attributes:
        kind: missing, altered, added, unreadable: a file. record: a record that is not there or
            cannot be used. stale: an input that was made anew since it was read. rival: a file
            that two records claim. code, config: what today's project has otherwise.
        subject: file or key.
        told: what is wrong with it.
        jobs: jobs it concerns.
    """

    kind: Kind
    subject: str
    told: str
    jobs: tuple[str, ...]


def shown(path: Path) -> str:
    """Return a path as a person in the working directory would type it."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def listed(jobs: Sequence[str]) -> str:
    """Return the first few of some jobs, each once, and how many more there are."""
    names = list(dict.fromkeys(jobs))
    first = ", ".join(names[:_MOST_JOBS_NAMED])
    rest = len(names) - _MOST_JOBS_NAMED
    return f"{first} and {rest} more" if rest > 0 else first
