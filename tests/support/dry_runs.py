"""What Snakemake would run after changes of a project, by real dry runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from project_copy import House, planned_jobs


@dataclass(frozen=True)
class Change:
    """A change of a project, and what is expected of it.

    Attributes:
        name: what is changed, for the reader of a failure.
        expected: rules that a run would execute.
        edits: new contents of files for the time of the dry run; None: a line is added, which in
            a module is one that computes.
        arguments: further words of the command line.
    """

    name: str
    expected: set[str]
    edits: Mapping[str, str | None] = field(default_factory=dict)
    arguments: Sequence[str] = ()


def differences(root: Path, changes: Sequence[Change], *arguments: str) -> list[str]:
    """Make changes one at a time; return where Snakemake plans something else than expected.

    Args:
        root: folder of the project, which is as before in the end.
        changes: what is changed.
        *arguments: of the command line, targets last.
    """
    wrong = []
    for change in changes:
        with _edited(root, change.edits):
            done = House(root).snakemake("-n", *change.arguments, *arguments)
        text = done.stdout + done.stderr
        planned = set(planned_jobs(text)) if done.returncode == 0 else text[-3000:]
        if planned != change.expected:
            wrong.append(f"{change.name}: planned {planned}, expected {change.expected}")
    return wrong


@contextmanager
def _edited(root: Path, edits: Mapping[str, str | None]) -> Iterator[None]:
    """Change files for a while; content and time stamps are as before in the end."""
    before = {root / name: (root / name).read_bytes() for name in edits}
    stamps = {path: path.stat() for path in before}
    try:
        for name, text in edits.items():
            path = root / name
            line = b"\nEDITED = True\n" if path.suffix == ".py" else b"\n# edited\n"
            path.write_bytes(before[path] + line if text is None else text.encode())
        yield
    finally:
        for path, content in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(stamps[path].st_atime_ns, stamps[path].st_mtime_ns))
