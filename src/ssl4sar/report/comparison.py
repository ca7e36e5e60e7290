"""The comparison of models: the file of numbers, its table, and its figure of every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes

from ssl4sar.core.atomic import write_json
from ssl4sar.dataset.manifest import TreeManifest
from ssl4sar.evaluate.comparison import ModelScores, build_comparison
from ssl4sar.evaluate.result import dataset_of
from ssl4sar.evaluate.schema import (
    ComparedModel,
    ComparedRun,
    Comparison,
    Spread,
    read_comparison,
    value_of,
)
from ssl4sar.evaluate.scores_file import BaselineScores
from ssl4sar.evaluate.tables import write_comparison_table
from ssl4sar.evaluate.terminal import print_comparison
from ssl4sar.report.figure_file import draw_note, new_figure, run_colour, save_figure

_FLOOR_COLOUR: Final = "#009E73"
_TRIVIAL_COLOUR: Final = "#777777"
#: Half of the width over which the dots of a model are spread.
_HALF_SPREAD: Final = 0.2
_HALF_MEAN: Final = 0.32


@dataclass(frozen=True)
class _Measure:
    """One panel: what is drawn of a run, and the lines to measure it by."""

    title: str
    value: Callable[[ComparedRun], float | None]
    spread: Callable[[ComparedModel], Spread]
    digits: int
    unit: str
    floor: float | None
    trivial: float | None


def write_pretraining_comparison(
    name: str,
    manifest: TreeManifest,
    models: Sequence[ModelScores],
    baselines: Mapping[str, BaselineScores],
    *,
    target: Path,
    table: Path,
    figure: Path,
) -> dict[str, Any]:
    """Compare models, write numbers, table and figure atomically, and print.

    The JSON file ``target`` is written last: where it exists, the rest does.

    Returns:
        Content of the JSON file.

    Raises:
        UserError: a file cannot be written, or the disk is full.
        ValueError: no model, a model without runs, or runs over different scenes.
    """
    comparison = build_comparison(dataset_of(manifest, name), models, baselines)
    write_comparison_table(table, comparison)
    draw_comparison(figure, comparison)
    write_json(target, comparison)
    print_comparison(comparison)
    return comparison


def draw_comparison(path: str | Path, comparison: Mapping[str, Any]) -> None:
    """Draw the runs of every model: mean distance error and pooled IoU side by side.

    Raises:
        UserError: ``comparison`` is not of its schema, or the file cannot be written.
    """
    content = read_comparison(comparison)
    references = content.references
    measures = (
        _Measure(
            "mean distance error (m): lower is better",
            lambda run: run.mde_m,
            lambda point: point.mde_m,
            0,
            "m",
            references.floor_m,
            value_of(references.best_trivial_mde_m),
        ),
        _Measure(
            "pooled intersection over union: higher is better",
            lambda run: run.iou_pooled,
            lambda point: point.iou_pooled,
            3,
            "",
            None,
            value_of(references.best_trivial_iou_pooled),
        ),
    )
    figure = new_figure(1180, 560)
    panels: Sequence[Axes] = figure.subplots(1, len(measures))
    figure.subplots_adjust(left=0.06, right=0.985, top=0.78, bottom=0.2, wspace=0.14)
    for axes, measure in zip(panels, measures, strict=True):
        _draw_measure(axes, content, measure)
    dataset = content.dataset
    synthetic = "SYNTHETIC: " if dataset.synthetic else ""
    figure.suptitle(f"{synthetic}{dataset.name}: comparison of models", fontsize=14)
    draw_note(figure, dataset.note, 0.885, comparable=dataset.comparable_with_published)
    found = [axes.get_legend_handles_labels() for axes in panels]
    legend = {label: handle for entries in found for handle, label in zip(*entries, strict=True)}
    figure.legend(
        legend.values(), legend.keys(), loc="lower center", ncols=6, frameon=False, fontsize=10.5
    )
    save_figure(figure, path)


def _draw_measure(axes: Axes, content: Comparison, measure: _Measure) -> None:
    drawn = 0
    labels = []
    for place, point in enumerate(content.models):
        values = [measure.value(run) for run in point.runs]
        offsets = _offsets(len(values))
        for value, offset in zip(values, offsets, strict=True):
            if value is not None:
                drawn += 1
                axes.scatter(
                    place + offset, value, s=46, color=run_colour(place), alpha=0.8, zorder=3
                )
        _draw_spread(axes, place, measure.spread(point))
        labels.append(f"{point.name}\n{_in_words(values, measure.spread(point), measure.digits)}")
    for value, what, colour, style in (
        (measure.floor, "floor of the labels", _FLOOR_COLOUR, "--"),
        (measure.trivial, "best trivial prediction", _TRIVIAL_COLOUR, ":"),
    ):
        if value is not None:
            label = f"{what}, {value:,.{measure.digits}f} {measure.unit}".rstrip()
            axes.axhline(value, color=colour, linestyle=style, linewidth=1.8, zorder=1, label=label)
    axes.set_title(measure.title, fontsize=11)
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    if not drawn:
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center")


def _in_words(values: Sequence[float | None], spread: Spread, digits: int) -> str:
    """Return how many of the runs have a value, with mean and standard deviation."""
    of = "" if spread.runs == len(values) else f"{spread.runs} of "
    runs = f"{of}{len(values)} run{'' if len(values) == 1 else 's'}"
    if spread.mean is None or spread.std is None:
        return runs
    deviation = f" ± {spread.std:.{digits}f}" if spread.runs > 1 else ""
    return f"{runs}\n{spread.mean:.{digits}f}{deviation}"


def _offsets(count: int) -> list[float]:
    """Return places beside each other, in the order of the runs."""
    if count == 1:
        return [0.0]
    return [_HALF_SPREAD * (2 * index / (count - 1) - 1) for index in range(count)]


def _draw_spread(axes: Axes, place: int, spread: Spread) -> None:
    if spread.mean is None or spread.std is None:
        return
    left, right = place - _HALF_MEAN, place + _HALF_MEAN
    axes.hlines(spread.mean, left, right, color="black", linewidth=2.5, zorder=4, label="mean")
    if spread.runs > 1:
        low, high = spread.mean - spread.std, spread.mean + spread.std
        style: Any = {"color": "black", "alpha": 0.1, "linewidth": 0, "zorder": 2}
        axes.fill_between([left, right], low, high, label="± standard deviation", **style)
