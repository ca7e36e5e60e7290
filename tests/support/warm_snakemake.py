"""Snakemake commands without the seconds that its imports take: each is a fork that has them.

A fork begins with Snakemake and what else a Snakefile needs, and with nothing of the project, so
that no module and no cache of one command is seen by the next. It has the folder, environment,
path of modules and exit of the command line; the scripts of its jobs are forks too
(`warm_scripts`). Commands that are killed or interrupted, and what runs in a SLURM, start the
interpreter for all of this: `House.command`.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import warm_scripts

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
            # A plan has no jobs.
            "scripts": None if "-n" in arguments else _scripts(),
        }
        code = _server().answer(request, timeout_s)
        printed = []
        for file in (out, error):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess(["snakemake", *arguments], code, *printed)


@cache
def _scripts() -> str:
    """Start the process that forks for scripts; return its address."""
    folder = tempfile.mkdtemp(prefix="scripts")
    atexit.register(shutil.rmtree, folder)
    address = f"{folder}/socket"
    process = _started(warm_scripts.__file__, "serve", address)
    assert process.stdout is not None
    process.stdout.readline()
    return address


@cache
def _server() -> _Server:
    return _Server()


def _started(*arguments: str) -> subprocess.Popen[str]:
    """Start a process that forks until its standard input ends, with this process at the latest."""
    from project_copy import own_environment

    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=own_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


class _Server:
    """The process that forks, started by the first command of a test process."""

    def __init__(self) -> None:
        self._process = _started(__file__)

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
    descriptors = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(request["stdout"], os.O_WRONLY | os.O_APPEND),
        os.open(request["stderr"], os.O_WRONLY | os.O_APPEND),
    )
    arguments = ["snakemake", *request["arguments"]]
    warm_scripts.become({**request, "arguments": arguments}, descriptors, request["folder"])
    if request["scripts"] is not None:
        _fork_scripts(request["scripts"])


def _fork_scripts(address: str) -> None:
    from snakemake.script import PythonScript

    def execute(script: Any, path: str, edit: bool = False) -> None:
        program = warm_scripts.command(address)
        script._execute_cmd("{program} {path:q}", program=program, path=path)

    PythonScript.execute_script = execute


def main() -> None:
    """Import, then become the command of each request in a fork."""
    warm_scripts.import_for_forks(IMPORTED)
    request = _serve()
    if request is not None:
        _become(request)
        sys.modules["snakemake.cli"].main()


if __name__ == "__main__":
    main()
