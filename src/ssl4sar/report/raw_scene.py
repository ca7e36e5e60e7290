"""A raw scene as the radar sees it, with the outline of a glacier's grid on it."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ssl4sar.acquire.fetch_record import fetched_product
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.report.figure_file import (
    Margins,
    axes_at,
    new_figure,
    run_colour,
    save_figure,
    text_at,
)
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.sar.resample import multilook
from ssl4sar.sar.terrain import Elevation, read_terrain
from ssl4sar.stack.record import StackRecord

_LONGEST_PX: Final = 760
#: Lines that are read per row of the picture: all of them would be a gigabyte of a real scene.
_LINES_READ: Final = 2
#: Points per side of the outline.
_SIDE: Final = 65
_MARGINS: Final = Margins(left=90, right=110, top=92, bottom=92, narrowest=620)


@dataclass(frozen=True, eq=False)
class RawView:
    """A raw scene at the size of its picture.

    Attributes:
        product: the scene.
        annotation: of the polarisation that is shown.
        amplitude_db: (R, C) float32, 20 log10 of the digital numbers, means over blocks; NaN where
            nothing was measured.
        columns: pixels of the scene that it shows; lines are all shown.
        outline: (2, 4, N) lines and pixels of the sides of the grid: north, east, south, west.
    """

    product: GrdProduct
    annotation: Annotation
    amplitude_db: NDArray[np.float32]
    columns: int
    outline: NDArray[np.float64]


def draw_raw_scene(
    path: str | Path, manifest: str | Path, stack: StackRecord, elevation: Elevation
) -> None:
    """Draw a raw scene, atomically; of one that is unavailable the reason.

    Args:
        path: PNG file.
        manifest: of a fetched product of the stack.
        stack: of the glacier whose grid is outlined.
        elevation: model of the area.

    Raises:
        UserError: the file cannot be written.
    """
    heading = f"{'SYNTHETIC: ' * stack.synthetic}{stack.glacier}: a raw scene as the radar sees it"
    try:
        product = open_product(fetched_product(manifest)[0])
        used = {scene.product: scene.facts.get("polarisation") for scene in stack.usable}
        polarisation = used.get(product.name) or product.polarisations[0]
        view = read_raw_scene(product, polarisation, stack.pixels, elevation)
    except UserError as error:
        figure = new_figure(_MARGINS.narrowest, 200)
        text_at(figure, 14, heading, fontsize=13)
        text_at(figure, 70, textwrap.fill(f"not drawn: {error}", 80), fontsize=8)
        save_figure(figure, path)
        return
    _draw(path, view, heading)


def read_raw_scene(
    product: GrdProduct, polarisation: str, grid: Grid, elevation: Elevation
) -> RawView:
    """Read a scene at the size of its picture, and where a grid is in it.

    Raises:
        UserError: a file of the product is missing or damaged, or the elevation model unusable.
    """
    annotation = product.annotation(polarisation)
    step = max(1, math.ceil(max(annotation.lines, annotation.pixels) / _LONGEST_PX))
    looks = min(step, _LINES_READ), step
    shape = looks[0] * (annotation.lines // step), annotation.pixels
    name = product.measurement(polarisation)
    try:
        with open_raster(name, "GTiff") as file:
            numbers = file.read(1, out_shape=shape)
    except UnreadableRasterError as error:
        fix = "get the product again"
        raise UserError(name, f"the image is damaged ({error})", fix) from error
    power = multilook(numbers.astype(np.float32) ** 2, looks)
    with np.errstate(divide="ignore"):
        amplitude_db = 10 * np.log10(power)
    amplitude_db[power == 0] = np.nan
    columns = step * power.shape[1]
    return RawView(
        product, annotation, amplitude_db, columns, _outline(annotation, grid, elevation)
    )


def _outline(annotation: Annotation, grid: Grid, elevation: Elevation) -> NDArray[np.float64]:
    from pyproj import Transformer

    coarse = Grid.of_bounds(grid.bounds, (_SIDE, _SIDE), grid.crs)
    heights_m = read_terrain(elevation, coarse).heights_m
    sides = [heights_m[0], heights_m[:, -1], heights_m[-1, ::-1], heights_m[::-1, 0]]
    x, y = np.linspace(grid.left, grid.right, _SIDE), np.linspace(grid.top, grid.bottom, _SIDE)
    east, south = np.full(_SIDE, grid.right), np.full(_SIDE, grid.bottom)
    west, north = np.full(_SIDE, grid.left), np.full(_SIDE, grid.top)
    transformer = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = transformer.transform(
        np.stack([x, east, x[::-1], west]), np.stack([north, y, south, y[::-1]])
    )
    # Missing heights count as sea level: accurate enough for an outline.
    points = to_ecef(lon, lat, np.nan_to_num(np.stack(sides)))
    return np.stack(annotation.image_position(to_radar(annotation.orbit, points)))


def _draw(path: str | Path, view: RawView, heading: str) -> None:
    about, product = view.annotation, view.product
    spacings_m = about.azimuth_pixel_spacing_m, about.range_pixel_spacing_m
    sides_m = about.lines * spacings_m[0], view.columns * spacings_m[1]
    height_px, width_px = (side * _LONGEST_PX / max(sides_m) for side in sides_m)
    figure, axes, left_px = _MARGINS.framed((height_px, width_px))
    measured = view.amplitude_db[np.isfinite(view.amplitude_db)]
    low, high = np.percentile(measured, (1, 99)) if measured.size else (0.0, 1.0)
    edges = (-0.5, view.columns - 0.5, about.lines - 0.5, -0.5)
    shown = axes.imshow(
        view.amplitude_db, cmap="gray", vmin=low, vmax=high, extent=edges, aspect="auto"
    )
    axes.set_facecolor("#FBE3D0")
    _draw_outline(axes, view.outline)
    axes.set(xlim=edges[:2], ylim=edges[2:])
    axes.set_xlabel("pixel (across the track, from near to far)")
    axes.set_ylabel("line (along the track, in the order of time)")
    bar = axes_at(figure, left_px + width_px + 16, _MARGINS.top, (height_px, 14))
    figure.colorbar(shown, cax=bar, label="amplitude, 20 log10(DN) (dB)")
    text_at(figure, 12, heading, fontsize=13)
    text_at(figure, 38, product.name, fontsize=8.5)
    passing = product.orbit_pass or "pass unknown"
    facts = f"{product.platform} {product.mode} {about.polarisation}, {passing}; not calibrated"
    text_at(figure, 58, facts, fontsize=10)
    save_figure(figure, path)


def _draw_outline(axes: Axes, outline: NDArray[np.float64]) -> None:
    white: Any = [withStroke(linewidth=4, foreground="white")]
    styles = [("grid of the glacier", run_colour(0)), ("its northern side", run_colour(1))]
    order = [*outline[:, 1:].swapaxes(0, 1), outline[:, 0]]
    for side, (line, pixel) in enumerate(order):
        colour = styles[side == len(order) - 1][1]
        axes.plot(pixel, line, color=colour, linewidth=2, path_effects=white)
    handles = [Line2D([], [], color=colour, linewidth=2, label=label) for label, colour in styles]
    axes.figure.legend(handles=handles, loc="lower center", ncols=2, frameon=False, fontsize=10.5)
