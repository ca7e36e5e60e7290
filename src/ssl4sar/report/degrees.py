"""Maps in degrees: polygons and labels of the axes."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry


def polygons(area: BaseGeometry) -> Iterator[Polygon]:
    """Yield the polygons of an area."""
    for part in getattr(area, "geoms", [area]):
        if isinstance(part, Polygon):
            yield part


def label_degrees(axes: Axes, fontsize: float) -> None:
    """Label longitudes and latitudes with few numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda lon, _: longitude_label(lon)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda lat, _: _degrees(lat, "N", "S")))
    axes.tick_params(labelsize=fontsize)


def longitude_label(lon: float) -> str:
    """Return a longitude as text; beyond 180 degrees east it is one west, and the reverse."""
    return _degrees((lon + 180.0) % 360.0 - 180.0, "E", "W")


def _degrees(value: float, positive: str, negative: str) -> str:
    rounded = round(abs(value), 4)
    side = "" if rounded in {0.0, 180.0} else f" {positive if value > 0 else negative}"
    return f"{rounded:g}°{side}"
