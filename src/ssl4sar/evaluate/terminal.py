"""Result and comparison on a terminal: what may be concluded first, then the numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ssl4sar.core.printing import console as safe_console
from ssl4sar.evaluate.comparison_text import p_text
from ssl4sar.evaluate.schema import (
    CaffeResult,
    Comparison,
    Dataset,
    Spread,
    read_comparison,
    read_result,
    value_of,
)

_SHARES: Final = ("recall\n500 m", "precision\n500 m")


def print_summary(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a result.

    Args:
        result: content of the result file.
        console: where to print; standard output by default.
    """
    content = read_result(result)
    where = _console(content.dataset, console)
    where.print(_table(content))
    for warning in content.text:
        if warning != content.dataset.note:
            where.print(Text(f"warning: {warning}", style="yellow"))


def print_comparison(comparison: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a comparison: what the numbers mean, the runs, the pairs, what may be concluded.

    Args:
        comparison: content of the comparison file.
        console: where to print; standard output by default.
    """
    content = read_comparison(comparison)
    where = _console(content.dataset, console)
    where.print(_runs_table(content))
    if content.pairs:
        where.print(_pairs_table(content))
    for sentence in content.text:
        if sentence != content.dataset.note:
            where.print(Text(f"* {sentence}"))


def _console(dataset: Dataset, console: Console | None) -> Console:
    """Return where to print, after what the numbers mean."""
    # A log file has no width; the default of 80 columns would break the tables.
    width = None if sys.stdout.isatty() else 130
    where = console or safe_console(highlight=False, width=width)
    if not dataset.comparable_with_published:
        kind = "SYNTHETIC" if dataset.synthetic else "NOT COMPARABLE WITH PUBLISHED NUMBERS"
        where.print(Panel(Text(dataset.note), title=Text(kind, style="bold"), style="yellow"))
    return where


def _table(result: CaffeResult) -> Table:
    model = "" if result.model is None else f", {result.model.name}"
    table = Table(title=Text(f"{result.dataset.name}{model}: {result.images} images"))
    table.add_column("prediction", overflow="fold")
    for heading in ("MDE (m)", "no front", *_SHARES, "IoU\npooled", "IoU\nimage mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in result.runs:
        table.add_row(
            run.member or "this folder",
            metres(run.mde_m),
            str(run.no_front),
            share(run.front_recall_500m),
            share(run.front_precision_500m),
            share(run.iou_pooled),
            share(run.iou_image_mean),
        )
    if len(result.runs) > 1:
        table.add_row(
            "mean ± std over the runs",
            plus_minus(result.mde_m, metres),
            "",
            plus_minus(result.front_recall_500m, share),
            plus_minus(result.front_precision_500m, share),
            plus_minus(result.iou_pooled, share),
            "",
            style="bold",
        )
        table.add_row(
            "median",
            metres(result.mde_m.median),
            "",
            share(result.front_recall_500m.median),
            share(result.front_precision_500m.median),
            share(result.iou_pooled.median),
        )
    table.add_section()
    table.add_row(
        "floor: the true zones",
        metres(result.floor_m),
        _count(result.floor_no_front),
        share(result.floor_front_recall_500m),
        share(result.floor_front_precision_500m),
    )
    for baseline in result.baselines.values():
        table.add_row(
            f"trivial: {baseline.title}",
            metres(baseline.mde_m),
            str(baseline.no_front),
            share(baseline.front_recall_500m),
            share(baseline.front_precision_500m),
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


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def plus_minus(spread: Spread, text: Callable[[float | None], str]) -> str:
    """Return mean and standard deviation as :func:`metres` or :func:`share` write them."""
    return f"{text(spread.mean)} ± {text(spread.std)}"


def _runs_table(content: Comparison) -> Table:
    title = f"{content.dataset.name}: {content.images} images"
    table = Table(title=Text(title))
    table.add_column("model", overflow="fold")
    table.add_column("starting\nweights", no_wrap=True)
    distance = ("MDE (m)\nmean ± std", "MDE (m)\nmedian")
    for heading in ("runs", *distance, *_SHARES, "IoU\npooled", "no front"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in content.models:
        table.add_row(
            point.name,
            point.model.weights,
            str(len(point.runs)),
            _spread(point.mde_m, metres),
            metres(point.mde_m.median),
            _spread(point.front_recall_500m, share),
            _spread(point.front_precision_500m, share),
            _spread(point.iou_pooled, share),
            ",".join(str(run.no_front) for run in point.runs),
        )
    references = content.references
    table.add_section()
    table.add_row(
        "floor: the true zones",
        "",
        "",
        metres(references.floor_m),
        "",
        share(references.floor_front_recall_500m),
        share(references.floor_front_precision_500m),
        "",
        _count(references.floor_no_front),
    )
    best = references.best_trivial_mde_m
    table.add_row(
        "best trivial",
        "",
        "",
        metres(value_of(best)),
        "",
        share(value_of(references.best_trivial_front_recall_500m)),
        share(value_of(references.best_trivial_front_precision_500m)),
        share(value_of(references.best_trivial_iou_pooled)),
        _count(None if best is None else best.no_front),
    )
    return table


def _pairs_table(content: Comparison) -> Table:
    table = Table(title=Text("is the second better than the first? (MDE)"))
    table.add_column("pair", overflow="fold")
    for heading in ("by (m)", "effect", "pooled", "p", "least p", "Levene p", "permuted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in content.pairs:
        tests = pair.mde_m
        table.add_row(
            f"{pair.baseline} > {pair.opponent}",
            metres(tests.mean_advantage),
            _two_digits(tests.effect_size),
            _two_digits(tests.effect_size_pooled),
            _p(tests.mann_whitney_p),
            _p(tests.mann_whitney_least_p),
            _p(tests.levene_p),
            _p(tests.levene_permutation_p),
        )
    return table


def _spread(spread: Spread, text: Callable[[float | None], str]) -> str:
    return plus_minus(spread, text) if spread.runs > 1 else text(spread.mean)


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    return "-" if value is None else p_text(value)
