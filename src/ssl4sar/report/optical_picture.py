"""The optical image of a glacier in natural colours, on the grid of its SAR images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ssl4sar.core.pair_layout import CHANNELS, RGB_CHANNELS
from ssl4sar.report.figure_file import Margins, save_figure, text_at
from ssl4sar.report.pretext_panels import stretched
from ssl4sar.stack.record import StackRecord

if TYPE_CHECKING:
    import xarray as xr

_LONGEST_PX: Final = 760
_MARGINS: Final = Margins(left=80, right=30, top=86, bottom=70, narrowest=560)
#: No natural colour.
NO_DATA: Final = (255, 0, 255)


def natural_colours(image: xr.DataArray, step: int = 1) -> NDArray[np.uint8]:
    """Return red, green and blue of an optical image.

    Args:
        image: as :func:`ssl4sar.stack.optical.optical_image` returns it.
        step: every so many rows and columns are taken.

    Returns:
        (H, W, 3) uint8, stretched alike; :data:`NO_DATA` where a band has none.
    """
    bands = [CHANNELS[channel] for channel in RGB_CHANNELS]
    values = image.sel(band=bands).values[:, ::step, ::step]
    known = np.isfinite(values).all(axis=0)
    if not known.any():
        return np.full((*known.shape, 3), NO_DATA, np.uint8)
    picture = stretched(np.nan_to_num(values), values[:, known])
    picture[~known] = NO_DATA
    return picture


def draw_optical(path: str | Path, image: xr.DataArray, stack: StackRecord) -> None:
    """Draw the optical image of a glacier in natural colours, atomically.

    Args:
        path: PNG file.
        image: as :func:`ssl4sar.stack.optical.read_optical` returns it.
        stack: of the glacier, on the same grid.

    Raises:
        UserError: the file cannot be written.
    """
    grid = stack.pixels
    step = max(1, max(grid.shape) // _LONGEST_PX)
    picture = natural_colours(image, step)
    height_px, width_px = (side * _LONGEST_PX / max(grid.shape) for side in grid.shape)
    figure, axes, _ = _MARGINS.framed((height_px, width_px))
    height_km, width_km = (side * grid.spacing / 1000 for side in grid.shape)
    axes.imshow(picture, extent=(0, width_km, 0, height_km), aspect="auto")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(color="white", linewidth=0.6, alpha=0.5)
    axes.set_xlabel("east of the grid's south-western corner (km)")
    axes.set_ylabel("north of it (km)")
    synthetic = "SYNTHETIC: " * stack.synthetic
    day = image.attrs.get("day")
    text_at(figure, 12, f"{synthetic}{stack.glacier}: optical image of {day}", fontsize=13)
    unknown = (picture == NO_DATA).all(axis=2).mean()
    facts = f"red, green and blue of Sentinel-2 on {grid.crs}, {grid.spacing:g} m"
    missing = f"; pink: no data, {unknown:.1%}" if unknown else ""
    text_at(figure, 40, facts + missing, fontsize=10)
    save_figure(figure, path)
