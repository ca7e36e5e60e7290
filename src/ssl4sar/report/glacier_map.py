"""Map of the areas of interest. It has no coastlines, as none are shipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from ssl4sar.acquire.areas import Glacier
from ssl4sar.report.degrees import area_around, label_degrees, polygons
from ssl4sar.report.figure_file import DPI, new_figure, save_figure

_PX: Final = 72 / DPI
EARTH_RADIUS_KM: Final = 6371.0
#: Areas north of this are drawn around the pole.
_NORTHERN_DEG: Final = 45.0
_HEAD_PX: Final = 76
_FOOT_PX: Final = 52
_MAP_PX: Final = 520
_NAMES_PX: Final = 165
_INSET_PX: Final = 360
_ROW_PX: Final = 22
_NAME_POINTS: Final = 10.0
_GRID: Final[dict[str, Any]] = {"color": "#C9C9C9", "linewidth": 0.8, "zorder": 1}
_CIRCLE_DEG: Final = 66.56
_KINDS: Final[dict[str | None, tuple[str, str, str]]] = {
    None: ("o", "#0072B2", "for the pretraining"),
    "train": ("s", "#009E73", "training glacier of CaFFe"),
    "test": ("D", "#D55E00", "test glacier of CaFFe: never pretrained on"),
}


def draw_areas(path: str | Path, glaciers: Sequence[Glacier], title: str = "") -> None:
    """Draw the glaciers of a list: northern ones around the pole, others in a map of their own.

    Args:
        path: PNG file, written atomically.
        glaciers: glaciers with their areas.
        title: above the map; without one the number of glaciers.

    Raises:
        UserError: the file cannot be written.
    """
    northern = [glacier for glacier in glaciers if glacier.area.centroid.y >= _NORTHERN_DEG]
    others = [glacier for glacier in glaciers if glacier.area.centroid.y < _NORTHERN_DEG]
    main_px = 2 * _NAMES_PX + _MAP_PX
    width_px = (main_px if northern or not others else 0) + (_INSET_PX + 90 if others else 0)
    # Each side holds the names of its half of the map.
    body_px = max(_MAP_PX, _ROW_PX * len(northern)) if northern or not others else _INSET_PX + 70
    height_px = _HEAD_PX + body_px + _FOOT_PX
    figure = new_figure(width_px, height_px)
    if northern or not others:
        _draw_north(figure, northern, width_px, height_px)
    if others:
        _draw_others(figure, others, width_px, height_px)
    heading = (
        title or f"Areas of interest: {len(glaciers)} glacier{'' if len(glaciers) == 1 else 's'}"
    )
    figure.text(0.5, 1 - 24 / height_px, heading, ha="center", va="center", fontsize=14)
    figure.text(
        0.5,
        1 - 50 / height_px,
        "Around the pole azimuthal equidistant, without coastlines. Dots: centres of areas. "
        "Dashed: Arctic Circle."
        if northern
        else "True to scale in the middle, without coastlines.",
        ha="center",
        va="center",
        fontsize=10,
        color="#555555",
    )
    figure.legend(
        handles=_legend(glaciers),
        loc="lower center",
        # The map of the others alone is narrow, and leaves room below.
        ncols=3 if northern else 1,
        frameon=False,
        fontsize=10.5,
    )
    save_figure(figure, path)


def _axes(figure: Figure, box_px: tuple[float, float, float, float]) -> Axes:
    """Return empty axes: left, top, width and height in pixels from the upper left corner."""
    width_px, height_px = figure.get_size_inches() * DPI
    left, top, width, height = box_px
    axes = figure.add_axes(
        (left / width_px, 1 - (top + height) / height_px, width / width_px, height / height_px)
    )
    axes.set_axis_off()
    return axes


def _draw_north(
    figure: Figure, glaciers: Sequence[Glacier], width_px: float, height_px: float
) -> None:
    body_px = height_px - _HEAD_PX - _FOOT_PX
    axes = _axes(figure, (0, _HEAD_PX, 2 * _NAMES_PX + _MAP_PX, body_px))
    lowest = min((glacier.area.bounds[1] for glacier in glaciers), default=60.0)
    edge = 5.0 * math.floor((lowest - 0.5) / 5.0)
    radius_km = math.radians(90.0 - edge) * EARTH_RADIUS_KM
    km_per_px = 2 * radius_km * 1.02 / (_MAP_PX - 40)
    half_width = (_NAMES_PX + _MAP_PX / 2) * km_per_px
    axes.set_xlim(-half_width, half_width)
    axes.set_ylim(-body_px / 2 * km_per_px, body_px / 2 * km_per_px)
    _draw_graticule(axes, edge)
    _draw_named(axes, glaciers, km_per_px, half_width)


def _draw_graticule(axes: Axes, edge: float) -> None:
    turns = np.linspace(-180.0, 180.0, 361)
    for lat in np.arange(edge, 90.0, 5.0 if edge > 70 else 10.0 if edge > 40 else 20.0):
        x, y = _polar_km(turns, np.full_like(turns, lat))
        axes.plot(x, y, **({**_GRID, "color": "#888888"} if lat == edge else _GRID))
        if lat > edge:
            _grid_label(axes, 180.0, lat, f"{lat:g} N")
    if edge < _CIRCLE_DEG:
        x, y = _polar_km(turns, np.full_like(turns, _CIRCLE_DEG))
        axes.plot(x, y, **{**_GRID, "color": "#7FA8C9", "linestyle": (0, (5, 4))})
    for lon in range(-180, 180, 30):
        lats = np.linspace(edge, 90.0, 2)
        x, y = _polar_km(np.full_like(lats, lon), lats)
        axes.plot(x, y, **_GRID)
        letter = "" if lon in (0, -180) else " E" if lon > 0 else " W"
        _grid_label(axes, lon, edge - (90 - edge) * 0.045, f"{abs(lon)}{letter}")


def _grid_label(axes: Axes, lon: float, lat: float, text: str) -> None:
    x, y = _polar_km(np.array(lon), np.array(lat))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.text(
        float(x), float(y), text, ha="center", va="center", fontsize=8, color="#777777", bbox=box
    )


def _draw_named(
    axes: Axes,
    glaciers: Sequence[Glacier],
    km_per_px: float,
    half_width_km: float,
) -> None:
    """Draw dots, and names in a column on the side of each, in order of height: none overlap."""
    middles = [_middle(glacier) for glacier in glaciers]
    column_km = _MAP_PX / 2 * km_per_px
    for side in (-1, 1):
        chosen = [n for n, (x, _) in enumerate(middles) if (x >= 0) == (side > 0)]
        chosen.sort(key=lambda n: middles[n][1])
        heights = _spread([middles[n][1] for n in chosen], _ROW_PX * km_per_px, axes.get_ylim())
        for n, height in zip(chosen, heights, strict=True):
            x, y = middles[n]
            marker, colour, _ = _KINDS[glaciers[n].caffe]
            axes.plot(
                [x, side * column_km * 0.985, side * column_km],
                [y, height, height],
                color=colour,
                linewidth=0.7,
                alpha=0.65,
                zorder=2,
            )
            axes.plot(x, y, **_dot(marker, colour))
            axes.text(
                side * (column_km + 6 * km_per_px),
                height,
                glaciers[n].name,
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=_fitting(glaciers[n].name, (half_width_km - column_km) / km_per_px - 10),
                color=colour,
            )


def _fitting(name: str, width_px: float) -> float:
    """Return a font size in points at which a name takes no more than a width."""
    return min(10.5, width_px * _PX / (0.66 * len(name)))


def _spread(
    wanted: Sequence[float], step: float, limits: tuple[float, float]
) -> NDArray[np.float64]:
    """Return heights at least a step apart and within limits, near the wanted, rising ones."""
    low, high = limits[0] + step / 2, limits[1] - step / 2
    up, down = np.array(wanted, np.float64), np.array(wanted, np.float64)
    for index in range(1, len(up)):
        up[index] = max(up[index], up[index - 1] + step)
    for index in range(len(down) - 2, -1, -1):
        down[index] = min(down[index], down[index + 1] - step)
    # Both have the step, so their mean does, and a crowd spreads to both sides.
    places = (up + down) / 2
    steps = step * np.arange(len(places))
    return np.clip(places, low + steps, high - steps[::-1])


def _middle(glacier: Glacier) -> tuple[float, float]:
    # The middle of the two parts of an area across the antimeridian is in neither.
    lons, lats = (np.array(values) for values in np.transpose(_corners(glacier)))
    x, y = _polar_km(lons, lats)
    return float(x.mean()), float(y.mean())


def _corners(glacier: Glacier) -> list[tuple[float, float]]:
    return [
        (point[0], point[1]) for part in glacier.area.geoms for point in part.exterior.coords[:-1]
    ]


def _draw_others(
    figure: Figure, glaciers: Sequence[Glacier], width_px: float, height_px: float
) -> None:
    """Draw the other areas in degrees, true to scale in the middle, each with its name."""
    top_px = _HEAD_PX + (height_px - _HEAD_PX - _FOOT_PX - _INSET_PX) / 2
    axes = _axes(figure, (width_px - _INSET_PX - 30, top_px, _INSET_PX, _INSET_PX))
    axes.set_axis_on()
    turns = np.radians([lon for glacier in glaciers for lon, _ in _corners(glacier)])
    middle = math.degrees(math.atan2(np.sin(turns).mean(), np.cos(turns).mean()))
    shapes = [area_around(glacier, middle) for glacier in glaciers]
    west, south, east, north = unary_union(shapes).bounds
    # A degree of longitude is so much of one of latitude.
    narrowing = max(math.cos(math.radians((south + north) / 2)), 0.05)
    half_deg = max((east - west) * narrowing, north - south) / 2 * 1.12
    half_lon = half_deg / narrowing
    axes.set_xlim((west + east) / 2 - half_lon, (west + east) / 2 + half_lon)
    axes.set_ylim((south + north) / 2 - half_deg, (south + north) / 2 + half_deg)
    label_degrees(axes, 8)
    axes.grid(**_GRID)
    axes.set_frame_on(False)
    axes.tick_params(length=0, labelcolor="#777777")
    for glacier, shape in zip(glaciers, shapes, strict=True):
        _, colour, _ = _KINDS[glacier.caffe]
        for part in polygons(shape):
            x, y = np.array(part.exterior.coords)[:, :2].T
            axes.plot(x, y, color=colour, linewidth=1.6, zorder=3)
            axes.fill(x, y, color=colour, alpha=0.08, linewidth=0, zorder=2)
    _draw_names(axes, glaciers, shapes, 2 * half_lon / _INSET_PX, 2 * half_deg / _INSET_PX)
    regions = ", ".join(dict.fromkeys(glacier.region for glacier in glaciers))
    figure.text(
        (width_px - _INSET_PX / 2 - 30) / width_px,
        1 - (top_px - 12) / height_px,
        regions,
        ha="center",
        va="center",
        fontsize=11,
    )


def _draw_names(
    axes: Axes,
    glaciers: Sequence[Glacier],
    shapes: Sequence[BaseGeometry],
    lon_per_px: float,
    lat_per_px: float,
) -> None:
    """Write each name into its area, where no other is; above the area if it is too wide."""
    above: list[tuple[Glacier, float, float]] = []
    for index, (glacier, shape) in enumerate(zip(glaciers, shapes, strict=True)):
        own = shape.difference(unary_union([*shapes[:index], *shapes[index + 1 :]]))
        own = shape if own.is_empty else own
        west, _, east, north = own.bounds
        if _name_px(glacier.name) * lon_per_px > east - west:
            above.append((glacier, (west + east) / 2, north + 5 * lat_per_px))
            continue
        point = own.representative_point()
        _draw_name(axes, glacier, point.x, point.y, va="center")
    middles = sorted(x for _, x, _ in above)
    widest = max((_name_px(glacier.name) for glacier, _, _ in above), default=0.0) * lon_per_px
    crowded = any(after - before < widest for before, after in pairwise(middles))
    for glacier, x, y in above:
        _draw_name(axes, glacier, x, y, va="bottom", rotation=90.0 if crowded else 0.0)


def _draw_name(axes: Axes, glacier: Glacier, x: float, y: float, **style: Any) -> None:
    _, colour, _ = _KINDS[glacier.caffe]
    axes.text(
        x, y, glacier.name, ha="center", fontsize=_NAME_POINTS, color=colour, zorder=4, **style
    )


def _name_px(name: str) -> float:
    return float(TextPath((0, 0), name, size=_NAME_POINTS).get_extents().width) / _PX


def _polar_km(
    lons: NDArray[np.float64], lats: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places on the azimuthal equidistant map around the pole, Greenwich pointing down.

    Args:
        lons: longitudes, degrees.
        lats: latitudes, degrees.

    Returns:
        Kilometres to the right of the pole and above it.
    """
    distance_km, turn = np.radians(90.0 - lats) * EARTH_RADIUS_KM, np.radians(lons)
    return distance_km * np.sin(turn), -distance_km * np.cos(turn)


def _dot(marker: str, colour: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "markersize": 6.5,
        "color": colour,
        "markeredgecolor": "white",
        "markeredgewidth": 0.7,
        "linestyle": "",
        "zorder": 4,
    }


def _legend(glaciers: Sequence[Glacier]) -> list[Line2D]:
    found = {glacier.caffe for glacier in glaciers}
    return [
        Line2D([], [], label=label, **_dot(marker, colour))
        for kind, (marker, colour, label) in _KINDS.items()
        if kind in found
    ]
