"""What surrounds a job: versions, device, host, cluster job, commit."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ssl4sar.version import VERSION

#: Libraries that can change a result.
_PACKAGES: Final = (
    "lightning",
    "matplotlib",
    "numpy",
    "pillow",
    "pydantic",
    "safetensors",
    "scipy",
    "snakemake",
    "timm",
    "torch",
)
#: What a commit of the project decides; results and notes beside it do not count as changes.
_DECIDING: Final = ("Snakefile", "workflow", "src", "config")
_SLURM: Final = (
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NUM_NODES",
    "SLURM_RESTART_COUNT",
)
_GIT_TIMEOUT_S: Final = 20


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that decide results."""
    found = {"python": platform.python_version(), "ssl4sar": VERSION}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return host, processor architecture, cores and, where torch is in use, its devices."""
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "devices": _devices(),
    }


def _devices() -> list[str]:
    # A job that does not compute with torch must not import it: that takes seconds.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ["cpu"]
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]


def cluster() -> dict[str, str]:
    """Return what SLURM says of this job; empty outside SLURM."""
    return {name.lower(): os.environ[name] for name in _SLURM if name in os.environ}


def commit(project: Path) -> dict[str, Any] | None:
    """Return the commit of a checkout and whether its deciding files differ from it.

    Returns:
        ``{"commit": hexadecimal, "changed": bool}``; None outside a repository or without git.
    """
    # A project that merely is in somebody's repository is not part of it.
    if _git(project, "ls-files", "--error-unmatch", "Snakefile") is None:
        return None
    head = _git(project, "rev-parse", "HEAD")
    if head is None:
        return None
    status = _git(project, "status", "--porcelain", "--", *_DECIDING)
    return {"commit": head.strip(), "changed": status is None or bool(status.strip())}


def _git(project: Path, *arguments: str) -> str | None:
    # Without optional locks a job never gets in the way of a person who commits meanwhile.
    # On a cluster the clone may belong to another user, whose word on the commit is good enough.
    trust = ["-c", "safe.directory=*"]
    command = ["git", *trust, "--no-optional-locks", "-C", str(project), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
