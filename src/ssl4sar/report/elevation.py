"""Picture of the elevation model of a glacier: relief, heights, area, and what is not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.voids import FILLED, SEA, VOID
from ssl4sar.core.foreign import parse_json
from ssl4sar.report.degrees import area_around, label_degrees, polygons
from ssl4sar.report.elevation_view import (
    FLAG_COLOURS,
    HEIGHT_COLOURS,
    ElevationView,
    elevation_picture,
    height_scale,
    read_elevation,
)
from ssl4sar.report.figure_file import new_figure, save_figure
from ssl4sar.report.overlay import scale_bar_km

_FLAG_LABELS: Final = {SEA: "sea, no tile", FILLED: "void filled", VOID: "void left"}
_AREA_COLOUR: Final = "#0033A0"
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 92, 120, 88, 78
_NARROWEST_PX: Final = 560
_TILES_NAMED: Final = 3


def draw_elevation(
    path: str | Path,
    elevation: str | Path,
    glacier: Glacier,
    longest_px: int = 860,
) -> None:
    """Draw an elevation model, atomically.

    Args:
        path: PNG file.
        elevation: GeoTIFF as :func:`ssl4sar.acquire.elevation.model.build_elevation` writes it.
        glacier: whose model it is; its area is outlined.
        longest_px: longest side of the map, pixels.

    Raises:
        UserError: the GeoTIFF is missing or not an elevation model.
    """
    view = read_elevation(elevation, longest_px)
    height_px, width_px = view.heights_m.shape
    figure_width_px = max(width_px + _LEFT_PX + _RIGHT_PX, _NARROWEST_PX)
    figure_height_px = height_px + _TOP_PX + _BOTTOM_PX
    left_px = _LEFT_PX + (figure_width_px - width_px - _LEFT_PX - _RIGHT_PX) // 2
    figure = new_figure(figure_width_px, figure_height_px)

    def place(left: float, bottom: float, width: float, height: float) -> Axes:
        return figure.add_axes(
            (
                left / figure_width_px,
                bottom / figure_height_px,
                width / figure_width_px,
                height / figure_height_px,
            )
        )

    axes = place(left_px, _BOTTOM_PX, width_px, height_px)
    scale = height_scale(view)
    axes.imshow(
        elevation_picture(view, scale),
        extent=(view.west, view.east, view.south, view.north),
        interpolation="nearest",
        aspect="auto",
    )
    _draw_area(axes, view, glacier)
    _draw_scale_bar(axes, view)
    label_degrees(axes, 10.5)
    if (view.flags != SEA).any():
        bar_px = min(height_px, 420)
        bar = place(left_px + width_px + 20, _BOTTOM_PX + (height_px - bar_px) // 2, 16, bar_px)
        _draw_height_scale(bar, scale, view.tags)
    _title(figure, glacier, view.tags)
    figure.legend(
        handles=_legend(view),
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=11,
        borderaxespad=0.4,
    )
    save_figure(figure, path)


def _draw_area(axes: Axes, view: ElevationView, glacier: Glacier) -> None:
    for part in polygons(area_around(glacier, 0.5 * (view.west + view.east))):
        lon, lat = np.array(part.exterior.coords)[:, :2].T
        axes.plot(
            lon,
            lat,
            color=_AREA_COLOUR,
            linewidth=2.2,
            path_effects=[withStroke(linewidth=4.2, foreground="white")],
        )
    axes.set_xlim(view.west, view.east)
    axes.set_ylim(view.south, view.north)


def _draw_scale_bar(axes: Axes, view: ElevationView) -> None:
    height_px, width_px = view.heights_m.shape
    length_km = scale_bar_km(view.width_km)
    length = length_km / view.width_km
    edge = 0.03 * max(height_px, width_px)
    right, bottom = 1 - edge / width_px, edge / height_px
    axes.add_patch(
        Rectangle(
            (right - length, bottom),
            length,
            7 / height_px,
            facecolor="white",
            edgecolor="black",
            linewidth=1,
            transform=axes.transAxes,
            zorder=5,
        )
    )
    axes.text(
        right - length / 2,
        bottom + 12 / height_px,
        f"{length_km:g} km",
        ha="center",
        va="bottom",
        fontsize=12,
        color="white",
        path_effects=[withStroke(linewidth=3, foreground="black")],
        transform=axes.transAxes,
        zorder=5,
    )


def _draw_height_scale(axes: Axes, scale: Normalize, tags: dict[str, str]) -> None:
    low, high = float(scale.vmin or 0.0), float(scale.vmax or 1.0)
    ramp = np.linspace(0.0, 1.0, 256)[:, None]
    axes.imshow(HEIGHT_COLOURS(ramp), extent=(0, 1, low, high), origin="lower", aspect="auto")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.tick_params(labelsize=10.5)
    surface = "ellipsoid" if tags.get("HEIGHTS") == "ellipsoidal" else "geoid"
    axes.set_ylabel(f"height above the {surface} (m)", fontsize=11)


def _title(figure: Figure, glacier: Glacier, tags: dict[str, str]) -> None:
    _, height_px = figure.get_size_inches() * figure.dpi
    figure.text(
        0.5,
        1 - 10 / height_px,
        f"Elevation model of {glacier.long_name}",
        ha="center",
        va="top",
        fontsize=14,
    )
    figure.text(
        0.5,
        1 - 36 / height_px,
        f"{_tiles_text(tags)}\n{_datum_text(tags)}",
        linespacing=1.5,
        ha="center",
        va="top",
        fontsize=10.5,
        color="#333333",
    )


def _tiles_text(tags: dict[str, str]) -> str:
    names = list(parse_json(tags.get("TILES", "{}")))
    few = ", ".join(names)
    many = f"{len(names)} tiles, {names[0]} to {names[-1]}" if names else "no tiles"
    return f"Copernicus DEM GLO-30: {many if len(names) > _TILES_NAMED else few or many}"


def _datum_text(tags: dict[str, str]) -> str:
    if tags.get("HEIGHTS") == "ellipsoidal":
        return f"heights above the ellipsoid WGS 84, with the geoid {tags.get('GEOID_MODEL')}"
    return "heights above the geoid: not fit for the geometry of SAR"


def _legend(view: ElevationView) -> list[Patch | Line2D]:
    present = [flag for flag in (SEA, FILLED, VOID) if (view.flags == flag).any()]
    return [
        Line2D([], [], color=_AREA_COLOUR, linewidth=2.2, label="area of the glacier"),
        *(
            Patch(facecolor=FLAG_COLOURS[flag], edgecolor="black", label=_FLAG_LABELS[flag])
            for flag in present
        ),
    ]
