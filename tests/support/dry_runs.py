"""Real dry runs of Snakemake, many and fast: each in a fork of a process that has it loaded.

    python tests/support/dry_runs.py < requests.jsonl > answers.jsonl

A request is an object with ``house`` (folder of the project), ``arguments`` (of the command line)
and ``edits`` (new contents of files of the house for the time of the run; null adds a line). An
answer is the list of rules that a run would execute, or the end of what Snakemake said when it
failed.

A fork starts with Snakemake imported and nothing of the project, so that no cache and no module
of one dry run is seen by the next, and without the second that the imports take.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

# Everything that a dry run imports apart from the project itself.
import pydantic  # noqa: F401
import snakemake.cli
import snakemake.executors.local
import snakemake.report
import yaml  # noqa: F401

PLANNED = re.compile(r"^(\w+) +\d+$", flags=re.MULTILINE)


def added_line(path: Path) -> bytes:
    """Return a line that changes what a file says; in a module it is one that computes."""
    return b"\nEDITED = True\n" if path.suffix == ".py" else b"\n# edited\n"


def answer(request: dict[str, Any]) -> list[str] | str:
    """Return the planned rules, sorted, or the end of the output of a failed run."""
    house = Path(request["house"])
    kept = {house / name: (house / name).read_bytes() for name in request["edits"]}
    stamps = {path: path.stat() for path in kept}
    try:
        for name, text in request["edits"].items():
            path = house / name
            path.write_bytes(kept[path] + added_line(path) if text is None else text.encode())
        code, text = dry_run(house, request["arguments"])
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
            os.utime(path, ns=(stamps[path].st_atime_ns, stamps[path].st_mtime_ns))
    if code != 0:
        return text[-3000:]
    if "Nothing to be done" in text:
        return []
    return sorted(PLANNED.findall(text.split("Job stats:")[1].split("total")[0]))


def dry_run(house: Path, arguments: list[str]) -> tuple[int, str]:
    """Run Snakemake's own command line in a fork; return its exit status and output."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.chdir(house)
            try:
                snakemake.cli.main(["--cores", "2", "-n", *arguments])
            except SystemExit as end:
                status = end.code
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                status = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status if isinstance(status, int) else 1)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def main() -> None:
    """Answer one request per line."""
    assert not any(name.split(".")[0] == "ssl4sar" for name in sys.modules)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
