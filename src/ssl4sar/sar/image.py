"""Part of the image of a product as backscatter: read, calibrated, without noise and border.

Everything is done on the pixels of the product, in linear power; blocks of them are then averaged
to about the spacing of the output, in ground range.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.blocks import in_blocks
from ssl4sar.sar.border import valid_pixels
from ssl4sar.sar.calibration import Calibration, Quantity
from ssl4sar.sar.noise import Noise
from ssl4sar.sar.product import GrdProduct
from ssl4sar.sar.radiometry import backscatter
from ssl4sar.sar.resample import multilook
from ssl4sar.sar.window import Window

#: Rows of multilooked pixels that are made at once.
_ROWS: Final = 128
_AGAIN: Final = "get the product again"


@dataclass(frozen=True, eq=False)
class RadarImage:
    """Multilooked backscatter in the geometry of the product.

    Attributes:
        power: (rows, columns) float32, linear; NaN where nothing was measured.
        window: pixels of the product that it shows.
        looks: lines and pixels of the product per pixel.
    """

    power: NDArray[np.float32]
    window: Window
    looks: tuple[int, int]

    def position(
        self, line: NDArray[np.float64], pixel: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rows and columns of positions in the product; 0 is the centre of the first."""
        row, column = (
            (place - part.start - (looks - 1) / 2) / looks
            for place, part, looks in zip((line, pixel), self.window, self.looks, strict=True)
        )
        return row, column


def looks_for(annotation: Annotation, spacing_m: float) -> tuple[int, int]:
    """Return how many lines and pixels of an image make up the spacing of a grid, at least one."""
    spacings = annotation.azimuth_pixel_spacing_m, annotation.range_pixel_spacing_m
    lines, pixels = (max(1, round(spacing_m / each)) for each in spacings)
    return lines, pixels


def read_window(product: GrdProduct, annotation: Annotation, window: Window) -> NDArray[Any]:
    """Return (rows, columns) digital numbers of a part of the image.

    Raises:
        UserError: the image is missing, damaged, truncated or of another size than announced.
    """
    name = product.measurement(annotation.polarisation)
    try:
        # Blocks that are not in the file would be read as zeros; the archive of a zip is whole.
        with open_raster(name, "GTiff", whole=Path(name).is_file()) as file:
            if file.shape != (annotation.lines, annotation.pixels):
                lines, pixels = file.shape
                expected = f"{annotation.lines} x {annotation.pixels}"
                problem = f"it has {lines} x {pixels} pixels, its annotation says {expected}"
                raise UserError(name, problem, _AGAIN)
            numbers: NDArray[Any] = file.read(1, window=window)
    except UnreadableRasterError as error:
        raise UserError(name, f"the image is damaged ({error})", _AGAIN) from error
    if numbers.dtype != np.uint16:
        raise UserError(name, f"its pixels are {numbers.dtype}, not uint16 amplitudes", _AGAIN)
    return numbers


def calibrated(
    dn: NDArray[Any],
    window: Window,
    looks: tuple[int, int],
    calibration: Calibration,
    quantity: Quantity,
    noise: Noise | None,
    valid: NDArray[np.bool_],
    workers: int = 1,
) -> RadarImage:
    """Return multilooked backscatter of digital numbers.

    Args:
        dn: (rows, columns) of the window.
        window: where they are in the image.
        looks: lines and pixels to average.
        calibration: of the image.
        quantity: sigma0, beta0 or gamma0.
        noise: thermal noise to subtract, or None.
        valid: (rows, columns) what was measured.
        workers: blocks made at the same time.
    """
    down, across = looks
    power = np.empty((dn.shape[0] // down, dn.shape[1] // across), np.float32)
    all_valid = bool(valid.all())

    def make(block: slice) -> None:
        here = slice(block.start * down, block.stop * down)
        lines = slice(window.rows.start + here.start, window.rows.start + here.stop)
        eta = None if noise is None else noise.power(lines, window.columns)
        gain = calibration.gain(quantity, lines, window.columns)
        fine = backscatter(dn[here], eta, gain)
        if not all_valid:
            fine[~valid[here]] = np.nan
        power[block] = multilook(fine, looks)

    in_blocks(make, len(power), _ROWS, workers)
    return RadarImage(power, window, looks)


def measured(
    product: GrdProduct,
    annotation: Annotation,
    dn: NDArray[Any],
    window: Window,
    noise: Noise | None,
) -> NDArray[np.bool_]:
    """Return (rows, columns) what was measured of a window.

    Raises:
        UserError: nothing was.
    """
    eta = None if noise is None or noise.is_zero else noise.power(*window)
    valid = valid_pixels(
        dn,
        product.processor_version,
        first_column=window.columns.start,
        image_columns=annotation.pixels,
        noise_power=eta,
    )
    if not valid.any():
        raise UserError(
            product.path, "nothing was measured in the area", "choose a scene that covers the area"
        )
    return valid
