"""The comparison of starting points on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ssl4sar.core.printing import console as safe_console
from ssl4sar.evaluate.comparison_schema import PretrainingComparison, validate_comparison
from ssl4sar.evaluate.comparison_text import TITLES, p_text
from ssl4sar.evaluate.result_schema import Spread
from ssl4sar.evaluate.terminal import metres, plain_width, plus_minus, share


def print_comparison(comparison: Mapping[str, Any], console: Console | None = None) -> None:
    """Print a comparison: what the numbers mean, the runs, the pairs, what may be concluded.

    Args:
        comparison: content of the comparison file.
        console: where to print; standard output by default.
    """
    content = validate_comparison(dict(comparison))
    where = console or safe_console(highlight=False, width=plain_width())
    dataset = content.dataset
    if not dataset.comparable_with_published:
        kind = "SYNTHETIC" if dataset.synthetic else "NOT COMPARABLE WITH PUBLISHED NUMBERS"
        where.print(Panel(Text(dataset.note), title=Text(kind, style="bold"), style="yellow"))
    where.print(_runs_table(content))
    if content.pairs:
        where.print(_pairs_table(content))
    for sentence in content.text:
        if sentence != dataset.note:
            where.print(Text(f"* {sentence}"))


def _runs_table(content: PretrainingComparison) -> Table:
    title = f"{content.dataset.name}: starting points, {content.images} images"
    table = Table(title=Text(title))
    table.add_column("start", overflow="fold")
    for heading in ("runs", "MDE mean ± std (m)", "median (m)", "IoU mean ± std", "no front"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, point in content.variants.items():
        table.add_row(
            TITLES[name],
            str(len(point.runs)),
            _spread(point.mde_m, metres),
            metres(point.mde_m.median),
            _spread(point.iou_pooled, share),
            ",".join(str(run.no_front) for run in point.runs),
        )
    for name in content.skipped:
        table.add_row(TITLES[name], "skipped", "-", "-", "-", "-")
    references = content.references
    table.add_section()
    table.add_row("floor: the true zones", "", metres(references.floor_m), "", "", "")
    table.add_row(
        "best trivial",
        "",
        metres(references.trivial_mde_m),
        "",
        share(references.trivial_iou_pooled),
        "",
    )
    return table


def _pairs_table(content: PretrainingComparison) -> Table:
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
