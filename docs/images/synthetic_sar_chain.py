"""Draw docs/images/synthetic_sar_chain.png: from a SYNTHETIC raw product to images on a map.

python docs/images/synthetic_sar_chain.py
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import rasterio
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from ssl4sar.core.grid import Grid
from ssl4sar.core.seeding import generator
from ssl4sar.report.figure_file import new_figure, save_figure
from ssl4sar.sar.geocode import geocode
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation, read_terrain
from ssl4sar.stack.optical import open_optical, optical_image
from ssl4sar.synthetic.raw_scenes import (
    RawPlace,
    plan_place_pass,
    write_elevation,
    write_raw_optical,
    write_raw_sar,
)
from ssl4sar.synthetic.sky import draw_sky
from ssl4sar.synthetic.world import glacier_world

TARGET: Final = Path(__file__).with_suffix(".png")
SIDE_M: Final = 6000.0
INCIDENCE_DEG: Final = 40.0
TAKEN: Final = datetime(2018, 7, 12, 10, 5, 6, tzinfo=UTC)
#: Codes 1, 2 and 3 of the mask.
CLASSES: Final = (("layover", "#D55E00"), ("shadow", "#0072B2"), ("both", "#CC79A7"))
#: Classes of fewer pixels are not in the legend.
LEAST_PX: Final = 100


def write_products(folder: Path, grid: Grid) -> tuple[Path, Path]:
    """Write a radar and an optical product and an elevation model; return the products."""
    world = glacier_world(20250701, "Synthetic14", 2 * SIDE_M, northern=True)
    place = RawPlace(world, grid, seed=7)
    write_elevation(place, date(2018, 7, 1), folder / "elevation.tif")
    radar = plan_place_pass(place, INCIDENCE_DEG, ascending=True)
    sar = write_raw_sar(place, radar, TAKEN, folder, incidence_deg=INCIDENCE_DEG, relative_orbit=90)
    sky = draw_sky(generator(1, "sky"), northern=True, day=date(2018, 8, 1))
    taken = datetime(2018, 8, 1, 15, 1, tzinfo=UTC)
    return sar, write_raw_optical(place, taken, sky, folder, tile="22WEB")


def gray(axes: Axes, db: NDArray[np.floating], **options: Any) -> None:
    """Show decibels from -25 to 0."""
    axes.imshow(db, cmap="gray", vmin=-25, vmax=0, interpolation="antialiased", **options)


def draw(
    numbers: NDArray[np.uint16],
    image: xr.Dataset,
    heights_m: NDArray[np.float32],
    optical: xr.DataArray,
) -> None:
    """Draw the six steps and write the figure with few colours."""
    figure = new_figure(1080, 790)
    axes = figure.subplots(2, 3).ravel()
    figure.subplots_adjust(left=0.01, right=0.99, top=0.9, bottom=0.02, wspace=0.03, hspace=0.12)
    db = image["backscatter"].values
    # Lines of an ascending pass run north and range runs east: the first line at the bottom.
    axes[0].imshow(
        20 * np.log10(np.maximum(numbers, 1)), cmap="gray", vmin=20, vmax=56, origin="lower"
    )
    gray(axes[1], db)
    angles = axes[2].imshow(image["local_incidence_angle"], cmap="viridis", vmin=0, vmax=90)
    gray(axes[3], db, alpha=0.55)
    marks = np.ma.masked_equal(image["layover_shadow"].values, 0)
    colours = ListedColormap([colour for _, colour in CLASSES])
    axes[3].imshow(marks, cmap=colours, vmin=1, vmax=3, interpolation="nearest")
    heights = axes[4].imshow(heights_m, cmap="terrain", vmin=-100)
    bands = optical.sel(band=["B4", "B3", "B2"]).values.transpose(1, 2, 0)
    axes[5].imshow(np.clip(bands / 10_500, 0, 1) ** 0.8)
    titles = (
        "raw: amplitude in radar geometry",
        "sigma0 on the map (dB), 20 m",
        "local incidence angle (degrees)",
        "layover and shadow",
        "elevation model (m)",
        "optical image, same grid",
    )
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=11)
        ax.set(xticks=[], yticks=[])
    for ax, shown in ((axes[2], angles), (axes[4], heights)):
        # Inside of the picture, so that all six have one size.
        bar = ax.inset_axes((0.9, 0.04, 0.04, 0.5))
        figure.colorbar(shown, cax=bar)
        bar.yaxis.set_ticks_position("left")
        bar.tick_params(labelsize=9, colors="white")
    patches = [
        Patch(facecolor=colour, label=name)
        for code, (name, colour) in enumerate(CLASSES, start=1)
        if (marks == code).sum() > LEAST_PX
    ]
    axes[3].legend(handles=patches, loc="upper left", fontsize=9)
    figure.suptitle("SYNTHETIC: one pass over a glacier of the scene model, 6 km wide", y=0.98)
    save_figure(figure, TARGET)
    with Image.open(TARGET) as picture:
        small = picture.convert("RGB").quantize(96, dither=Image.Dither.NONE)
    small.save(TARGET, optimize=True)


def main() -> None:
    """Render the raw products, send them through the chain and draw what comes out."""
    corner = (500_000.0, 7_700_000.0)
    grid = Grid.snapped((*corner, corner[0] + SIDE_M, corner[1] + SIDE_M), 20, "EPSG:32622")
    with TemporaryDirectory() as name:
        folder = Path(name)
        sar, optical = write_products(folder, grid)
        product = open_product(sar)
        elevation = Elevation(folder / "elevation.tif")
        image = geocode(product, "HH", grid, elevation)
        with rasterio.open(product.measurement("HH")) as file:
            numbers = file.read(1)
        heights_m = read_terrain(elevation, grid).heights_m
        draw(numbers, image, heights_m, optical_image([open_optical(optical)], grid))


if __name__ == "__main__":
    main()
