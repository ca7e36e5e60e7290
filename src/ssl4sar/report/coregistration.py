"""Pictures of a stack: how well its scenes agree in place, and a look at every one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import NDArray

from ssl4sar.report.figure_file import label_days, new_figure, run_colour, save_figure
from ssl4sar.sar.coding import GrayMapping
from ssl4sar.stack.record import StackedScene, StackRecord, image_path
from ssl4sar.stack.scene_files import quick_look
from ssl4sar.stack.shift import FLAG_SHIFT_PX

_FLAGGED: Final = "#D55E00"
_THUMB_PX: Final = 170
_COLUMNS: Final = 6
_CAPTION_PX: Final = 34
#: Beyond it a picture of all scenes is no overview.
_MOST_THUMBS: Final = 120
_MAPPING: Final = GrayMapping()


def draw_coregistration(
    path: str | Path,
    stack: StackRecord,
    median_db: NDArray[np.float32],
    stable: NDArray[np.bool_],
) -> None:
    """Draw a track's median with the stable terrain, and the shifts of all scenes.

    Args:
        path: PNG file, written atomically.
        stack: checked scenes.
        median_db: (H, W) decibels, NaN without data.
        stable: (H, W) where shifts were measured.

    Raises:
        UserError: the file cannot be written.
    """
    figure = new_figure(1280, 620)
    heading = f"{_named(stack)}: co-registration on stable terrain"
    figure.suptitle(heading, fontsize=13)
    layout = figure.add_gridspec(
        2, 2, width_ratios=(1.15, 1), left=0.03, right=0.97, top=0.88, bottom=0.1, wspace=0.16,
        hspace=0.42,
    )  # fmt: skip
    _draw_median(figure.add_subplot(layout[:, 0]), median_db, stable)
    tracks = sorted({scene.track or "" for scene in stack.usable})
    measured = [scene for scene in stack.usable if scene.shift and scene.shift.x_m is not None]
    _draw_shifts(figure.add_subplot(layout[0, 1]), measured, tracks, stack.pixels.spacing)
    _draw_times(figure.add_subplot(layout[1, 1]), measured, tracks, stack.pixels.spacing)
    failed = len(stack.scenes) - len(stack.usable)
    counts = f"{len(stack.usable)} scenes, {len(measured)} with a shift"
    figure.text(0.5, 0.915, counts + (f", {failed} failed" if failed else ""), ha="center")
    save_figure(figure, path)


def _draw_median(axes: Axes, median_db: NDArray[np.float32], stable: NDArray[np.bool_]) -> None:
    axes.imshow(median_db, cmap="gray", vmin=_MAPPING.low_db, vmax=_MAPPING.high_db)
    if stable.any() and not stable.all():
        axes.contour(stable, levels=[0.5], colors=[run_colour(0)], linewidths=0.8)
    axes.set_title("median of the track; outlined: stable terrain", fontsize=10)
    axes.set_axis_off()


def _draw_shifts(
    axes: Axes, scenes: Sequence[StackedScene], tracks: Sequence[str], spacing_m: float
) -> None:
    limit_m = FLAG_SHIFT_PX * spacing_m
    axes.add_patch(Circle((0, 0), limit_m, fill=False, linestyle="--", color=_FLAGGED))
    for number, name in enumerate(tracks):
        places = [_metres(scene) for scene in scenes if scene.track == name]
        if places:
            axes.plot(*zip(*places, strict=True), ".", color=run_colour(number), label=name)
    reach = max([1.2 * limit_m, *(1.1 * abs(value) for each in scenes for value in _metres(each))])
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xlabel("east (m)")
    axes.set_ylabel("north (m)")
    axes.set_title(f"shift against the others of the track; dashed: {limit_m:g} m", fontsize=10)
    if scenes:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)


def _draw_times(
    axes: Axes, scenes: Sequence[StackedScene], tracks: Sequence[str], spacing_m: float
) -> None:
    for number, name in enumerate(tracks):
        chosen = [scene for scene in scenes if scene.track == name]
        days = np.array([scene.day for scene in chosen], "datetime64[D]")
        lengths = [math.hypot(*_metres(scene)) for scene in chosen]
        axes.plot(days, lengths, ".", color=run_colour(number))
    axes.axhline(FLAG_SHIFT_PX * spacing_m, linestyle="--", color=_FLAGGED)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("shift (m)")
    if scenes:
        label_days(axes, 3, 8)
    else:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "no shift was measured", ha="center", transform=axes.transAxes)
    axes.spines[["top", "right"]].set_visible(False)


def _metres(scene: StackedScene) -> tuple[float, float]:
    shift = scene.shift
    if shift is None or shift.x_m is None or shift.y_m is None:
        raise ValueError(f"{scene.product} has no shift")
    return shift.x_m, shift.y_m


def _named(stack: StackRecord) -> str:
    return f"SYNTHETIC: {stack.glacier}" if stack.synthetic else stack.glacier


def draw_quick_looks(
    path: str | Path, stack: StackRecord, record: str | Path, mapping: GrayMapping = _MAPPING
) -> None:
    """Draw a small picture of every scene; what is flagged has a frame.

    Args:
        path: PNG file, written atomically.
        stack: the scenes; of more than 120 so many are drawn, evenly over time.
        record: file of the record, beside the images.
        mapping: decibels to grey.

    Raises:
        UserError: an image cannot be read, or the file cannot be written.
    """
    scenes = list(stack.usable)
    if len(scenes) > _MOST_THUMBS:
        chosen = np.linspace(0, len(scenes) - 1, _MOST_THUMBS).round().astype(int)
        scenes = [scenes[index] for index in chosen]
    rows = max(1, math.ceil(len(scenes) / _COLUMNS))
    head_px = 50
    size = _COLUMNS * (_THUMB_PX + 8) + 8, head_px + rows * (_THUMB_PX + _CAPTION_PX)
    figure = new_figure(*size)
    heading = f"{_named(stack)}: {len(scenes)} of {len(stack.usable)} scenes"
    figure.text(0.5, 1 - 22 / size[1], heading, ha="center", va="center", fontsize=13)
    for number, scene in enumerate(scenes):
        left = 8 + (number % _COLUMNS) * (_THUMB_PX + 8)
        top = head_px + (number // _COLUMNS) * (_THUMB_PX + _CAPTION_PX)
        axes = figure.add_axes(
            (left / size[0], 1 - (top + _THUMB_PX) / size[1], _THUMB_PX / size[0],
             _THUMB_PX / size[1])
        )  # fmt: skip
        _draw_thumb(axes, scene, record, mapping)
        caption = f"{scene.day}\n{scene.track}"
        figure.text(
            left / size[0], 1 - (top + _THUMB_PX + 4) / size[1], caption, va="top", fontsize=7
        )
    save_figure(figure, path)


def _draw_thumb(axes: Axes, scene: StackedScene, record: str | Path, mapping: GrayMapping) -> None:
    picture = quick_look(image_path(record, scene), mapping, _THUMB_PX)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    is_flagged = scene.shift is not None and scene.shift.problem is not None
    axes.spines[:].set(
        color=_FLAGGED if is_flagged else "#999999", linewidth=2 if is_flagged else 0.5
    )
