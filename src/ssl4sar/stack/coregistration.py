"""The check of the co-registration of a stack: every scene against the median of its track."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_text
from ssl4sar.core.grid import Grid
from ssl4sar.core.progress import track
from ssl4sar.sar.blocks import in_blocks
from ssl4sar.sar.coding import NODATA, decode, read_coded
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
    """Return the median of images in every pixel.

    Args:
        images: files of :func:`ssl4sar.sar.coding.write_backscatter` on one grid.
        grid: their grid.
        workers: threads.

    Returns:
        (H, W) float32 decibels; NaN where no image has data.
    """
    return TrackMedian.of(images, grid, workers).whole


@dataclass(frozen=True, eq=False)
class TrackMedian:
    """Medians of the images of a track, of all and of all but one.

    Whatever is left out of values in order, the middle of the others is among the three around
    their middle, so they are sorted once for all scenes.

    Attributes:
        images: (N, H, W) int16 as stored; 2 bytes per scene and pixel are in memory.
        middle: (3, H, W) float32 decibels of the ranks (k - 2) // 2 and the two after it of k
            images with data; NaN where k is too small for the rank.
        count: (H, W) images with data, k.
    """

    images: NDArray[np.int16]
    middle: NDArray[np.float32]
    count: NDArray[np.intp]

    @classmethod
    def of(cls, paths: Sequence[Path], grid: Grid, workers: int = 1) -> TrackMedian:
        """Read images of a track, each once; arguments as for :func:`track_median`.

        Raises:
            UserError: an image cannot be read, or is on another grid.
        """
        images = np.empty((len(paths), *grid.shape), np.int16)
        count = np.zeros(grid.shape, np.intp)
        for image, path in zip(images, paths, strict=True):
            image[:] = read_coded(path, grid)
            count += image != NODATA
        middle = np.full((3, *grid.shape), np.nan, np.float32)

        def make(rows: slice) -> None:
            block = images[:, rows].copy()
            block[block == NODATA] = np.iinfo(np.int16).max  # behind all others
            block.sort(axis=0)
            for step, plane in enumerate(middle[:, rows]):
                rank = (count[rows] - 2) // 2 + step
                known = (rank >= 0) & (rank < count[rows])
                found = np.take_along_axis(block, np.where(known, rank, 0)[None], axis=0)[0]
                plane[known] = decode(found)[known]

        if len(paths):
            in_blocks(make, grid.height, _ROWS, workers)
        return cls(images, middle, count)

    @property
    def whole(self) -> NDArray[np.float32]:
        """(H, W) float32 decibels: median of all images; NaN where none has data."""
        below, centre, _ = self.middle
        median: NDArray[np.float32] = np.where(self.count % 2, centre, (below + centre) / 2)
        return median

    def without(self, index: int) -> NDArray[np.float32]:
        """Return the median of all images but one, as :attr:`whole`."""
        left_out = decode(self.images[index])
        below, centre, above = self.middle
        lower = np.where(below < left_out, below, centre)
        upper = np.where(self.count % 2, np.where(centre < left_out, centre, above), lower)
        others: NDArray[np.float32] = (lower + upper) / 2
        return np.where(np.isnan(left_out), self.whole, others)


def check_coregistration(
    stack: StackRecord,
    record: str | Path,
    stable: NDArray[np.bool_],
    optical: NDArray[np.floating] | None = None,
    workers: int = 1,
) -> StackRecord:
    """Return a stack with the shift of every scene against its track; no image is changed.

    A scene is compared with the median of the others: with itself among few it would pull the
    median after it, and seem less shifted than it is.

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
        median = TrackMedian.of([image_path(record, scene) for scene in scenes], grid, workers)
        for index, scene in track(list(enumerate(scenes)), f"checking track {name}"):
            db = decode(median.images[index])
            if len(scenes) < _LEAST_SCENES:
                few = f"its track has {len(scenes)} scenes, {_LEAST_SCENES} are needed"
                shift = Shift(None, None, None, None, 0, few)
            else:
                shift = measure_shift(median.without(index), db, stable)
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
