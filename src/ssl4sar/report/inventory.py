"""Overview of frozen inventories: which scenes there are of every glacier, and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.lines import Line2D

from ssl4sar.acquire.product import OrbitDirection, Product
from ssl4sar.core.wording import counted, size_text
from ssl4sar.report.figure_file import DPI, new_figure, save_figure

_WIDTH_PX: Final = 1360
_AROUND_PX: Final = 204
_ROW_PX: Final = 42
_COLOURS: Final[Mapping[OrbitDirection | None, str]] = {
    "ascending": "#0072B2",
    "descending": "#E69F00",
    None: "#777777",
}
_OPTICAL_COLOUR: Final = "#CC3311"
_TEST_COLOUR: Final = "#A03000"
#: Right ends of the columns of numbers, pixels from the right end of the scenes.
_COLUMNS: Final = (("scenes", 66), ("size", 152), ("offline", 218), ("longest gap", 318))
#: With more scenes in a row dots are smaller.
_CROWD: Final = 300
#: Half of the height of a row that dots may take.
_HALF_ROW: Final = 0.36


@dataclass(frozen=True)
class _Row:
    name: str
    sar: tuple[Product, ...]
    optical: tuple[Product, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        return (*self.sar, *self.optical)

    def numbers(self) -> tuple[str, ...]:
        """Return the texts of the columns."""
        offline = sum(not product.online for product in self.products)
        starts = sorted(product.start for product in self.sar)
        gap = max((after - before for before, after in pairwise(starts)), default=None)
        return (
            f"{len(self.sar):,}",
            _size(self.products, at_least="≥ ", unknown="unknown"),
            f"{offline:,}" if offline else "-",
            "-" if gap is None else f"{gap / timedelta(days=1):,.0f} d",
        )


def draw_inventories(
    path: str | Path,
    products: Mapping[str, Sequence[Product]],
    *,
    test_glaciers: Collection[str] = (),
) -> None:
    """Draw a row per glacier with a dot per Sentinel-1 scene and a star per Sentinel-2 image.

    Within a row every track has its own line, ascending above descending ones, so that dots of
    several tracks do not cover each other and a gap in one track is seen.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [
        _Row(
            name,
            tuple(product for product in content if product.mission == "sentinel-1"),
            tuple(product for product in content if product.mission == "sentinel-2"),
        )
        for name, content in products.items()
    ]
    figure = new_figure(_WIDTH_PX, _AROUND_PX + _ROW_PX * max(len(rows), 2))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    axes.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    crowded = max((len(row.sar) for row in rows), default=0) > _CROWD
    for place, row in enumerate(rows):
        _draw_row(axes, place, row, dot_px=3.4 if crowded else 5.5)
    _finish_axes(axes, rows, test_glaciers)
    figure.suptitle(_title(rows), fontsize=14)
    axes.set_title(_notes(rows, bool(set(products) & set(test_glaciers))), fontsize=10.5, pad=26)
    figure.legend(
        handles=_legend(rows), loc="outside lower center", ncols=8, frameon=False, fontsize=10.5
    )
    save_figure(figure, path)


def _draw_row(axes: Axes, place: int, row: _Row, dot_px: float) -> None:
    """Draw a line of dots per track, y pointing down, and the stars of the optical images."""
    tracks = [list(track) for _, track in groupby(sorted(row.sar, key=_track_of), key=_track_of)]
    heights = np.linspace(-_HALF_ROW, _HALF_ROW, len(tracks)) if len(tracks) > 1 else [0.0]
    for track, height in zip(tracks, heights, strict=False):
        colour = _COLOURS[track[0].orbit_direction]
        _draw_dots(axes, place + height, track, colour, marker="o", size_px=dot_px)
    _draw_dots(axes, place, row.optical, _OPTICAL_COLOUR, marker="*", size_px=19)


def _track_of(product: Product) -> tuple[str, int]:
    return product.orbit_direction or "unknown", product.relative_orbit or 0


def _draw_dots(
    axes: Axes, height: float, products: Sequence[Product], colour: str, marker: str, size_px: float
) -> None:
    for online in (True, False):
        starts: Any = [product.start for product in products if product.online == online]
        # Hollow dots are larger, or nobody would see that they are hollow.
        axes.plot(
            starts,
            [height] * len(starts),
            linestyle="",
            marker=marker,
            markersize=(size_px if online else size_px + 2.6) * 72 / DPI,
            markerfacecolor=colour if online else "white",
            markeredgecolor=colour if not online else "white",
            markeredgewidth=0.9 if not online or marker == "*" else 0,
            zorder=3 if online else 4,
        )


def _finish_axes(axes: Axes, rows: Sequence[_Row], test_glaciers: Collection[str]) -> None:
    for place in range(0, len(rows), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#F4F4F4", zorder=0)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis="y", length=0, labelsize=11)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        if row.name in test_glaciers:
            label.set(color=_TEST_COLOUR, fontweight="bold")
    for heading, place_px in _COLUMNS:
        _number(axes, -0.5, heading, place_px, rise_px=12, fontsize=10, color="#555555")
    for place, row in enumerate(rows):
        for text, (_, place_px) in zip(row.numbers(), _COLUMNS, strict=True):
            _number(axes, place, text, place_px, fontsize=10.5)
    axes.spines[["left", "right", "top"]].set_visible(False)
    starts = [product.start for row in rows for product in row.products]
    if not starts:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.text(0.5, 0.5, "no product", transform=axes.transAxes, ha="center", va="center")
        return
    pad = max((max(starts) - min(starts)) * 0.012, timedelta(days=5))
    limits: Any = (min(starts) - pad, max(starts) + pad)
    axes.set_xlim(*limits)
    formatter = ConciseDateFormatter(axes.xaxis.get_major_locator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(axis="x", color="#D0D0D0", linewidth=0.8)
    axes.set_axisbelow(True)


def _size(products: Collection[Product], *, at_least: str, unknown: str) -> str:
    """Return the size of products, in words where some or all are of unknown size."""
    sizes = [product.size_bytes for product in products if product.size_bytes is not None]
    if products and not sizes:
        return unknown
    return ("" if len(sizes) == len(products) else at_least) + size_text(sum(sizes))


def _number(
    axes: Axes, row: float, text: str, place_px: float, rise_px: float = 0, **style: Any
) -> None:
    axes.annotate(
        text,
        (1, row),
        xycoords=axes.get_yaxis_transform(),
        xytext=(place_px * 72 / DPI, rise_px * 72 / DPI),
        textcoords="offset points",
        ha="right",
        va="center",
        annotation_clip=False,
        **style,
    )


def _distinct(rows: Sequence[_Row]) -> list[Product]:
    """Return all products; one that shows two glaciers is fetched once."""
    everything = (product for row in rows for product in row.products)
    return list({(product.provider, product.name): product for product in everything}.values())


def _title(rows: Sequence[_Row]) -> str:
    distinct = _distinct(rows)
    scenes = sum(product.mission == "sentinel-1" for product in distinct)
    synthetic = any(product.provider == "synthetic" for product in distinct)
    return (
        f"{'SYNTHETIC: ' if synthetic else ''}{counted(scenes, 'Sentinel-1 scene')} and "
        f"{counted(len(distinct) - scenes, 'Sentinel-2 image')} of "
        f"{counted(len(rows), 'glacier')}, "
        f"{_size(distinct, at_least='at least ', unknown='of unknown size')}"
    )


def _notes(rows: Sequence[_Row], has_test: bool) -> str:
    shared = sum(len(row.products) for row in rows) - len(_distinct(rows))
    notes = ["Each line of dots is a track.", "Sizes are those of whole products, as listed."]
    if shared:
        notes.append(f"The title counts products of several glaciers once ({shared:,} repeats).")
    if has_test:
        notes.append("Bold: test glacier of CaFFe.")
    return " ".join(notes)


def _legend(rows: Sequence[_Row]) -> list[Line2D]:
    def entry(label: str, marker: str, size: float, face: str, edge: str) -> Line2D:
        style: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge}
        return Line2D([], [], linestyle="", label=label, marker=marker, markersize=size, **style)

    found = {product.orbit_direction for row in rows for product in row.sar}
    entries = [
        entry(direction or "pass unknown", "o", 5, colour, colour)
        for direction, colour in _COLOURS.items()
        if direction in found
    ]
    if any(not product.online for row in rows for product in row.products):
        entries.append(entry("offline", "o", 6, "white", "#555555"))
    if any(row.optical for row in rows):
        entries.append(entry("Sentinel-2 image", "*", 13, _OPTICAL_COLOUR, _OPTICAL_COLOUR))
    return entries
