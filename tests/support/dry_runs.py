"""Real dry runs of Snakemake, many and fast: each in a fork of a process that has it loaded.

A fork starts with Snakemake imported and nothing of the project, so that no cache and no module
of one dry run is seen by the next, and without the seconds that the imports take.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: For all dry runs of a test, of some seconds each.
PATIENCE_S = 240


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
    from project_copy import House, planned_jobs

    requests = [
        {"edits": dict(change.edits), "arguments": [*change.arguments, *arguments]}
        for change in changes
    ]
    done = subprocess.run(
        [sys.executable, __file__],
        input="".join(json.dumps(request) + "\n" for request in requests),
        cwd=root,
        env=House(root).environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    wrong = []
    for change, line in zip(changes, done.stdout.splitlines(), strict=True):
        code, text = json.loads(line)
        planned = set(planned_jobs(text)) if code == 0 else text[-3000:]
        if planned != change.expected:
            wrong.append(f"{change.name}: planned {planned}, expected {change.expected}")
    return wrong


def _answer(edits: Mapping[str, str | None], arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit status and output of a dry run of the changed project in this folder."""
    before = {Path(name): Path(name).read_bytes() for name in edits}
    stamps = {path: path.stat() for path in before}
    try:
        for name, text in edits.items():
            line = b"\nEDITED = True\n" if name.endswith(".py") else b"\n# edited\n"
            Path(name).write_bytes(before[Path(name)] + line if text is None else text.encode())
        return _dry_run(arguments)
    finally:
        for path, content in before.items():
            path.write_bytes(content)
            os.utime(path, ns=(stamps[path].st_atime_ns, stamps[path].st_mtime_ns))


def _dry_run(arguments: Sequence[str]) -> tuple[int, str]:
    import snakemake.cli

    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status: Any = 1
            try:
                snakemake.cli.main(["--cores", "2", "-n", *arguments])
            except SystemExit as end:
                status = end.code
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 1)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def main() -> None:
    """Answer one request per line."""
    # Everything that a dry run imports apart from the project itself.
    import pydantic  # noqa: F401
    import snakemake.cli
    import snakemake.executors.local
    import snakemake.report  # noqa: F401
    import yaml  # noqa: F401

    assert not any(name.split(".")[0] == "ssl4sar" for name in sys.modules)
    for line in sys.stdin:
        print(json.dumps(_answer(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
