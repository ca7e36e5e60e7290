"""Map of the areas of interest. It has no coastlines, as none are shipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.tiles import area_around
from ssl4sar.report.degrees import label_degrees, longitude_label, polygons
from ssl4sar.report.figure_file import new_figure, save_figure, text_at

#: Areas north of this are drawn around the pole.
_NORTHERN_DEG: Final = 45.0
_HEAD_PX: Final = 90
_FOOT_PX: Final = 110
_MAP_PX: Final = 520
_NAMES_PX: Final = 200
_ROW_PX: Final = 22
_GRID: Final[dict[str, Any]] = {"color": "#C9C9C9", "linewidth": 0.8}
_KINDS: Final[dict[str | None, tuple[str, str, str]]] = {
    None: ("o", "#0072B2", "for the pretraining"),
    "train": ("s", "#009E73", "training glacier of CaFFe"),
    "test": ("D", "#D55E00", "test glacier of CaFFe: never pretrained on"),
}


def draw_areas(path: str | Path, glaciers: Sequence[Glacier], title: str = "") -> None:
    """Draw the glaciers of a list: northern ones around the pole, others in degrees.

    Raises:
        UserError: the file cannot be written.
    """
    northern = [glacier for glacier in glaciers if glacier.area.centroid.y >= _NORTHERN_DEG]
    others = [glacier for glacier in glaciers if glacier.area.centroid.y < _NORTHERN_DEG]
    maps = [m for m in ((_draw_north, northern), (_draw_others, others)) if m[1]]
    # Names stand in two columns beside their map.
    longest = max((math.ceil(len(members) / 2) for _, members in maps), default=0)
    body_px = max(_MAP_PX, _ROW_PX * (longest + 1))
    width_px = (_MAP_PX + 2 * _NAMES_PX) * max(len(maps), 1)
    height_px = _HEAD_PX + body_px + _FOOT_PX
    figure = new_figure(width_px, height_px)
    for number, (draw, members) in enumerate(maps):
        left_px = number * (_MAP_PX + 2 * _NAMES_PX) + _NAMES_PX
        place = (left_px / width_px, _FOOT_PX / height_px, _MAP_PX / width_px, body_px / height_px)
        draw(figure, place, members)
    plural = "" if len(glaciers) == 1 else "s"
    heading = title or f"Areas of interest: {len(glaciers)} glacier{plural}"
    text_at(figure, 14, heading, fontsize=14)
    found = {glacier.caffe for glacier in glaciers}
    handles = [
        Line2D([], [], label=label, **_dot(kind))
        for kind, (_, _, label) in _KINDS.items()
        if kind in found
    ]
    figure.legend(
        handles=handles, loc="lower center", ncols=len(maps) + 1, frameon=False, fontsize=10.5
    )
    save_figure(figure, path)


def _draw_north(
    figure: Figure, place: tuple[float, float, float, float], glaciers: Sequence[Glacier]
) -> None:
    """Draw dots around the pole, azimuthal equidistant, Greenwich pointing down."""
    axes: Any = figure.add_axes(place, projection="polar")
    axes.set_theta_zero_location("S")
    lowest = min(glacier.area.bounds[1] for glacier in glaciers)
    axes.set_rlim(0, 90 - 5 * math.floor((lowest - 0.5) / 5))
    axes.set_rlabel_position(180)
    axes.xaxis.set_major_formatter(lambda turn, _: longitude_label(math.degrees(turn)))
    axes.yaxis.set_major_formatter(lambda distance, _: f"{90 - distance:g}° N")
    axes.tick_params(labelsize=8, labelcolor="#777777")
    axes.grid(**_GRID)
    middles = [area_around(each.area, each.area.geoms[0].centroid.x).centroid for each in glaciers]
    points = [(math.radians(middle.x), 90 - middle.y) for middle in middles]
    on_paper = [(far * math.sin(turn), -far * math.cos(turn)) for turn, far in points]
    _draw_names(axes, glaciers, points, on_paper)


def _draw_others(
    figure: Figure, place: tuple[float, float, float, float], glaciers: Sequence[Glacier]
) -> None:
    """Draw areas in degrees, true to scale in the middle."""
    axes = figure.add_axes(place)
    turns = np.radians([glacier.area.geoms[0].centroid.x for glacier in glaciers])
    middle = math.degrees(math.atan2(np.sin(turns).mean(), np.cos(turns).mean()))
    shapes = [area_around(glacier.area, middle) for glacier in glaciers]
    for glacier, shape in zip(glaciers, shapes, strict=True):
        for part in polygons(shape):
            axes.plot(*np.transpose(part.exterior.coords)[:2], color=_KINDS[glacier.caffe][1])
    # A degree of longitude is so much of one of latitude.
    narrowing = math.cos(math.radians(np.mean([shape.centroid.y for shape in shapes])))
    axes.set_aspect(1 / max(narrowing, 0.05), adjustable="datalim")
    label_degrees(axes, 8)
    axes.grid(**_GRID)
    axes.set_frame_on(False)
    axes.tick_params(length=0, labelcolor="#777777")
    axes.set_title(", ".join(dict.fromkeys(each.region for each in glaciers)), fontsize=11)
    points = [(shape.centroid.x, shape.centroid.y) for shape in shapes]
    _draw_names(axes, glaciers, points, points)


def _draw_names(
    axes: Axes,
    glaciers: Sequence[Glacier],
    points: Sequence[tuple[float, float]],
    on_paper: Sequence[tuple[float, float]],
) -> None:
    """Draw dots, and names in two columns beside the map, each in order of height."""
    order = sorted(range(len(points)), key=lambda number: on_paper[number])
    half = len(order) // 2
    for column, x, side in ((order[:half], -0.1, "right"), (order[half:], 1.1, "left")):
        column.sort(key=lambda number: on_paper[number][1])
        heights = (np.arange(len(column)) + 0.5) / max(len(column), 1)
        for number, height in zip(column, heights, strict=True):
            glacier, (_, colour, _) = glaciers[number], _KINDS[glaciers[number].caffe]
            axes.plot(*points[number], **_dot(glacier.caffe))
            axes.annotate(
                glacier.name,
                points[number],
                xytext=(x, height),
                textcoords="axes fraction",
                ha=side,
                va="center",
                # A long name must not leave the picture.
                fontsize=min(10.5, 0.7 * _NAMES_PX / len(glacier.name)),
                color=colour,
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "alpha": 0.65},
            )


def _dot(kind: str | None) -> dict[str, Any]:
    marker, colour, _ = _KINDS[kind]
    return {
        "marker": marker,
        "markersize": 6.5,
        "color": colour,
        "markeredgecolor": "white",
        "markeredgewidth": 0.7,
        "linestyle": "",
        "zorder": 4,
    }
