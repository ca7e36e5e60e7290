"""Starting the processes that share a training, and ending them together.

One process trains right here. Several on this node are started here; several nodes need a SLURM
job, in which ``srun`` starts them. They meet at a port of this process. The leader's lines come
here, each process has a log of its own, and the first failure ends all: its one line is the line of
the whole training.

A process of a team runs ``python -m MODULE REQUEST.json`` with the module of the training function,
which ends in ``serve(function)``.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import torch
import torch.distributed as dist

from ssl4sar.config.compute import ComputeConfig
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.printing import print_lines
from ssl4sar.core.progress import LOGGER, log
from ssl4sar.train.operations.stopping import StoppedError, StopSignal, StopSignals
from ssl4sar.train.operations.team import ALONE, Team, joined, too_few_gpus

#: Training of one process: request and place in the team -> facts of the finished training.
Train = Callable[[Mapping[str, Any], Team], dict[str, Any]]

_FOLDER: Final = "processes"
_RESULT: Final = "result.json"
_SRUN_LOG: Final = "srun.log"
_KILLED_TASK: Final = re.compile(r"error: .*task.*: (?!Exited)|oom.kill", re.IGNORECASE)
_RANK: Final = "SSL4SAR_RANK"
_POLL_S: Final = 0.1
#: Between asking a process to end and killing it; SLURM itself grants 30 s in all.
_GRACE_S: Final = 8.0
#: After a process has failed: its error may reach others first.
_LAST_WORDS_S: Final = 2.0
#: Variables that say which job this is. All others describe its first step, not the one to start.
_JOB_VARIABLES: Final = frozenset(
    {"SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_CONF", "SLURM_JOB_END_TIME"}
)


def launch(
    train: Train,
    request: Mapping[str, Any],
    compute: ComputeConfig,
    folder: Path,
    starter: Literal["here", "srun"] | None = None,
) -> dict[str, Any]:
    """Run a training in as many processes as the configuration asks for.

    Args:
        train: the training; a function at the top of a module that ends in ``serve(function)``.
        request: what it gets, JSON values.
        compute: devices, nodes and cores.
        folder: folder that all nodes see; logs of the processes go to ``processes`` in it.
        starter: who starts several processes; None: srun for several nodes.

    Returns:
        What the training returns.

    Raises:
        UserError: several nodes outside SLURM, a mistake that a process reported, a process
            that was killed, or a signal to this process.
        RuntimeError: a process failed otherwise.
    """
    if compute.processes == 1:
        with StopSignals().raised_as(_stopped):
            return train(request, ALONE)
    start = {"here": _here, "srun": _by_srun}[starter or ("srun" if compute.nodes > 1 else "here")]
    with ExitStack() as stack:
        # The store lives here, so no port has to be guessed: the system chooses a free one.
        stack.enter_context(StopSignals().raised_as(_stopped))
        store = dist.TCPStore(  # type: ignore[attr-defined]
            "127.0.0.1", 0, is_master=True, wait_for_workers=False
        )
        run = _Run.prepare(train, request, compute, folder, store.port)
        started = stack.enter_context(_Started(start(run), run))
        started.wait()
    result: dict[str, Any] = read_json(run.folder / _RESULT)
    return result


def _stopped(signal_name: str) -> StoppedError:
    return StoppedError(
        "training",
        f"ended by {signal_name} (time limit, preemption or scancel)",
        "the next attempt resumes after the last finished epoch",
    )


@dataclass(frozen=True)
class _Run:
    """One start of a team."""

    folder: Path
    module: str
    compute: ComputeConfig

    @classmethod
    def prepare(
        cls, train: Train, request: Mapping[str, Any], compute: ComputeConfig, at: Path, port: int
    ) -> Self:
        parent = at / _FOLDER
        # A new folder each time: a process left over from an earlier start cannot speak up here.
        shutil.rmtree(parent, ignore_errors=True)
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="start-", dir=parent)).resolve()
        address = "127.0.0.1" if compute.nodes == 1 else _own_address()
        compute_values = compute.model_dump(mode="json")
        place = {"folder": str(folder), "address": address, "port": port, "compute": compute_values}
        write_json(folder / "request.json", {"request": dict(request), "place": place})
        return cls(folder, train.__module__, compute)

    @property
    def command(self) -> list[str]:
        # -u: a line of the leader is a line of the job's log at once.
        return [sys.executable, "-u", "-m", self.module, str(self.folder / "request.json")]

    def environment(self) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SRUN_", "SBATCH_")) or name in _JOB_VARIABLES
        }
        # Lightning would otherwise give each process all cores.
        return {**environment, "OMP_NUM_THREADS": str(self.compute.train_threads)}

    def log(self, rank: int) -> Path:
        return _log(self.folder, rank)


def _log(folder: Path, rank: int) -> Path:
    return folder / f"rank{rank}.log"


def _own_address() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def _here(run: _Run) -> list[subprocess.Popen[str]]:
    visible = torch.cuda.device_count()
    if run.compute.device == "cuda" and visible < run.compute.devices:
        raise too_few_gpus(run.compute.devices, visible)
    processes = []
    for rank in range(run.compute.processes):
        with run.log(rank).open("w", encoding="utf-8") as file:
            processes.append(
                subprocess.Popen(
                    run.command,
                    env={**run.environment(), _RANK: str(rank)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if rank == 0 else file,
                    stderr=file,
                    text=True,
                )
            )
    return processes


def srun_command(compute: ComputeConfig, logs: Path) -> list[str]:
    """Return the call of srun that starts the processes of a training."""
    gpus = [f"--gpus-per-node={compute.devices}"] if compute.device == "cuda" else []
    return [
        "srun",
        "--overlap",  # the step of the job itself holds the same cores and GPUs
        f"--nodes={compute.nodes}",
        f"--ntasks={compute.processes}",
        f"--ntasks-per-node={compute.devices}",
        f"--cpus-per-task={compute.train_threads}",
        *gpus,
        "--mem=0",
        "--mpi=none",
        "--kill-on-bad-exit=1",
        "--wait=0",  # the leader exports the network when the others have ended
        f"--error={logs}",
    ]


def _by_srun(run: _Run) -> list[subprocess.Popen[str]]:
    if not os.environ.get("SLURM_JOB_ID") or shutil.which("srun") is None:
        raise UserError(
            "compute.nodes",
            f"{run.compute.nodes} nodes need a SLURM job with srun, and this is not one",
            "run with the slurm profile, or set compute.nodes to 1",
        )
    with (run.folder / _SRUN_LOG).open("w", encoding="utf-8") as file:
        return [
            subprocess.Popen(
                [*srun_command(run.compute, run.folder / "rank%t.log"), *run.command],
                env=run.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        ]


class _Started:
    """Running processes (or the one srun that holds them); leaving the block ends them."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]], run: _Run) -> None:
        self._processes = processes
        self._run = run
        self._reader = threading.Thread(target=self._log_lines, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._end_all(error.number if isinstance(error, StopSignal) else signal.SIGTERM)
        self._reader.join(timeout=_GRACE_S)
        if error is None or isinstance(error, UserError | RuntimeError):
            return
        # Ended from outside: what the processes say of it is more precise than what is known here.
        for report in _reports(self._run.folder):
            if report["kind"] != "crash":
                raise _error_of(report) from error

    def _log_lines(self) -> None:
        stream = self._processes[0].stdout
        for line in stream or ():
            if line.strip():
                log(line.rstrip())

    def wait(self) -> None:
        """Wait until all have ended well.

        Raises:
            UserError: a process reported a mistake or was killed.
            RuntimeError: a process failed otherwise.
        """
        while True:
            states = [process.poll() for process in self._processes]
            if any(states):  # neither running (None) nor well (0)
                time.sleep(_LAST_WORDS_S)
                # Before the others are asked to end, which they would report as well.
                raise self._failure(states)
            if None not in states:
                self._reader.join()
                return
            time.sleep(_POLL_S)

    def _end_all(self, number: int) -> None:
        for process in self._processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(number)
        deadline_s = time.monotonic() + _GRACE_S
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline_s - time.monotonic()))
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()

    def _failure(self, states: Sequence[int | None]) -> Exception:
        """Choose what is reported: a mistake, else a killed process, else what came first.

        The end of one process makes others crash or be asked to end.
        """
        folder, size = self._run.folder, self._run.compute.processes
        reports = _reports(folder)
        for report in reports:
            if report["kind"] == "mistake":
                return _error_of(report)
        killed = _killed(states, folder)
        if killed:
            return UserError(
                "training",
                killed,
                f"the logs of the processes are in {folder}; the next attempt resumes after the "
                "last finished epoch",
            )
        if reports and reports[0]["kind"] == "stopped":
            return _error_of(reports[0])
        if reports:
            rank, text = reports[0]["rank"], reports[0]["parts"][0]
            file = _log(folder, rank)
            return RuntimeError(f"process {rank + 1} of {size}: {text} (traceback in {file})")
        refused = _srun_error(folder)
        if refused:
            return UserError(
                "srun",
                f"the processes could not be started ({refused})",
                "compare compute.devices and compute.nodes with what the job has got",
            )
        rank = next(rank for rank, state in enumerate(states) if state)
        return RuntimeError(f"process {rank + 1} ended with status {states[rank]}, see {folder}")


def _killed(states: Sequence[int | None], folder: Path) -> str:
    """Return which process was killed, as reported by the system or by srun; else an empty text."""
    for rank, state in enumerate(states):
        if state is not None and state < 0:
            name = signal.Signals(-state).name
            hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
            return f"process {rank + 1} of {len(states)} was ended by {name}{hint}"
    line = _srun_error(folder, _KILLED_TASK)
    return f"a process was ended ({line})" if line else ""


def _srun_error(folder: Path, pattern: re.Pattern[str] = re.compile("error:")) -> str:
    """Return the first line of srun with ``pattern``, else an empty text."""
    with suppress(OSError):
        for line in (folder / _SRUN_LOG).read_text(encoding="utf-8").splitlines():
            if pattern.search(line):
                return line.strip()
    return ""


def _reports(folder: Path) -> list[dict[str, Any]]:
    """Return what processes wrote when they failed, the earliest first."""
    reports = [read_json(path) for path in folder.glob("error-*.json")]
    return sorted(reports, key=lambda report: float(report["time_s"]))


def _error_of(report: Mapping[str, Any]) -> UserError:
    return (StoppedError if report["kind"] == "stopped" else UserError)(*report["parts"])


def serve(train: Train) -> None:
    """Be one process of a team: the program of ``python -m MODULE REQUEST.json``."""
    content = read_json(sys.argv[1])
    place = content["place"]
    folder = Path(place["folder"])
    compute = ComputeConfig.model_validate(place["compute"])
    team = _own_team(compute)
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    _lines_of(team)
    try:
        with (
            StopSignals().raised_as(_stopped),
            joined(team, place["address"], place["port"], compute.device),
        ):
            result = train(content["request"], team)
        if team.leads:
            write_json(folder / _RESULT, result)
    except BaseException as error:
        _report(folder, team.rank, error)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not by the usual way: libraries would wait for the other processes.
        os._exit(1)


def _own_team(compute: ComputeConfig) -> Team:
    rank = int(os.environ.get(_RANK) or os.environ["SLURM_PROCID"])
    local = int(os.environ.get(_RANK) or os.environ["SLURM_LOCALID"])
    return Team(rank, compute.processes, local, compute.devices)


def _end_with_launcher() -> None:
    """End when the launcher has gone, however it went: its end of the pipe closes."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(1)


def _lines_of(team: Team) -> None:
    """Send the leader's lines to the launcher, those of the others to their logs."""
    if not team.leads:
        os.dup2(2, 1)
    handler = logging.StreamHandler(sys.stdout if team.leads else sys.stderr)
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def _report(folder: Path, rank: int, error: BaseException) -> None:
    if isinstance(error, UserError):
        kind = "stopped" if isinstance(error, StoppedError) else "mistake"
        parts = [error.subject, error.problem, error.fix]
        print_lines([f"error: {error}"], sys.stderr)
    else:
        first = str(error).splitlines()[0] if str(error) else ""
        kind, parts = "crash", [f"{type(error).__name__}: {first}"]
        traceback.print_exception(error)
    report = {"rank": rank, "time_s": time.time(), "kind": kind, "parts": parts}
    # The disk may be full: the line is in the log of the process then.
    with suppress(OSError, UserError):
        write_json(folder / f"error-{rank}.json", report)
