"""Progress of long work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

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
    """Within the block progress is told in plain lines, also in a terminal."""
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
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(counted, total=count, description=description)


def tell(line: str) -> None:
    """Tell a line of progress to the job's log, or to standard error outside a job."""
    # Libraries may give the root logger handlers that drop lines of this level.
    if LOGGER.hasHandlers() and LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(line)
    elif not bars_allowed():
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _count(items: Iterable[T], description: str, count: int | None) -> Iterator[T]:
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_INTERVAL_S:
            last = now
            tell(f"{description}: {done}/{count or '?'} after {now - start:.0f} s")
    tell(f"{description}: {done} done in {time.monotonic() - start:.1f} s")
