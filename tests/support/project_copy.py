"""A private copy of the project in which Snakemake runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import warm_snakemake
import yaml
from micro_study import MICRO, PROJECT, RESULT, micro, with_values

#: Variables that would change what Snakemake does, or which SLURM its commands talk to.
FOREIGN = ("SNAKEMAKE", "SLURM", "SBATCH", "SRUN", "SQUEUE", "SCANCEL", "SINFO", "MUNGE")
#: A copy keeps its compiled modules: without them each of its many jobs compiles all again.
COMPILED = "PYTHONDONTWRITEBYTECODE"
PARTS = ("Snakefile", "profiles", "workflow", "src", "config", "envs")
#: For what runs jobs. The longest run of the tests takes two minutes on a busy machine.
BUILD_PATIENCE_S = 600
#: For a plan, an audit or one script, which take seconds.
PATIENCE_S = 120
#: What Snakemake says when it has noticed Ctrl-C.
INTERRUPTED = "Terminating processes on user request"
#: What the interpreter runs, if nothing else.
SNAKEMAKE = ("-m", "snakemake")


def own_environment() -> dict[str, str]:
    """Return the variables of this process that a Snakemake of the tests may see."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith((*FOREIGN, COMPILED))}
    return {**kept, "OMP_NUM_THREADS": "1"}


@dataclass
class House:
    """A copy of the project."""

    root: Path
    config: str = "config/micro.yaml"
    target: str = RESULT
    #: How Snakemake runs its jobs: local, or with a profile.
    execution: tuple[str, ...] = ("--cores", "2")
    #: Environment variables beside those of the tests.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What the interpreter runs.
    program: tuple[str, ...] = SNAKEMAKE

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, *self.program, *self.execution, *arguments]

    def environment(self) -> dict[str, str]:
        # The copy's own sources must win over an editable installation of the project.
        own = {"PYTHONPATH": str(self.root / "src")}
        return {**own_environment(), **own, **self.variables}

    def snakemake(
        self, *arguments: str, timeout: float = BUILD_PATIENCE_S
    ) -> subprocess.CompletedProcess[str]:
        if self.program == SNAKEMAKE:
            words = (*self.execution, *arguments)
            return warm_snakemake.run(words, self.root, self.environment(), timeout)
        return subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter with the copy's own sources."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def copy(self, root: Path) -> House:
        """Return a copy with its results, time stamps and Snakemake's records."""
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Write the configuration of the smallest study with some values changed."""
        text = yaml.safe_dump(with_values(micro(), values))
        (self.root / self.config).write_text(text, encoding="utf-8")

    def build(self, *arguments: str, target: str | None = None) -> str:
        """Make a target; return what Snakemake said."""
        done = self.snakemake(
            "--configfile", self.config, *arguments, "--", *(target or self.target).split()
        )
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stdout + done.stderr

    def fail(self, *arguments: str, target: str | None = None) -> str:
        """Try to make a target; return the only line for the user."""
        done = self.snakemake(
            "--configfile", self.config, *arguments, "--", *(target or self.target).split()
        )
        return told(done)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run Snakemake beside the test; what is left of it is killed at the end."""
        with (self.root / "snakemake.txt").open("wb") as told:
            process = subprocess.Popen(
                self.command("--configfile", self.config, *arguments, "--", self.target),
                cwd=self.root,
                env=self.environment(),
                stdout=told,
                stderr=told,
                start_new_session=True,
                # A shell starts what it puts into the background deaf to Ctrl-C, and that is
                # inherited: by the tests and by what they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def said(self) -> str:
        """Return what Snakemake has said so far while it is `running`."""
        return (self.root / "snakemake.txt").read_text(encoding="utf-8")

    def interrupt(self, process: subprocess.Popen[bytes], patience_s: float = 60) -> None:
        """Press Ctrl-C for a `running` Snakemake, and wait until it has ended.

        Python may lose a signal. It is sent again only until Snakemake says that it has noticed:
        a second one would break off how it cancels its jobs.

        Raises:
            TimeoutError: it did not end.
        """
        end_s, again_s = time.monotonic() + patience_s, 0.0
        while process.poll() is None:
            now_s = time.monotonic()
            if now_s > end_s:
                raise TimeoutError(
                    f"Snakemake did not end {patience_s:.0f} s after Ctrl-C:\n{self.said()[-3000:]}"
                )
            if now_s > again_s and INTERRUPTED not in self.said():
                process.send_signal(signal.SIGINT)
                again_s = now_s + 10
            time.sleep(0.1)

    def planned(self, *arguments: str, target: str | None = None) -> set[str]:
        """Names of the rules that a run would execute."""
        return set(self.planned_jobs(*arguments, target=target))

    def planned_jobs(self, *arguments: str, target: str | None = None) -> dict[str, int]:
        """Number of the jobs that a run would execute, by rule."""
        return planned_jobs(self.build("-n", *arguments, target=target))


def planned_jobs(text: str) -> dict[str, int]:
    """Return the number of jobs by rule from what a dry run says."""
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:")[1].split("total", maxsplit=1)[0]
    counts = re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in counts}


def told(done: subprocess.CompletedProcess[str]) -> str:
    """Return the only line in which a failed command says what is wrong."""
    assert done.returncode != 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(lines) == 1, done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


def copy_project(target: Path) -> House:
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(
                source, target / part, ignore=shutil.ignore_patterns("*.pyc.*", "*.egg-info")
            )
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / part)
    shutil.copy2(MICRO, target / House.config)
    return House(target)
