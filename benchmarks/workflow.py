"""What the workflow itself costs: the dry run of the paper and the whole embedded default.

    python benchmarks/workflow.py             # dry run only, seconds
    python benchmarks/workflow.py --default   # also the default run, minutes

The dry run is set against an empty Snakefile in the same minute, so that a slow machine does not
look like a slow workflow. The default run is set against its goals, 10 minutes on 2 cores and
8 GB, which are absolute because a user waits in minutes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "profiles", "workflow", "src", "config", "envs")
TARGET = "results/caffe_mde.json"
GOAL_DEFAULT_S = 600
GOAL_MEMORY_GB = 8
GOAL_DRY_RUN_S = 10


def snakemake(folder: Path, *arguments: str) -> list[str]:
    """Return the command line of a run in ``folder``."""
    return [sys.executable, "-m", "snakemake", "--directory", str(folder), *arguments]


def seconds(command: list[str], folder: Path) -> float:
    """Return the wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def peak_memory_gb(process: subprocess.Popen[bytes], every_s: float = 0.5) -> list[float]:
    """Watch a process with its children; the list holds the largest sum of resident memory."""
    peak = [0.0]

    def watch() -> None:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            total = 0
            for member in [parent, *parent.children(recursive=True)]:
                try:
                    total += member.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], total / 1e9)
            time.sleep(every_s)

    threading.Thread(target=watch, daemon=True).start()
    return peak


def copy_project(folder: Path) -> Path:
    """Copy what a run needs, so that the checkout keeps its own results."""
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    return folder


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--default", action="store_true", help="also run the embedded default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        house = copy_project(Path(name))
        empty = house / "empty"
        empty.mkdir()
        (empty / "Snakefile").write_text("rule all:\n    input: []\n")
        dry = snakemake(house, "-n", "--configfile", "config/paper.yaml", "--", TARGET)
        rounds = [(seconds(dry, house), seconds(snakemake(empty, "-n"), empty)) for _ in range(3)]
        paper_s, empty_s = (statistics.median(times) for times in zip(*rounds, strict=True))
        print(f"dry run of the paper: {paper_s:.1f} s (goal {GOAL_DRY_RUN_S} s)")
        print(f"ratio to an empty Snakefile: {paper_s / empty_s:.2f}")
        if not options.default:
            return
        start = time.perf_counter()
        process = subprocess.Popen(
            snakemake(house, "--cores", "2", "--", TARGET), cwd=house, stderr=subprocess.DEVNULL
        )
        peak_gb = peak_memory_gb(process)
        code = process.wait()
        elapsed_s = time.perf_counter() - start
        print(f"default run on 2 cores: {elapsed_s:.0f} s, exit {code}")
        print(f"ratio to the goal of {GOAL_DEFAULT_S} s: {elapsed_s / GOAL_DEFAULT_S:.2f}")
        print(f"ratio to the goal of {GOAL_MEMORY_GB} GB: {peak_gb[0] / GOAL_MEMORY_GB:.2f}")


if __name__ == "__main__":
    main()
