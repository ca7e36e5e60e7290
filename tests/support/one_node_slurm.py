"""A SLURM of one node for the tests: 2 CPUs and 2 made-up GPUs on this machine.

SLURM reads /etc/slurm/slurm.conf in every job, so the configuration must lie there while the node
runs; all else lies in one private folder. What belongs to somebody else is never touched: a
configuration without our first line, a port in use, a cluster in the environment, and no package
is installed unless the environment variable ``SSL4SAR_INSTALL_SLURM`` is 1.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from project_copy import FOREIGN
from waiting import wait_until

CONFIG_FOLDER: Final = Path("/etc/slurm")
CONFIG_FILES: Final = (CONFIG_FOLDER / "slurm.conf", CONFIG_FOLDER / "gres.conf")
#: First line of our configuration files; the folder after it holds everything else.
MARKER: Final = "# Made by the tests of ssl4sar, removed when they end. Folder: "
BASE_NAME: Final = "ssl4sar-slurm-"
LOCK: Final = Path("/run/ssl4sar-slurm-tests.lock")
PORTS: Final = (6817, 6818)
PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
#: How the names of the processes begin that these programs leave running.
DAEMONS: Final = ("munged", "slurm")
PACKAGES: Final = (
    "slurm-wlm",
    "slurm-wlm-basic-plugins",
    "slurm-client",
    "slurmctld",
    "slurmd",
    "munge",
)
INSTALL: Final = "SSL4SAR_INSTALL_SLURM"
#: More than any node of a test machine has: SLURM only counts it, nothing takes it.
MEMORY_MB: Final = 64_000


class Unavailable(Exception):  # noqa: N818
    """Why there can be no SLURM on this machine, in one sentence."""


@dataclass(frozen=True)
class SlurmJob:
    """What the controller knows of a job."""

    number: int
    #: ``rule_NAME`` or ``rule_NAME_wildcards_VALUES``, given by Snakemake.
    comment: str
    state: str
    memory_mb: float
    limit_min: int
    #: Generic resources asked for, e.g. ``gres:gpu:a100:1``; empty for none.
    gpus: str

    @property
    def rule(self) -> str:
        return self.comment.removeprefix("rule_").split("_wildcards_")[0]

    @property
    def active(self) -> bool:
        return self.state in {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"}


@dataclass
class OneNodeSlurm:
    """The running node."""

    base: Path

    def jobs(self, folder: Path) -> list[SlurmJob]:
        """Return the jobs submitted from a folder, ended ones too, oldest first."""
        lines = command("scontrol", "show", "job", "-o").splitlines()
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if "JobId=" in line]
        jobs = [_job(fields) for fields in found if fields.get("WorkDir") == str(folder)]
        return sorted(jobs, key=lambda job: job.number)

    def cancel(self, folder: Path) -> None:
        """Cancel the jobs of a folder and wait until their processes are gone."""
        active = [str(job.number) for job in self.jobs(folder) if job.active]
        if active:
            command("scancel", *active)
        wait_until(lambda: not any(job.active for job in self.jobs(folder)), "jobs to end")

    def hold_new_jobs(self, hold: bool) -> None:
        """Accept jobs but start none, or start them again."""
        command("scontrol", "update", "PartitionName=main", f"State={'DOWN' if hold else 'UP'}")


def _job(fields: dict[str, str]) -> SlurmJob:
    return SlurmJob(
        number=int(fields["JobId"]),
        comment=fields.get("Comment", ""),
        state=fields["JobState"],
        memory_mb=_megabytes(fields.get("MinMemoryNode", "0")),
        limit_min=_minutes(fields["TimeLimit"]),
        gpus=fields.get("TresPerJob", fields.get("TresPerNode", "")),
    )


def _megabytes(text: str) -> float:
    unit = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}.get(text[-1])
    return float(text) if unit is None else float(text[:-1]) * unit


def _minutes(text: str) -> int:
    days, _, clock = text.rpartition("-")
    hours, minutes, _ = clock.split(":")
    return (int(days or 0) * 24 + int(hours)) * 60 + int(minutes)


def environment() -> dict[str, str]:
    """Return the environment without what points to another SLURM."""
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}


def command(*words: str, timeout_s: float = 60) -> str:
    """Run a command and return what it printed; its failure is an error."""
    done = subprocess.run(
        words, env=environment(), capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def one_node_slurm() -> Iterator[OneNodeSlurm]:
    """Start the node and stop it at the end, whatever happens between.

    Raises:
        Unavailable: SLURM cannot or must not run here.
        RuntimeError: it should run, but does not.
    """
    _refuse_foreign()
    with _only_session():
        _remove_leftovers()
        _refuse_used_ports()
        _install()
        base = Path(tempfile.mkdtemp(prefix=BASE_NAME))
        # The socket of munge wants its folders open to those who know the name.
        base.chmod(0o711)
        try:
            _configure(base)
            _start(base)
            yield OneNodeSlurm(base)
        finally:
            _remove(base)


def _refuse_foreign() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("SLURM for the tests needs Linux and root: its daemons run jobs")
    if "SLURM_CONF" in os.environ or "SLURM_JOB_ID" in os.environ:
        raise Unavailable("the environment names a SLURM already (SLURM_CONF or SLURM_JOB_ID)")
    for path in CONFIG_FILES:
        if path.exists() and not _is_ours(path):
            raise Unavailable(f"{path} belongs to somebody else and is left alone")


def _is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8", errors="replace").startswith(MARKER)


@contextmanager
def _only_session() -> Iterator[None]:
    with LOCK.open("w") as stream:
        try:
            # Gone with this process, however it ends; the daemons do not inherit it.
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable("another test session runs its SLURM on this machine") from error
        yield


def _remove_leftovers() -> None:
    """Stop and remove the node of a test session that was killed."""
    for path in CONFIG_FILES:
        if path.exists():
            named = path.read_text(encoding="utf-8").splitlines()[0].removeprefix(MARKER)
            if re.fullmatch(rf"/.*/{BASE_NAME}\w+", named):
                _remove(Path(named))
            path.unlink(missing_ok=True)


def _refuse_used_ports() -> None:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Unavailable(f"port {port} of SLURM is in use") from error


def _install() -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if not missing:
        return
    if os.environ.get(INSTALL) != "1":
        raise Unavailable(
            f"SLURM is not installed ({missing[0]} is missing): set {INSTALL}=1 to let the tests "
            f"install it, or: apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        )
    if shutil.which("apt-get") is None:
        raise Unavailable("SLURM is not installed, and there is no apt-get to install it with")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for words in (["apt-get", "update", "-q"], install):
        done = subprocess.run(
            words, env=quiet, capture_output=True, text=True, timeout=600, check=False
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"apt-get could not install SLURM: {last}")


def _configure(base: Path) -> None:
    for name in ("state", "spool", "log", "munge"):
        (base / name).mkdir()
    key = base / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    host = socket.gethostname().split(".")[0]
    gpus = [base / f"gpu{index}" for index in range(2)]
    for gpu in gpus:
        gpu.touch()
    for name in ("slurmctld.log", "slurmd.log"):
        (base / "log" / name).touch()
    settings = f"""\
        ClusterName=loopback
        SlurmctldHost={host}(127.0.0.1)
        CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
        AuthType=auth/munge
        AuthInfo=socket={base}/munge/socket
        SlurmUser=root
        SlurmdUser=root
        SlurmctldPort={PORTS[0]}
        SlurmdPort={PORTS[1]}
        StateSaveLocation={base}/state
        SlurmdSpoolDir={base}/spool
        SlurmctldPidFile={base}/slurmctld.pid
        SlurmdPidFile={base}/slurmd.pid
        SlurmctldLogFile={base}/log/slurmctld.log
        SlurmdLogFile={base}/log/slurmd.log
        ProctrackType=proctrack/linuxproc
        TaskPlugin=task/none
        SelectType=select/cons_tres
        SelectTypeParameters=CR_Core_Memory
        SchedulerType=sched/backfill
        SchedulerParameters=sched_interval=1,batch_sched_delay=0
        MpiDefault=none
        ReturnToService=2
        SlurmdParameters=config_overrides
        KillWait=5
        JobAcctGatherType=jobacct_gather/linux
        JobAcctGatherFrequency=5
        AccountingStorageType=accounting_storage/none
        MinJobAge=3600
        OverTimeLimit=60
        GresTypes=gpu
        NodeName={host} NodeAddr=127.0.0.1 CPUs=2 CoresPerSocket=2 RealMemory={MEMORY_MB} \
Gres=gpu:a100:2 State=UNKNOWN
        PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
    """
    gres = f"NodeName={host} Name=gpu Type=a100 File={base}/gpu[0-1]"
    CONFIG_FOLDER.mkdir(exist_ok=True)
    for path, text in zip(CONFIG_FILES, (settings, gres), strict=True):
        lines = [line.strip() for line in text.splitlines()]
        path.write_text("\n".join([f"{MARKER}{base}", *lines, ""]), encoding="utf-8")


def _start(base: Path) -> None:
    sbin = {**environment(), "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    munge = base / "munge"
    places = ("key-file", "socket", "pid-file", "log-file", "seed-file")
    daemons = (
        ["munged", *(f"--{option}={munge}/{option.split('-')[0]}" for option in places)],
        ["slurmctld", "-f", str(CONFIG_FILES[0])],
        ["slurmd", "-f", str(CONFIG_FILES[0])],
    )
    for words in daemons:
        # To a file and not to a pipe: the daemon would hold the pipe open.
        with (base / "log" / f"{words[0]}.start").open("w") as told:
            done = subprocess.run(
                words, env=sbin, cwd=base, stdout=told, stderr=told, timeout=60, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]} did not start\n{_logs(base)}")
    try:
        wait_until(lambda: _node_state() == "idle", "an idle node", timeout_s=60)
    except TimeoutError as error:
        raise RuntimeError(f"SLURM did not come up ({_node_state()})\n{_logs(base)}") from error


def _node_state() -> str:
    try:
        return command("sinfo", "-h", "-o", "%t", timeout_s=20).strip()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)


def _logs(base: Path) -> str:
    files = [*sorted((base / "log").iterdir()), base / "munge" / "log"]
    texts = [(file.name, file.read_text(errors="replace")) for file in files if file.is_file()]
    return "\n".join(f"--- {name}\n{text[-2000:]}" for name, text in texts if text)


def _remove(base: Path) -> None:
    """Stop what runs in the folder, and remove the folder and the configuration."""
    processes = _processes_of(base)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    with suppress(TimeoutError):
        wait_until(lambda: not any(map(_alive, processes)), "daemons to end", timeout_s=10)
    remaining = [*filter(_alive, processes), *_processes_of(base)]
    for process in remaining:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    with suppress(TimeoutError):
        wait_until(lambda: not any(map(_alive, remaining)), "killed daemons to end", timeout_s=10)
    for path in CONFIG_FILES:
        if path.exists() and _is_ours(path):
            path.unlink()
    shutil.rmtree(base, ignore_errors=True)


def _alive(process: psutil.Process) -> bool:
    # In a container nobody may collect the dead.
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _processes_of(base: Path) -> list[psutil.Process]:
    """Return the daemons with files in the folder, their jobs, and all that these started."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if not process.name().startswith(DAEMONS):
                continue
            told = [process.cwd(), *process.cmdline(), *(f.path for f in process.open_files())]
            if any(str(base) in text for text in told):
                found |= {process, *process.children(recursive=True)}
    return list(found)
