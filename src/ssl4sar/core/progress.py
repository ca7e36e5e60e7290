"""Progress of long work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
LINE_INTERVAL_S = 10.0


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and show how far the loop is on standard error.

    Args:
        items: what to loop over.
        description: what is done, e.g. "rendering scenes".
        total: number of items where ``items`` has no length.
    """
    count = total if total is not None else (len(items) if isinstance(items, Sized) else None)
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        from rich.console import Console

        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield from bar.track(items, total=count, description=description)
        return
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_INTERVAL_S:
            last = now
            _line(f"{description}: {done}/{count or '?'} after {now - start:.0f} s")
    _line(f"{description}: {done} done in {time.monotonic() - start:.1f} s")


def _line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
