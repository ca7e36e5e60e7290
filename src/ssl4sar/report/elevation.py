"""Picture of the elevation model of a glacier: relief, heights, area, and what is not measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ssl4sar.acquire.areas import KM_PER_DEG, Glacier
from ssl4sar.acquire.elevation.raster import opened
from ssl4sar.acquire.elevation.tiles import area_around
from ssl4sar.acquire.elevation.voids import FILLED, SEA, VOID
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import parse_json
from ssl4sar.report.degrees import label_degrees, polygons
from ssl4sar.report.figure_file import Margins, axes_at, draw_scale_bar, save_figure, text_at

#: Colour and label of what is not measured.
FLAGS: Final = {
    SEA: ("#B7D3E6", "sea, no tile"),
    FILLED: ("#E69F00", "void filled"),
    VOID: ("#CC79A7", "void left"),
}
#: Green lowland, brown rock, white ice, pale enough for the relief to stay readable.
_HEIGHT_COLOURS: Final = LinearSegmentedColormap.from_list(
    "heights", ["#6E8F6B", "#B9B78A", "#B08E6A", "#C9BFB6", "#FBFBFB"]
)
_SUN: Final = LightSource(azdeg=315, altdeg=45)
_AREA_COLOUR: Final = "#0033A0"
_MARGINS: Final = Margins(left=92, right=120, top=88, bottom=78, narrowest=560)
_TILES_NAMED: Final = 3


@dataclass(frozen=True)
class ElevationView:
    """An elevation model at the size of its picture.

    Attributes:
        heights_m: (height, width) float32, metres; NaN where void.
        flags: (height, width) uint8; of the pixels that fall on one the highest flag.
        west: western edge, degrees; longitudes are continuous.
        south: southern edge.
        east: eastern edge.
        north: northern edge.
        tags: metadata of the file.
    """

    heights_m: NDArray[np.float32]
    flags: NDArray[np.uint8]
    west: float
    south: float
    east: float
    north: float
    tags: dict[str, str]

    @property
    def synthetic(self) -> bool:
        """Whether heights are those of the scene model."""
        return self.tags.get("NOTE", "").startswith("SYNTHETIC")

    @property
    def width_km(self) -> float:
        """Length of the middle parallel."""
        return (self.east - self.west) * _km_per_degree(0.5 * (self.south + self.north))


def draw_elevation(
    path: str | Path,
    elevation: str | Path,
    glacier: Glacier,
    longest_px: int = 860,
) -> None:
    """Draw an elevation model, atomically.

    Args:
        path: PNG file.
        elevation: GeoTIFF as :func:`ssl4sar.acquire.elevation.model.build_elevation` writes it, or
            heights of the scene model.
        glacier: whose model it is; its area is outlined.
        longest_px: longest side of the map, pixels.

    Raises:
        UserError: the GeoTIFF is missing or not an elevation model.
    """
    view = read_elevation(elevation, longest_px)
    height_px, width_px = shape = view.flags.shape
    figure, axes, left_px = _MARGINS.framed(shape)
    scale = _height_scale(view)
    edges = (view.west, view.east, view.south, view.north)
    axes.imshow(
        elevation_picture(view, scale), extent=edges, interpolation="nearest", aspect="auto"
    )
    _draw_area(axes, view, glacier)
    draw_scale_bar(axes, view.width_km, shape)
    label_degrees(axes, 10.5)
    is_ellipsoidal = view.tags.get("HEIGHTS") == "ellipsoidal"
    if (view.flags != SEA).any():
        bar = axes_at(figure, left_px + width_px + 20, _MARGINS.top, (height_px, 16))
        figure.colorbar(
            ScalarMappable(scale, _HEIGHT_COLOURS),
            cax=bar,
            label=f"height above the {'ellipsoid' if is_ellipsoidal else 'geoid'} (m)",
        )
    text_at(figure, 10, f"Elevation model of {glacier.long_name}", fontsize=14)
    text_at(figure, 36, _source_text(view), linespacing=1.5, fontsize=10.5)
    legend = [
        Line2D([], [], color=_AREA_COLOUR, linewidth=2.2, label="area of the glacier"),
        *(
            Patch(facecolor=colour, edgecolor="black", label=label)
            for flag, (colour, label) in FLAGS.items()
            if (view.flags == flag).any()
        ),
    ]
    figure.legend(handles=legend, loc="lower center", ncols=4, frameon=False, fontsize=11)
    save_figure(figure, path)


def read_elevation(path: str | Path, longest_px: int) -> ElevationView:
    """Read an elevation model at the size of its picture, whose pixels are square on the ground.

    Args:
        path: GeoTIFF with heights and flags.
        longest_px: longest side of the picture, pixels.

    Raises:
        UserError: the file is missing or has no two bands.
    """
    from rasterio.enums import Resampling
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    with opened(path) as source, _in_degrees(source) as file:
        tags = source.tags()
        is_flagged = file.count == 2
        if not (is_flagged or tags.get("NOTE", "").startswith("SYNTHETIC")):
            raise UserError(path, "this is not an elevation model with flags", "build it again")
        west, south, east, north = file.bounds
        width_km = (east - west) * _km_per_degree((north + south) / 2)
        height_km = (north - south) * KM_PER_DEG
        px_per_km = longest_px / max(width_km, height_km)
        height, width = (max(round(km * px_per_km), 2) for km in (height_km, width_km))
        averaged = Resampling.bilinear if height > file.height else Resampling.average
        heights_m = file.read(1, out_shape=(height, width), resampling=averaged)
        flags = np.zeros((height, width), np.uint8)
        if is_flagged:
            place = from_bounds(*file.bounds, width, height)
            # Small voids must not get lost.
            highest = {"resampling": Resampling.max, "transform": place}
            with WarpedVRT(file, width=width, height=height, nodata=None, **highest) as smaller:
                flags = np.nan_to_num(smaller.read(2)).astype(np.uint8)
        edges = (west, south, east, north)
        return ElevationView(heights_m.astype(np.float32), flags, *edges, tags)


@contextmanager
def _in_degrees(source: Any) -> Iterator[Any]:
    """Yield an open raster, warped to degrees where it is in metres."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    if source.crs is None or source.crs.is_geographic:
        yield source
        return
    with WarpedVRT(source, crs="EPSG:4326", resampling=Resampling.bilinear) as warped:
        yield warped


def elevation_picture(view: ElevationView, scale: Normalize) -> NDArray[np.float64]:
    """Paint relief, heights and flags.

    Args:
        view: the model.
        scale: from metres to shares of the colours.

    Returns:
        (height, width, 3), RGB of 0 to 1.
    """
    heights = _without_voids(view.heights_m)
    pixel_m = 1000.0 * view.width_km / heights.shape[1]
    picture: NDArray[np.float64] = _SUN.shade(
        heights, _HEIGHT_COLOURS, scale, blend_mode="soft", dx=pixel_m, dy=pixel_m
    )[:, :, :3]
    for flag, (colour, _) in FLAGS.items():
        picture[view.flags == flag] = to_rgb(colour)
    return picture


def _without_voids(heights_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return heights with those nearest to a void in it, so that no cliff is seen around it."""
    from scipy import ndimage

    void = np.isnan(heights_m)
    if void.all():
        return np.zeros_like(heights_m)
    nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
    filled: NDArray[np.float32] = heights_m[tuple(nearest)]
    return filled


def _km_per_degree(lat: float) -> float:
    return KM_PER_DEG * math.cos(math.radians(lat))


def _height_scale(view: ElevationView) -> Normalize:
    """Return the scale of heights, metres: nearly all heights of land fit in."""
    land = view.heights_m[(view.flags != SEA) & ~np.isnan(view.heights_m)]
    if land.size == 0:
        return Normalize(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(land, (0.5, 99.5)))
    return Normalize(low, max(high, low + 1.0), clip=True)


def _draw_area(axes: Axes, view: ElevationView, glacier: Glacier) -> None:
    for part in polygons(area_around(glacier.area, 0.5 * (view.west + view.east))):
        lon, lat = np.array(part.exterior.coords)[:, :2].T
        white_edge: Any = [withStroke(linewidth=4.2, foreground="white")]
        axes.plot(lon, lat, color=_AREA_COLOUR, linewidth=2.2, path_effects=white_edge)
    axes.set_xlim(view.west, view.east)
    axes.set_ylim(view.south, view.north)


def _source_text(view: ElevationView) -> str:
    """Return where heights are from, and what they are above."""
    if view.synthetic:
        return "SYNTHETIC: rendered by the scene model\nheights above the ellipsoid WGS 84"
    names = list(parse_json(view.tags.get("TILES", "{}")))
    few = ", ".join(names) or "no tiles"
    many = len(names) > _TILES_NAMED
    datum = (
        f"heights above the ellipsoid WGS 84, with the geoid {view.tags.get('GEOID_MODEL')}"
        if view.tags.get("HEIGHTS") == "ellipsoidal"
        else "heights above the geoid: not fit for the geometry of SAR"
    )
    return f"Copernicus DEM GLO-30: {f'{len(names)} tiles' if many else few}\n{datum}"
