"""Snakemake commands without the seconds that its imports take: each is a fork that has them.

A fork begins with Snakemake and what else a Snakefile needs, and with nothing of the project, so
that no module and no cache of one command is seen by the next. It has the folder, environment,
path of modules and exit of the command line. Commands that are killed or interrupted, and what runs
in a SLURM, start the interpreter: `House.command`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

#: What a Snakemake of this project imports apart from the project itself.
IMPORTED = (
    "snakemake.cli",
    "snakemake.executors.dryrun",
    "snakemake.executors.local",
    "snakemake.profiles",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    # Of Snakemake, at its first use.
    "jsonschema",
    "nbformat",
    "smart_open",
    # Of the project.
    "filelock",
    "numpy",
    "platformdirs",
    "pydantic",
    "requests",
    "rich.progress",
    "shapely.ops",
    "yaml",
)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a Snakemake command to its end; what it prints is captured.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is killed then.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        places = {
            name: f"/proc/{os.getpid()}/fd/{file.fileno()}"
            for name, file in (("stdout", out), ("stderr", error))
        }
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            **places,
        }
        code = _server().answer(request, timeout_s)
        printed = []
        for file in (out, error):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess(["snakemake", *arguments], code, *printed)


@cache
def _server() -> _Server:
    return _Server()


class _Server:
    """The process that forks, started by the first command of a test process."""

    def __init__(self) -> None:
        from project_copy import own_environment

        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=own_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def answer(self, request: Mapping[str, Any], timeout_s: float) -> int:
        print(json.dumps(request), file=self._process.stdin, flush=True)
        child = int(self._line())
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            in_time = bool(ready.select(timeout_s))
        if not in_time:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code = int(self._line())
        if not in_time:
            raise subprocess.TimeoutExpired(request["arguments"], timeout_s)
        return code

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process with Snakemake has ended"
        return line

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _serve() -> Mapping[str, Any] | None:
    """Fork for each request; return its request in a fork, and None at the end."""
    # Answers leave by a descriptor of their own, which no fork and no job has.
    answers = os.fdopen(os.dup(1), "w")
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            answers.close()
            return request
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    return None


def _become(request: Mapping[str, Any]) -> None:
    """Give this process what ``python -m snakemake`` begins with."""
    for descriptor, place, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, request["stdout"], os.O_WRONLY | os.O_APPEND),
        (2, request["stderr"], os.O_WRONLY | os.O_APPEND),
    ):
        opened = os.open(place, mode)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    own = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    # The first entry is the folder of this file, where it would be the working directory.
    sys.path[:1] = [request["folder"], *own]
    sys.argv = ["snakemake", *request["arguments"]]


def main() -> None:
    """Import, then become the command of each request in a fork."""
    gc.disable()
    for name in IMPORTED:
        importlib.import_module(name)
    # What was imported stays: a fork need not look through it for garbage.
    gc.freeze()
    gc.enable()
    assert not any(name.split(".")[0] == "ssl4sar" for name in sys.modules)
    request = _serve()
    if request is not None:
        _become(request)
        sys.modules["snakemake.cli"].main()


if __name__ == "__main__":
    main()
