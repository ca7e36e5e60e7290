"""Overview of frozen inventories: which scenes there are of every glacier, and when."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from ssl4sar.acquire.product import OrbitDirection, Product
from ssl4sar.core.wording import counted, size_text
from ssl4sar.report.figure_file import DPI, new_figure, save_figure

_WIDTH_PX: Final = 1360
#: Place of the table of numbers, right of the scenes.
_RIGHT_PX: Final = 330
_TOP_PX: Final = 112
_BOTTOM_PX: Final = 92
_ROW_PX: Final = 42
_PX: Final = 72 / DPI
"""Points per pixel."""
_NAME_POINTS: Final = 11.0
#: Wider names are drawn smaller.
_MOST_LEFT_PX: Final = 400
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
    """A glacier: dots at a height within the row."""

    name: str
    sar: tuple[Product, ...]
    optical: tuple[Product, ...]

    @property
    def offline(self) -> int:
        return sum(not product.online for product in (*self.sar, *self.optical))

    @property
    def longest_gap(self) -> timedelta | None:
        starts = sorted(product.start for product in self.sar)
        return max((after - before for before, after in pairwise(starts)), default=None)


def draw_inventories(
    path: str | Path,
    products: Mapping[str, Sequence[Product]],
    *,
    test_glaciers: Collection[str] = (),
) -> None:
    """Draw a row per glacier with a dot per Sentinel-1 scene and a star per Sentinel-2 image.

    Within a row every track has its own line, ascending above descending ones, so that dots of
    several tracks do not cover each other and a gap in one track is seen.

    Args:
        path: PNG file, written atomically.
        products: products of the inventory by glacier, in the order of the rows.
        test_glaciers: names that are marked as test glaciers of CaFFe.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [_row(name, content) for name, content in products.items()]
    widest_px = max((_width_px(row.name) for row in rows), default=0.0)
    left_px = min(max(widest_px + 24, 110), _MOST_LEFT_PX)
    name_points = _NAME_POINTS * min(1.0, (left_px - 24) / max(widest_px, 1.0))
    height_px = _TOP_PX + _ROW_PX * max(len(rows), 2) + _BOTTOM_PX
    figure = new_figure(_WIDTH_PX, height_px)
    axes = figure.add_axes(
        (
            left_px / _WIDTH_PX,
            _BOTTOM_PX / height_px,
            1 - (left_px + _RIGHT_PX) / _WIDTH_PX,
            1 - (_TOP_PX + _BOTTOM_PX) / height_px,
        )
    )
    axes.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    _draw_dots(axes, rows)
    _finish_axes(axes, rows, test_glaciers)
    axes.tick_params(axis="y", length=0, labelsize=name_points)
    _draw_numbers(axes, rows)
    _draw_title(figure, rows, height_px, has_test=bool(set(products) & set(test_glaciers)))
    figure.legend(
        handles=_legend(rows),
        loc="lower center",
        ncols=8,
        frameon=False,
        fontsize=10.5,
        handletextpad=0.3,
    )
    save_figure(figure, path)


def _width_px(name: str) -> float:
    # Bold is the widest that a name is drawn.
    font = FontProperties(weight="bold")
    return float(TextPath((0, 0), name, size=_NAME_POINTS, prop=font).get_extents().width) / _PX


def _row(name: str, products: Sequence[Product]) -> _Row:
    return _Row(
        name,
        tuple(product for product in products if product.mission == "sentinel-1"),
        tuple(product for product in products if product.mission == "sentinel-2"),
    )


def _draw_dots(axes: Axes, rows: Sequence[_Row]) -> None:
    crowded = max((len(row.sar) for row in rows), default=0) > _CROWD
    size_px = 3.4 if crowded else 5.5
    areas = {True: (size_px * _PX) ** 2, False: ((size_px + 2.6) * _PX) ** 2}
    for direction, colour in _COLOURS.items():
        for online in (True, False):
            dots = [
                (product.start, place + height)
                for place, row in enumerate(rows)
                for product, height in zip(row.sar, _heights(row.sar), strict=True)
                if product.orbit_direction == direction and product.online == online
            ]
            if not dots:
                continue
            # Hollow dots are larger, or nobody would see that they are hollow.
            style: dict[str, Any] = (
                {"color": colour, "linewidths": 0, "alpha": 0.9}
                if online
                else {"facecolors": "white", "edgecolors": colour}
            )
            axes.scatter(
                _dates(dots),
                [y for _, y in dots],
                s=areas[online],
                zorder=3 if online else 4,
                **style,
            )
    for online in (True, False):
        stars = [
            (product.start, float(place))
            for place, row in enumerate(rows)
            for product in row.optical
            if product.online == online
        ]
        if stars:
            axes.scatter(
                _dates(stars),
                [y for _, y in stars],
                marker="*",
                s=(19 * _PX) ** 2,
                facecolors=_OPTICAL_COLOUR if online else "white",
                edgecolors="white" if online else _OPTICAL_COLOUR,
                linewidths=0.9,
                zorder=5,
            )


def _dates(dots: Sequence[tuple[datetime, float]]) -> NDArray[np.float64]:
    return np.array([_day(start) for start, _ in dots], np.float64)


def _day(time: datetime) -> float:
    return float(date2num(time))  # type: ignore[no-untyped-call]


def _heights(products: Sequence[Product]) -> list[float]:
    """Return heights within a row, one per track; y points down, so ascending tracks are above."""
    keys = [
        (product.orbit_direction or "unknown", product.relative_orbit or 0) for product in products
    ]
    tracks = sorted(set(keys))
    if len(tracks) < 2:
        return [0.0] * len(keys)
    lines = dict(zip(tracks, np.linspace(-_HALF_ROW, _HALF_ROW, len(tracks)), strict=True))
    return [float(lines[key]) for key in keys]


def _finish_axes(axes: Axes, rows: Sequence[_Row], test_glaciers: Collection[str]) -> None:
    for place in range(0, len(rows), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#F4F4F4", zorder=0)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        if row.name in test_glaciers:
            label.set_color(_TEST_COLOUR)
            label.set_fontweight("bold")
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    starts = [product.start for row in rows for product in (*row.sar, *row.optical)]
    if not starts:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.text(0.5, 0.5, "no product", transform=axes.transAxes, ha="center", va="center")
        return
    first, last = min(starts), max(starts)
    pad = max((last - first) * 0.012, timedelta(days=5))
    axes.set_xlim(_day(first - pad), _day(last + pad))
    locator = AutoDateLocator(minticks=4, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(axis="x", color="#D0D0D0", linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_numbers(axes: Axes, rows: Sequence[_Row]) -> None:
    for heading, place_px in _COLUMNS:
        _number(axes, -0.5, heading, place_px, rise_px=12, fontsize=10, color="#555555")
    for place, row in enumerate(rows):
        gap = row.longest_gap
        texts = (
            f"{len(row.sar):,}",
            _size((*row.sar, *row.optical), at_least="≥ ", unknown="unknown"),
            f"{row.offline:,}" if row.offline else "-",
            "-" if gap is None else f"{gap.total_seconds() / 86400:,.0f} d",
        )
        for text, (_, place_px) in zip(texts, _COLUMNS, strict=True):
            _number(axes, place, text, place_px, fontsize=10.5)


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
        xytext=(place_px * _PX, rise_px * _PX),
        textcoords="offset points",
        ha="right",
        va="center",
        annotation_clip=False,
        **style,
    )


def _draw_title(figure: Figure, rows: Sequence[_Row], height_px: int, *, has_test: bool) -> None:
    everything = [product for row in rows for product in (*row.sar, *row.optical)]
    # A product that shows two glaciers is fetched once.
    distinct = {(product.provider, product.name): product for product in everything}.values()
    scenes = sum(product.mission == "sentinel-1" for product in distinct)
    images = len(distinct) - scenes
    synthetic = any(product.provider == "synthetic" for product in distinct)
    title = (
        f"{'SYNTHETIC: ' if synthetic else ''}{counted(scenes, 'Sentinel-1 scene')} and "
        f"{counted(images, 'Sentinel-2 image')} of {counted(len(rows), 'glacier')}, "
        f"{_size(distinct, at_least='at least ', unknown='of unknown size')}"
    )
    figure.text(0.5, 1 - 24 / height_px, title, ha="center", va="center", fontsize=14)
    shared = len(everything) - len(distinct)
    notes = ["Each line of dots is a track.", "Sizes are those of whole products, as listed."]
    if shared:
        notes.append(f"The title counts products of several glaciers once ({shared:,} repeats).")
    if has_test:
        notes.append("Bold: test glacier of CaFFe.")
    figure.text(0.5, 1 - 52 / height_px, " ".join(notes), ha="center", va="center", fontsize=10.5)


def _legend(rows: Sequence[_Row]) -> list[Line2D]:
    def entry(label: str, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="", label=label, **style)

    found = {product.orbit_direction for row in rows for product in row.sar}
    entries = [
        entry(direction or "pass unknown", marker="o", markersize=5, color=colour)
        for direction, colour in _COLOURS.items()
        if direction in found
    ]
    if any(row.offline for row in rows):
        entries.append(
            entry("offline", marker="o", markersize=6, color="#555555", markerfacecolor="white")
        )
    if any(row.optical for row in rows):
        entries.append(
            entry(
                "Sentinel-2 image",
                marker="*",
                markersize=13,
                color=_OPTICAL_COLOUR,
                markeredgecolor="white",
            )
        )
    return entries
