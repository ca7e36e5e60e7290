"""The files of one geocoded scene, and what the record of the stack says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.sar.coding import GrayMapping, decode, write_backscatter, write_geometry
from ssl4sar.stack.record import StackedScene

if TYPE_CHECKING:
    import xarray as xr


def write_scene(product: str, image: xr.Dataset, grid: Grid, folder: Path) -> StackedScene:
    """Write the backscatter of a scene, and beside it the geometry that it was seen in.

    Args:
        product: name of the raw product.
        image: as :func:`ssl4sar.sar.geocode.geocode` returns it.
        grid: of all images of the glacier.
        folder: of the files, from which the paths in the record count.

    Returns:
        What the record of the stack lists.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    facts: dict[str, Any] = {key: value for key, value in image.attrs.items() if key != "crs"}
    angle, marks = image["local_incidence_angle"].values, image["layover_shadow"].values
    # Without a height in the whole area no angle is known.
    angles_deg = angle[np.isfinite(angle)]
    facts["incidence_deg"] = round(float(np.median(angles_deg)), 3) if angles_deg.size else None
    facts["layover_shadow_percent"] = round(100 * float((marks > 0).mean()), 2)
    stem = f"{product}_{facts['polarisation']}"
    file, geometry = f"{stem}.tif", f"{stem}_geometry.tif"
    clamped = write_backscatter(
        folder / file, image["backscatter"].values, grid, name=facts["quantity"], metadata=facts
    )
    write_geometry(folder / geometry, angle, marks, grid, metadata=facts)
    return StackedScene(
        product=product,
        file=file,
        sha256=sha256_file(folder / file),
        geometry_file=geometry,
        geometry_sha256=sha256_file(folder / geometry),
        day=str(facts["start"])[:10],
        track=track_name(facts),
        valid_percent=valid_percent(image),
        facts={**facts, "clamped_px": clamped},
    )


def quick_look(image: str | Path, mapping: GrayMapping, longest_px: int) -> NDArray[np.uint8]:
    """Return a small grey picture of a stored image, made from its overviews.

    Args:
        image: file of :func:`ssl4sar.sar.coding.write_backscatter`.
        mapping: decibels to grey.
        longest_px: longer side of the picture, at most.

    Returns:
        (H, W) uint8, 0 where the image has no data.

    Raises:
        UserError: the file is missing or damaged.
    """
    # Heavy, and needed by few: the rest of the package works without it.
    from rasterio.enums import Resampling

    try:
        with open_raster(image, "GTiff") as file:
            scale = min(1.0, longest_px / max(file.shape))
            height, width = (max(1, round(side * scale)) for side in file.shape)
            small = file.read(1, out_shape=(height, width), resampling=Resampling.average)
    except UnreadableRasterError as error:
        raise UserError(
            image, f"this is not a stored image ({error})", "remove it and make it again"
        ) from error
    gray: NDArray[np.uint8] = mapping.encode(decode(small)).image
    return gray


def valid_percent(image: xr.Dataset) -> float:
    """Return the share of the grid that a geocoded image shows."""
    return round(100 * float(image["valid"].mean()), 2)


def track_name(facts: dict[str, Any]) -> str:
    """Return what scenes of one geometry have in common: orbit, direction, mode, polarisation."""
    orbit = facts["relative_orbit"]
    number = "unknown" if orbit is None else f"{orbit:03d}"
    return f"{number} {facts['orbit_pass'] or 'unknown'} {facts['mode']} {facts['polarisation']}"
