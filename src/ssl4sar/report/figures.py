"""Figures of a result: three characteristic scenes, and the front errors of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from ssl4sar.core.scene_name import GLACIERS, SENSOR_GROUPS, SceneName
from ssl4sar.core.zones import CLASS_COLOURS
from ssl4sar.evaluate.result import RunScores, fit_for_mde
from ssl4sar.evaluate.schema import CaffeResult
from ssl4sar.evaluate.scoring import ImageScore
from ssl4sar.metrics.distances import DistanceSums
from ssl4sar.report.figure_file import (
    axes_at,
    draw_note,
    new_figure,
    run_colour,
    save_figure,
    text_at,
)
from ssl4sar.report.overlay import draw_fronts, front_legend, picture_shape, rgb_share
from ssl4sar.report.ranking import RankedScore
from ssl4sar.report.scene_view import SceneView

_ZONE_LABELS: Final = ("no data", "rock", "glacier", "ocean and melange")
_FLOOR_COLOUR: Final = "#009E73"
_TRIVIAL_COLOUR: Final = "#777777"
#: Errors below this are drawn at it: a logarithmic axis has no zero.
LEAST_DRAWN_M: Final = 1.0
#: Limits of the axis where there is nothing to draw.
_EMPTY_AXIS_M: Final = (10.0, 10_000.0)


def write_scenes_figure(
    path: str | Path, scenes: Sequence[tuple[RankedScore, SceneView]], panel_px: int = 420
) -> None:
    """Draw chosen scenes in rows: fronts on the SAR image, predicted zones, true zones.

    Args:
        path: PNG file, written atomically.
        scenes: rank and content of the scenes, from good to worst.
        panel_px: width of a panel, pixels; portrait scenes become narrower.
    """
    columns = ("fronts on the SAR image", "predicted zones", "true zones")
    gap_px, title_px, heading_px, legend_px = 10, 40, 34, 66
    # All panels share a width, so that rows align; tall scenes are limited by their height.
    shapes = [_panel_shape(view.sar.shape, panel_px) for _, view in scenes]
    panel_width_px = max(max(width for _, width in shapes), 240)
    width_px = len(columns) * (panel_width_px + gap_px) + gap_px
    height_px = heading_px + sum(title_px + height for height, _ in shapes) + legend_px
    figure = new_figure(width_px, height_px)
    top_px = float(heading_px)
    lefts_px = [gap_px + number * (panel_width_px + gap_px) for number in range(len(columns))]
    for left_px, column in zip(lefts_px, columns, strict=True):
        centre = (left_px + panel_width_px / 2) / width_px
        text_at(figure, heading_px / 2, column, centre, va="center", fontsize=13, weight="bold")
    for (ranked, view), shape in zip(scenes, shapes, strict=True):
        row_px = top_px + 0.58 * title_px
        text_at(figure, row_px, _row_title(ranked, view), va="center", fontsize=12)
        top_px += title_px
        fronts, predicted, true = (
            axes_at(figure, left_px + (panel_width_px - shape[1]) // 2, top_px, shape)
            for left_px in lefts_px
        )
        draw_fronts(fronts, view, shape)
        _draw_zones(predicted, view.predicted_zones, shape)
        _draw_zones(true, view.labels.zones, shape)
        top_px += shape[0]
    figure.legend(
        handles=front_legend(),
        loc="lower center",
        bbox_to_anchor=(0.5, 29 / height_px),
        ncols=3,
        frameon=False,
        fontsize=11,
        borderaxespad=0.2,
    )
    figure.legend(
        handles=[
            Patch(facecolor=rgb_share(colour), edgecolor="black", label=label)
            for colour, label in zip(CLASS_COLOURS, _ZONE_LABELS, strict=True)
        ],
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=11,
        borderaxespad=0.2,
    )
    save_figure(figure, path)


def _panel_shape(shape: tuple[int, ...], panel_px: int) -> tuple[int, int]:
    height_px, width_px = shape
    # Landscape scenes fill the width; portrait ones get at most a quarter more height.
    longest_px = panel_px if width_px >= height_px else round(1.25 * panel_px)
    fitted = picture_shape(shape, longest_px)
    return fitted if fitted[1] <= panel_px else picture_shape(shape, panel_px)


def _row_title(ranked: RankedScore, view: SceneView) -> str:
    return (
        f"{ranked.label} (rank {ranked.rank} of {ranked.count}): {view.labels.name}, "
        f"{view.error_text}"
    )


def _draw_zones(axes: Axes, zones: NDArray[np.uint8], shape: tuple[int, int]) -> None:
    smaller = Image.fromarray(zones).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    axes.imshow(
        np.array(CLASS_COLOURS, np.uint8)[np.array(smaller)], interpolation="nearest", aspect="auto"
    )
    axes.set_axis_off()


def write_errors_figure(path: str | Path, runs: Sequence[RunScores], result: CaffeResult) -> None:
    """Draw the front error of every scene by glacier and by sensor, on a logarithmic axis."""
    figure = new_figure(1180, 640)
    left, right = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.8, bottom=0.2, wspace=0.04)
    others = {score.scene.glacier for run in runs for score in run.images} - set(GLACIERS)
    glaciers = _groups(runs, (*GLACIERS, *sorted(others)), lambda scene: scene.glacier)
    sensors = _groups(runs, SENSOR_GROUPS, lambda scene: scene.sensor_group)
    for axes, groups, heading in ((left, glaciers, "glacier"), (right, sensors, "sensor")):
        _draw_groups(axes, groups, runs)
        _draw_reference_lines(axes, result)
        seeds = "" if len(runs) == 1 else ", per seed"
        axes.set_title(f"by {heading}; above: scenes without a front{seeds}", fontsize=11, pad=22)
    left.set_ylabel("mean distance error of a scene (m)", fontsize=12)
    _format_metres(left)
    if not np.isfinite(left.dataLim.intervaly).all():
        left.set_ylim(*_EMPTY_AXIS_M)
    title = f"{result.dataset.name}: front error of {result.images} test scenes"
    figure.suptitle(title, fontsize=14, y=0.985)
    draw_note(
        figure, result.dataset.note, 0.918, comparable=result.dataset.comparable_with_published
    )
    handles, labels = left.get_legend_handles_labels()
    legend = dict(zip(labels, handles, strict=True))
    figure.legend(
        legend.values(), legend.keys(), loc="lower center", ncols=4, frameon=False, fontsize=10.5
    )
    save_figure(figure, path)


def _groups(
    runs: Sequence[RunScores], order: Sequence[str], key: Callable[[SceneName], str]
) -> dict[str, list[list[ImageScore]]]:
    """Return the scores per group and run; groups without scenes are left out."""
    groups = {
        name: [[s for s in run.images if key(s.scene) == name] for run in runs] for name in order
    }
    return {name: parts for name, parts in groups.items() if parts[0]}


def _draw_groups(
    axes: Axes, groups: Mapping[str, list[list[ImageScore]]], runs: Sequence[RunScores]
) -> None:
    width = 0.8 / len(runs)
    for place, parts in enumerate(groups.values()):
        for index, scores in enumerate(parts):
            centre = place + (index - (len(runs) - 1) / 2) * width
            errors_m = [score.mde_m for score in scores if score.mde_m is not None]
            drawn_m = np.maximum(np.sort(np.array(errors_m)), LEAST_DRAWN_M)
            offsets = _side_by_side(drawn_m, width)
            member = runs[index].member
            axes.scatter(
                centre + offsets,
                drawn_m,
                s=16,
                color=run_colour(index),
                alpha=0.55,
                linewidths=0,
                zorder=3,
                label="a scene" if member is None else f"a scene, {member}",
            )
            _draw_pooled(axes, centre, width, scores)
        axes.annotate(
            _no_front_text(parts),
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9.5,
        )
    axes.set_xticks(range(len(groups)), [f"{n}\n{len(p[0])} scenes" for n, p in groups.items()])
    axes.tick_params(axis="x", length=0, labelsize=11)
    axes.set_xlim(-0.55, len(groups) - 0.45)
    axes.set_yscale("log")
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    for place in range(1, len(groups)):
        axes.axvline(place - 0.5, color="#EEEEEE", linewidth=1, zorder=0)


def _draw_pooled(axes: Axes, centre: float, width: float, scores: Sequence[ImageScore]) -> None:
    pooled_m = DistanceSums.pool(score.front_error.sums for score in scores).mean_m
    if pooled_m is None:
        return
    half = 0.42 * width
    axes.hlines(
        max(pooled_m, LEAST_DRAWN_M),
        centre - half,
        centre + half,
        color="black",
        linewidth=2.5,
        zorder=4,
        label="pooled MDE of the group",
    )


def _side_by_side(values_m: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Spread sorted values sideways, always alike, so that dots do not cover each other."""
    golden_ratio = (math.sqrt(5) - 1) / 2
    shares = np.mod(np.arange(len(values_m)) * golden_ratio, 1.0) - 0.5
    offsets: NDArray[np.float64] = (shares * (0.7 * width)).astype(np.float64)
    return offsets


def _no_front_text(parts: Sequence[Sequence[ImageScore]]) -> str:
    counts = [sum(score.no_front for score in scores) for scores in parts]
    return ",".join(map(str, counts)) if any(counts) else "0"


def _draw_reference_lines(axes: Axes, result: CaffeResult) -> None:
    if result.floor_m is not None:
        floor_m = max(result.floor_m, LEAST_DRAWN_M)
        label = f"floor of the labels, {result.floor_m:,.0f} m"
        axes.axhline(floor_m, color=_FLOOR_COLOUR, linewidth=2, linestyle="--", label=label)
    fit = fit_for_mde(result.baselines.values(), result.floor_no_front)
    trivial_m = [baseline.mde_m for baseline in fit if baseline.mde_m is not None]
    for error_m in trivial_m:
        span_m = f"{min(trivial_m):,.0f}-{max(trivial_m):,.0f} m"
        label = f"{len(trivial_m)} trivial predictions, {span_m}"
        axes.axhline(error_m, color=_TRIVIAL_COLOUR, linewidth=1.2, linestyle=":", label=label)


def _format_metres(axes: Axes) -> None:
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
