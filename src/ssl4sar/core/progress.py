"""Progress of long work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ssl4sar.core.printing import console, print_lines
from ssl4sar.core.wording import printable

T = TypeVar("T")
LOGGER: Final = logging.getLogger("ssl4sar")
LINE_INTERVAL_S: Final = 10.0


@dataclass
class _Screen:
    """Whose screen it is: bars of several jobs would overwrite each other."""

    shared: bool = False


_SCREEN: Final = _Screen()


def bars_allowed() -> bool:
    """Return whether progress may be drawn as bars: in a terminal that is not shared."""
    return sys.stderr.isatty() and not _SCREEN.shared


@contextmanager
def plain_lines() -> Iterator[None]:
    """Within the block progress is shown in plain lines, also in a terminal."""
    before = _SCREEN.shared
    _SCREEN.shared = True
    try:
        yield
    finally:
        _SCREEN.shared = before


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and show how far the loop is: a bar in a terminal, plain lines elsewhere.

    Where the logger ``ssl4sar`` has handlers (in a job of the workflow) the lines go there too.

    Args:
        items: what to loop over.
        description: what is done, e.g. "rendering scenes".
        total: number of items where ``items`` has no length.
    """
    count = total if total is not None else (len(items) if isinstance(items, Sized) else None)
    counted = _count(items, description, count)
    if not bars_allowed():
        yield from counted
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as bar:
        yield from bar.track(counted, total=count, description=description)


def track_bytes(
    sizes: Iterable[int], description: str, total_bytes: int | None, present_bytes: int = 0
) -> None:
    """Exhaust ``sizes``, in bytes, and show how many have come, how fast, and the time left.

    Args:
        sizes: yields the size of each piece once it is there.
        description: what is done, e.g. "downloading data.zip".
        total_bytes: of the whole; None where it is not known.
        present_bytes: what was there before.
    """
    counted = _count_bytes(sizes, description, total_bytes, present_bytes)
    # Of several transfers in one process only one can have the screen: threads write lines.
    if not bars_allowed() or threading.current_thread() is not threading.main_thread():
        for _ in counted:
            pass
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task(description, total=total_bytes, completed=present_bytes)
        for size in counted:
            bar.advance(task, size)


def log(line: str) -> None:
    """Write a line of progress to the job's log, or to standard error outside a job."""
    line = printable(line)
    # Libraries may give the root logger handlers that drop lines of this level.
    if LOGGER.hasHandlers() and LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(line)
    elif not bars_allowed():
        print_lines([line], sys.stderr)


def _count(items: Iterable[T], description: str, count: int | None) -> Iterator[T]:
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_INTERVAL_S:
            last = now
            log(f"{description}: {done}/{count or '?'} after {now - start:.0f} s")
    log(f"{description}: {done} done in {time.monotonic() - start:.1f} s")


def _count_bytes(
    sizes: Iterable[int], description: str, total_bytes: int | None, present_bytes: int
) -> Iterator[int]:
    start = last = time.monotonic()
    done = 0
    for size in sizes:
        done += size
        yield size
        now = time.monotonic()
        if now - last >= LINE_INTERVAL_S:
            last = now
            rate = done / max(now - start, 1e-9)
            log(f"{description}: {_far(present_bytes + done, total_bytes, rate)}")
    passed_s = time.monotonic() - start
    rate_mb_s = done / max(passed_s, 1e-9) / 1e6
    log(f"{description}: {done / 1e6:.1f} MB in {passed_s:.1f} s ({rate_mb_s:.1f} MB/s)")


def _far(done_bytes: int, total_bytes: int | None, rate_bytes_s: float) -> str:
    speed = f"{rate_bytes_s / 1e6:.1f} MB/s"
    if total_bytes is None:
        return f"{done_bytes / 1e6:.1f} MB, {speed}"
    left_s = max(total_bytes - done_bytes, 0) / max(rate_bytes_s, 1.0)
    return f"{done_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB, {speed}, {left_s:.0f} s left"
