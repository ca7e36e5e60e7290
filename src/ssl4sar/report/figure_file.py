"""Parts of figures, and writing them: equal figures give equal bytes, complete or absent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ssl4sar.core.atomic import atomic_file

DPI: Final = 100
# Okabe and Ito's colours without the yellow, which is too pale for dots on white.
_RUN_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def new_figure(width_px: float, height_px: float) -> Figure:
    """Return an empty white figure.

    Args:
        width_px: width of the written image, pixels.
        height_px: height of the written image, pixels.
    """
    return Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")


def axes_at(figure: Figure, left_px: float, top_px: float, shape: tuple[float, float]) -> Axes:
    """Return new axes of a height and width in pixels, counted from the upper left corner."""
    width_px, height_px = figure.get_size_inches() * DPI
    height, width = shape
    return figure.add_axes(
        (
            left_px / width_px,
            1 - (top_px + height) / height_px,
            width / width_px,
            height / height_px,
        )
    )


@dataclass(frozen=True)
class Margins:
    """Room around the one picture of a figure, pixels.

    Attributes:
        left: of it at least, likewise the others; a figure of the narrowest width centres it.
        right: for a colour bar, too.
        top: for titles.
        bottom: for labels.
        narrowest: width of the figure at least.
    """

    left: int
    right: int
    top: int
    bottom: int
    narrowest: int

    def framed(self, shape: tuple[float, float]) -> tuple[Figure, Axes, float]:
        """Return a figure for a picture of a height and width, its axes, and where they begin."""
        height_px, width_px = shape
        around_px = width_px + self.left + self.right
        figure_px = max(around_px, self.narrowest)
        left_px = self.left + (figure_px - around_px) // 2
        figure = new_figure(figure_px, height_px + self.top + self.bottom)
        return figure, axes_at(figure, left_px, self.top, shape), left_px


def text_at(figure: Figure, top_px: float, text: str, x: float = 0.5, **style: object) -> None:
    """Write a text so far below the upper edge of a figure; ``x`` is a share of its width."""
    _, height_px = figure.get_size_inches() * DPI
    aligned = {"ha": "center", "va": "top", **style}
    figure.text(x, 1 - top_px / height_px, text, **aligned)  # type: ignore[arg-type]


def draw_note(figure: Figure, note: str, y: float, *, comparable: bool) -> None:
    """Write below the title what numbers mean, in bold if they compare with no published ones."""
    figure.text(
        0.5,
        y,
        note,
        ha="center",
        va="center",
        fontsize=11,
        fontweight="normal" if comparable else "bold",
        color="black" if comparable else "#A03000",
    )


def scale_bar_km(width_km: float) -> float:
    """Return a round length of 1, 2 or 5 times a power of ten, about a fifth of the width."""
    wanted = width_km / 5
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(step * power for step in (1, 2, 5) if step * power <= wanted * 1.0001)


def draw_scale_bar(axes: Axes, width_km: float, shape: tuple[int, int]) -> None:
    """Draw a scale bar into the lower right corner of an image.

    Args:
        axes: of the image alone.
        width_km: length of its lower edge.
        shape: height and width of the image in the figure, pixels.
    """
    height_px, width_px = shape
    length_km = scale_bar_km(width_km)
    edge_px, length = 0.03 * max(shape), length_km / width_km
    right, bottom = 1 - edge_px / width_px, edge_px / height_px
    thickness = 0.008 * max(shape) / height_px
    axes.add_patch(
        Rectangle(
            (right - length, bottom),
            length,
            thickness,
            facecolor="white",
            edgecolor="black",
            linewidth=1,
            transform=axes.transAxes,
            zorder=5,
        )
    )
    axes.text(
        right - length / 2,
        bottom + 2 * thickness,
        f"{length_km:g} km",
        ha="center",
        va="bottom",
        fontsize=12,
        color="white",
        path_effects=[withStroke(linewidth=3, foreground="black")],
        transform=axes.transAxes,
        zorder=5,
    )


def run_colour(index: int) -> str:
    """Return the colour of a run; they repeat after seven."""
    return _RUN_COLOURS[index % len(_RUN_COLOURS)]


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, atomically and without time stamp or software version."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def label_days(axes: Axes, least: int, most: int) -> None:
    """Label a horizontal axis of days with about so many ticks, none written longer than needed."""
    locator = AutoDateLocator(minticks=least, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
