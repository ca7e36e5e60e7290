"""Time and memory to ask a scheduler for, from what earlier runs of the same rule took.

Snakemake writes a benchmark record per job: a table with a row of seconds and megabytes. Of a
training that was interrupted it holds the last piece only; its table of epochs holds all of them.
Records are hints: whatever is missing, damaged or empty is passed over. Resources are not
parameters, so nothing reruns because of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

#: Machines differ and are shared: ask for more than it took.
TIME_MARGIN: Final = 1.5
MEMORY_MARGIN: Final = 1.2
#: Start-up of Python and file systems that wake up take minutes at worst.
LEAST_RUNTIME_MIN: Final = 10
_COLUMNS: Final = ("s", "max_rss", "max_pss")
_MB_PER_MIB: Final = 1.048576


def runtime_min(
    folders: Sequence[Path], rule: str, default_min: int, attempt: int, run: Path | None = None
) -> int:
    """Return the run time to multiply with the attempt, minutes.

    Args:
        folders: where the benchmark records of one study are.
        rule: name of the rule, and behind a slash of the model where it has one; all its jobs
            count, since seeds cost alike.
        default_min: what to ask for where there is no record.
        attempt: from 1. After a failure the default counts too: an edit of the configuration may
            have made the job longer than any record, and a failed job leaves no new record.
        run: folder of the study whose tables of epochs count too; None: the rule has none.
    """
    taken_s = [row["s"] for row in _rows(folders, rule)]
    if run is not None:
        taken_s += [_trained_s(path) for path in sorted(run.glob(f"{_folder(rule)}/*/metrics.csv"))]
    longest_s = max(taken_s, default=0.0)
    if longest_s <= 0:
        return default_min
    recorded_min = max(LEAST_RUNTIME_MIN, math.ceil(TIME_MARGIN * longest_s / 60))
    return recorded_min if attempt == 1 else max(recorded_min, default_min)


def training_min(benchmark: Path, metrics: Path) -> float | None:
    """Return the minutes that a training took, None where nothing is on record.

    Args:
        benchmark: its benchmark record, of the last piece alone if it was interrupted.
        metrics: its table of epochs.
    """
    recorded = [_number(row.get("s")) for row in _table(benchmark, "\t")]
    return max([*recorded, _trained_s(metrics)]) / 60 or None


def mem_mb(folders: Sequence[Path], rule: str, default_mb: int) -> int:
    """Return the memory to multiply with the attempt, MB; never less than the default.

    Args:
        folders: where the benchmark records of one study are.
        rule: name of the rule.
        default_mb: what to ask for where there is no record.
    """
    # A store that several loaders map counts once in PSS and once per process in RSS.
    rows = _rows(folders, rule)
    largest_mib = max((row["max_pss"] or row["max_rss"] for row in rows), default=0.0)
    return max(default_mb, math.ceil(MEMORY_MARGIN * largest_mib * _MB_PER_MIB))


def _rows(folders: Sequence[Path], rule: str) -> Iterator[dict[str, float]]:
    """Yield seconds and MiB (whole process tree) of every job of a rule that is on record."""
    for folder in folders:
        for path in (folder / f"{rule}.tsv", *sorted((folder / rule).rglob("*.tsv"))):
            for row in _table(path, "\t"):
                yield {key: _number(row.get(key)) for key in _COLUMNS}


def _folder(rule: str) -> str:
    """Return the folder of a training's tables: pretrain/TASK or finetune/MODEL."""
    name, _, model = rule.partition("/")
    stage, _, task = name.partition("_")
    return f"{stage}/{model or task or '*'}"


def _trained_s(path: Path) -> float:
    return sum(_number(row.get("duration_s")) for row in _table(path, ","))


def _table(path: Path, delimiter: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=delimiter))
    except (OSError, ValueError, csv.Error):
        return []


def _number(text: object) -> float:
    """Return a finite positive number, else 0: Snakemake writes NA and - where it knows nothing."""
    try:
        value = float(str(text))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
