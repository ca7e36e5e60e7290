"""All pictures of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ssl4sar.report.coregistration import draw_coregistration, draw_quick_looks
from ssl4sar.report.optical_picture import draw_optical
from ssl4sar.report.raw_scene import draw_raw_scene
from ssl4sar.sar.coding import GrayMapping
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack.coregistration import largest_track, track_median
from ssl4sar.stack.record import StackRecord, image_path

if TYPE_CHECKING:
    import xarray as xr


def draw_stack(
    pictures: Mapping[str, str],
    stack: StackRecord,
    record: Path,
    optical: xr.DataArray,
    stable: NDArray[np.bool_],
    raw: Path,
    elevation: Path,
    mapping: GrayMapping,
    workers: int = 1,
) -> None:
    """Draw a checked stack: a raw scene, the optical image, all scenes and their shifts.

    Args:
        pictures: PNG files ``raw``, ``optical``, ``scenes`` and ``shifts``.
        stack: checked scenes.
        record: file of the record, beside the images.
        optical: image on the same grid.
        stable: (H, W) where shifts were measured.
        raw: manifest of the scene to draw.
        elevation: model of the area.
        mapping: decibels to grey.
        workers: threads.

    Raises:
        UserError: an image cannot be read, or a file cannot be written.
    """
    draw_raw_scene(pictures["raw"], raw, stack, Elevation(elevation))
    draw_optical(pictures["optical"], optical, stack)
    # Read once more than the check did: reading is a small part of the time that matching takes.
    images = [image_path(record, scene) for scene in largest_track(stack)]
    median_db = track_median(images, stack.pixels, workers)
    draw_coregistration(pictures["shifts"], stack, median_db, stable)
    draw_quick_looks(pictures["scenes"], stack, record, mapping)
