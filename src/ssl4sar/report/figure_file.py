"""Writing figures: equal figures give equal bytes, and a file is complete or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

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


def run_colour(index: int) -> str:
    """Return the colour of a run; they repeat after seven."""
    return _RUN_COLOURS[index % len(_RUN_COLOURS)]


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, atomically and without time stamp or software version."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
