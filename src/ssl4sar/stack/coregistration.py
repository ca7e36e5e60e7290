"""The check of the co-registration of a stack: every scene against the median of its track."""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_text
from ssl4sar.core.grid import Grid
from ssl4sar.core.progress import track
from ssl4sar.core.raster import open_raster
from ssl4sar.sar.coding import STEPS_PER_DB, read_backscatter
from ssl4sar.stack.record import SceneShift, StackedScene, StackRecord, image_path
from ssl4sar.stack.shift import Shift, measure_shift, measure_shift_between_sensors

#: Scene classes of Sentinel-2 that do not move: vegetation and bare ground.
_STABLE_CLASSES: Final = (4, 5)
#: The median of fewer scenes would follow each of them.
_LEAST_SCENES: Final = 3
_ROWS: Final = 256
_COLUMNS: Final = (
    *("product", "day", "track", "valid_percent", "x_px", "y_px", "x_m", "y_m"),
    *("spread_px", "peak_to_noise", "windows", "optical_x_px", "optical_y_px", "problem"),
)


def stable_terrain(classes: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where ground neither flows nor floats: bare or vegetated in the optical image.

    Args:
        classes: (H, W) scene classification of Sentinel-2; NaN without data.
    """
    return np.isin(np.nan_to_num(classes), _STABLE_CLASSES)


def largest_track(stack: StackRecord) -> list[StackedScene]:
    """Return the scenes of the track that has most, in their order; none of an empty stack."""
    counts = Counter(scene.track for scene in stack.usable)
    name = max(counts, key=lambda track: counts[track], default=None)
    return [scene for scene in stack.usable if scene.track == name]


def track_median(images: Sequence[Path], grid: Grid, workers: int = 1) -> NDArray[np.float32]:
    """Return the median of images in every pixel, block by block of rows.

    Args:
        images: files of :func:`ssl4sar.sar.coding.write_backscatter` on one grid.
        grid: their grid.
        workers: threads.

    Returns:
        (H, W) float32 decibels; NaN where no image has data.
    """
    if not images:
        return np.full(grid.shape, np.nan, np.float32)
    import dask.array as da
    from dask.delayed import delayed

    def rows(start: int) -> NDArray[np.float32]:
        size = min(_ROWS, grid.height - start)
        planes = []
        for path in images:
            with open_raster(path, "GTiff") as file:
                window = ((start, start + size), (0, grid.width))
                planes.append(file.read(1, window=window, masked=True))
        stored: NDArray[np.float32] = np.ma.stack(planes).astype(np.float32)
        block = np.ma.filled(stored, np.nan) / STEPS_PER_DB
        return np.asarray(np.nanmedian(block, axis=0), np.float32)

    starts = range(0, grid.height, _ROWS)
    blocks = [
        da.from_delayed(  # type: ignore[no-untyped-call]
            delayed(rows)(start), (min(_ROWS, grid.height - start), grid.width), dtype=np.float32
        )
        for start in starts
    ]
    whole = da.concatenate(blocks)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        # Pixels without data in any image are an answer, not a fault.
        warnings.simplefilter("ignore", RuntimeWarning)
        median: NDArray[np.float32] = whole.compute(scheduler="threads", num_workers=workers)
    return median


def check_coregistration(
    stack: StackRecord,
    record: str | Path,
    stable: NDArray[np.bool_],
    optical: NDArray[np.floating] | None = None,
    workers: int = 1,
) -> StackRecord:
    """Return a stack with the shift of every scene against its track; no image is changed.

    Args:
        stack: the scenes.
        record: file of the record, beside the images.
        stable: (H, W) where nothing moves.
        optical: (H, W) reflectance of one band, for the shift between the sensors; None without.
        workers: threads.
    """
    grid = stack.pixels
    tracks: dict[str, list[StackedScene]] = defaultdict(list)
    for scene in stack.usable:
        tracks[scene.track or ""].append(scene)
    checked: dict[str, StackedScene] = {}
    for name, scenes in tracks.items():
        paths = [image_path(record, scene) for scene in scenes]
        median = track_median(paths, grid, workers) if len(scenes) >= _LEAST_SCENES else None
        for scene, path in track(list(zip(scenes, paths, strict=True)), f"checking track {name}"):
            db = read_backscatter(path).db
            if median is None:
                few = f"its track has {len(scenes)} scenes, {_LEAST_SCENES} are needed"
                shift = Shift(None, None, None, None, 0, few)
            else:
                shift = measure_shift(median, db, stable)
            between = (
                None if optical is None else measure_shift_between_sensors(optical, db, stable)
            )
            checked[scene.product] = scene.model_copy(
                update={
                    "shift": _in_metres(shift, grid),
                    "optical_shift": None if between is None else _in_metres(between, grid),
                }
            )
    both = tuple(checked.get(scene.product, scene) for scene in stack.scenes)
    return stack.model_copy(update={"scenes": both})


def _in_metres(shift: Shift, grid: Grid) -> SceneShift:
    x_m = None if shift.x_px is None else shift.x_px * grid.spacing
    y_m = None if shift.y_px is None else -shift.y_px * grid.spacing
    return SceneShift(x_m=x_m, y_m=y_m, **asdict(shift))


def shift_summary(stack: StackRecord) -> str:
    """Return in words how many scenes have an image, and how their shifts are."""
    shifts = [scene.shift for scene in stack.usable if scene.shift is not None]
    measured = [shift for shift in shifts if shift.x_px is not None]
    flagged = sum(shift.problem is not None for shift in measured)
    counts = f"{len(stack.usable)} of {len(stack.scenes)} scenes have an image"
    return (
        f"{stack.glacier}: {counts}; {len(measured)} shifts measured, {flagged} beyond the limits"
    )


def write_shift_table(stack: StackRecord, path: str | Path) -> None:
    """Write the scenes of a stack and their shifts as CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for scene in stack.scenes:
        shift = {} if scene.shift is None else scene.shift.model_dump()
        between = scene.optical_shift
        writer.writerow(
            {
                "product": scene.product,
                "day": scene.day,
                "track": scene.track,
                "valid_percent": scene.valid_percent,
                **{key: _shown(shift.get(key)) for key in _COLUMNS[4:11]},
                "optical_x_px": None if between is None else _shown(between.x_px),
                "optical_y_px": None if between is None else _shown(between.y_px),
                "problem": scene.problem or shift.get("problem"),
            }
        )
    write_text(path, text.getvalue())


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
