"""The course of trainings and pretrainings: losses and validation scores per epoch."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ssl4sar.core.errors import UserError
from ssl4sar.report.figure_file import new_figure, run_colour, save_figure


@dataclass(frozen=True)
class TrainingCurve:
    """What a table of epochs says.

    Attributes:
        epochs: numbers of the epochs, from 1.
        values: the columns by name; None where an epoch has no value.
    """

    epochs: tuple[int, ...]
    values: Mapping[str, tuple[float | None, ...]]

    def points(self, column: str) -> tuple[list[int], list[float]]:
        """Return epochs and values of a column where it has any."""
        pairs = zip(self.epochs, self.values[column], strict=True)
        kept = [(epoch, value) for epoch, value in pairs if value is not None]
        return [epoch for epoch, _ in kept], [value for _, value in kept]


#: Columns of the table of epochs that are drawn, and what they are called.
_PANELS: Final = (
    ("train_loss", "training loss"),
    ("val_mde_m", "validation: mean distance error (m)"),
    ("val_iou_pooled", "validation: intersection over union"),
)


#: The same of a pretraining, all in one panel.
_LOSSES: Final = (("train_loss", "training crops"), ("val_loss", "validation tiles"))


def read_curve(path: str | Path) -> TrainingCurve:
    """Read the table of epochs that a fine-tuning wrote.

    Raises:
        UserError: the file is missing, damaged, or lacks a column that is drawn.
    """
    return _read(Path(path), [column for column, _ in _PANELS])


def read_losses(path: str | Path) -> TrainingCurve:
    """Read the table of epochs that a pretraining wrote.

    Raises:
        UserError: the file is missing, damaged, or lacks a column that is drawn.
    """
    return _read(Path(path), [column for column, _ in _LOSSES])


def _read(path: Path, columns: Sequence[str]) -> TrainingCurve:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        epochs = tuple(int(row["epoch"]) for row in rows)
        values = {column: tuple(_value(row[column]) for row in rows) for column in columns}
        if not rows:
            raise ValueError("it has no row")  # noqa: TRY301 - reported like any other damage
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise UserError(path, "this is not a table of epochs", "run the training again") from error
    return TrainingCurve(epochs, values)


def _value(text: str) -> float | None:
    """Return a number; None where the epoch was not validated or no front was found."""
    value = float(text) if text.strip() else math.nan
    return value if math.isfinite(value) else None


def write_training_figure(
    path: str | Path, curves: Mapping[str, TrainingCurve], title: str, note: str
) -> None:
    """Draw loss and validation scores over the epochs."""
    figure = new_figure(1280, 440)
    axes_row: Sequence[Axes] = figure.subplots(1, len(_PANELS))
    figure.subplots_adjust(left=0.055, right=0.985, top=0.74, bottom=0.2, wspace=0.2)
    last_epoch = max((epoch for curve in curves.values() for epoch in curve.epochs), default=1)
    for axes, (column, label) in zip(axes_row, _PANELS, strict=True):
        drawn = 0
        for index, (name, curve) in enumerate(curves.items()):
            epochs, values = curve.points(column)
            drawn += len(epochs)
            # Scores of few validations are points first; a loss per epoch is a line.
            marker = "o" if column.startswith("val_") and len(epochs) <= 60 else ""
            axes.plot(
                epochs,
                values,
                color=run_colour(index),
                marker=marker,
                markersize=4,
                linewidth=1.6,
                label=name,
            )
        _finish_axes(axes, label, last_epoch, empty=drawn == 0)
    figure.suptitle(f"{title}: training", fontsize=14, y=0.975)
    figure.text(0.5, 0.865, note, ha="center", va="center", fontsize=10.5)
    handles, labels = axes_row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=8, frameon=False, fontsize=10.5)
    save_figure(figure, path)


def draw_losses(
    path: str | Path, curve: TrainingCurve, title: str, *, synthetic: bool = False
) -> None:
    """Draw the losses of a pretraining over the epochs.

    Args:
        path: PNG file, written atomically.
        curve: as :func:`read_losses` returns it.
        title: of the pretraining.
        synthetic: whether the images are rendered, not observed.
    """
    figure = new_figure(760, 440)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=0.97, top=0.86, bottom=0.14)
    for index, (column, label) in enumerate(_LOSSES):
        epochs, values = curve.points(column)
        # A few points are seen better than a short line.
        marker = "o" if len(epochs) <= 60 else ""
        axes.plot(epochs, values, color=run_colour(index), marker=marker, markersize=4, label=label)
    _finish_axes(axes, "", max(curve.epochs), empty=False)
    axes.set_ylabel("mean absolute error (channels from 0 to 1)", fontsize=10.5)
    axes.legend(frameon=False, fontsize=10.5)
    figure.suptitle(f"{'SYNTHETIC images: ' * synthetic}{title}: losses", fontsize=14)
    save_figure(figure, path)


def _finish_axes(axes: Axes, label: str, last_epoch: int, *, empty: bool) -> None:
    axes.set_title(label, fontsize=11)
    axes.set_xlabel("epoch", fontsize=10.5)
    axes.set_xlim(0.5, last_epoch + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.grid(color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    if empty:
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
