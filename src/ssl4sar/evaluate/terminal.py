"""The result on a terminal: what may be concluded first, then the numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ssl4sar.core.printing import console as safe_console
from ssl4sar.evaluate.result_schema import CaffeResult, Spread, validate_result


def print_summary(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a result.

    Args:
        result: content of the result file.
        console: where to print; standard output by default.
    """
    content = validate_result(dict(result))
    where = console or safe_console(highlight=False, width=plain_width())
    dataset = content.dataset
    if not dataset.comparable_with_published:
        kind = "SYNTHETIC" if dataset.synthetic else "NOT COMPARABLE WITH PUBLISHED NUMBERS"
        where.print(Panel(Text(dataset.note), title=Text(kind, style="bold"), style="yellow"))
    where.print(_table(content))
    for warning in content.text:
        if warning != dataset.note:
            where.print(Text(f"warning: {warning}", style="yellow"))


def plain_width() -> int | None:
    """Return the width of a console that is no terminal, None for a terminal."""
    # A log file has no width; the default of 80 columns would break the table.
    return None if sys.stdout.isatty() else 110


def _table(result: CaffeResult) -> Table:
    table = Table(title=Text(f"{result.dataset.name}: {result.images} images"))
    table.add_column("prediction", overflow="fold")
    for heading in ("MDE (m)", "no front", "IoU pooled", "IoU image mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in result.runs:
        table.add_row(
            "this folder" if run.seed is None else f"seed {run.seed}",
            metres(run.mde_m),
            str(run.no_front),
            share(run.iou_pooled),
            share(run.iou_image_mean),
        )
    if len(result.runs) > 1:
        table.add_row(
            "mean ± std over the seeds",
            plus_minus(result.mde_m, metres),
            "",
            plus_minus(result.iou_pooled, share),
            "",
            style="bold",
        )
        table.add_row("median", metres(result.mde_m.median), "", share(result.iou_pooled.median))
    table.add_section()
    table.add_row("floor: the true zones", metres(result.floor_m))
    for baseline in result.baselines.values():
        table.add_row(
            f"trivial: {baseline.title}",
            metres(baseline.mde_m),
            str(baseline.no_front),
            share(baseline.iou_pooled),
            share(baseline.iou_image_mean),
        )
    return table


def metres(value: float | None) -> str:
    """Return metres with one digit, or a dash."""
    return "-" if value is None else f"{value:.1f}"


def share(value: float | None) -> str:
    """Return a share of 0-1 with three digits, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def plus_minus(spread: Spread, text: Callable[[float | None], str]) -> str:
    """Return mean and standard deviation as :func:`metres` or :func:`share` tell them."""
    return f"{text(spread.mean)} ± {text(spread.std)}"
