"""Checking the four files of one CaFFe scene; each is read once, for its hash and its content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_bounded
from ssl4sar.core.gray_png import LONGEST_FILE_BYTES
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import GeoImage, decode_checked, georeferences, image_grid, shared_grid
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import CLASS_GREYS, classes_from_greys
from ssl4sar.dataset.label_check import label_fault
from ssl4sar.dataset.problems import Problem, Severity, problem_of

#: 63 stands for rock in a few official masks.
ZONE_GREYS: Final = frozenset({*CLASS_GREYS, 63})
FRONT_GREYS: Final = frozenset({0, 255})
_SHOWN: Final = 5
T = TypeVar("T")


@dataclass(frozen=True)
class SceneFacts:
    """What a scene's files say.

    Attributes:
        split: train or test.
        name: scene name.
        size_px: height and width of the SAR image; None where it cannot be read.
        grid: where the pixels are; None without coordinates.
        files: record of every file that could be read, by path relative to the tree.
        problems: what is wrong with them.
    """

    split: Split
    name: str
    size_px: tuple[int, int] | None
    grid: Grid | None
    files: dict[str, FileRecord]
    problems: tuple[Problem, ...]


def check_scene(tree: CaffeTree, job: tuple[Split, str]) -> SceneFacts:
    """Read the SAR image, zones, front and box of a scene and list everything that is wrong."""
    split, name = job
    check = _SceneCheck(tree.root)
    sar, zones, front = tree.sar(split, name), tree.zones(split, name), tree.front(split, name)
    scene = check.attempt(sar, lambda: SceneName.parse(name))
    images = {path: image for path in (sar, zones, front) if (image := check.image(path))}
    grid = check.places(images, sar, scene)
    size = (images[sar].pixels.shape[0], images[sar].pixels.shape[1]) if sar in images else None
    if zones in images:
        check.greys(zones, images[zones].pixels, ZONE_GREYS)
    if front in images:
        check.front(front, images[front].pixels)
    if scene is not None and {zones, front} <= images.keys():
        check.labels(front, scene.resolution_m, images[zones].pixels, images[front].pixels)
    check.box(tree.box(name), size)
    return SceneFacts(split, name, size, grid, check.files, tuple(check.problems))


class _SceneCheck:
    """Collects records and problems of the files of one scene."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, FileRecord] = {}
        self.problems: list[Problem] = []

    def file(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def add(self, path: Path, problem: str, fix: str, severity: Severity = "error") -> None:
        self.problems.append(Problem(severity, self.file(path), problem, fix))

    def attempt(self, path: Path, read: Callable[[], T]) -> T | None:
        """Return what is read; None where it cannot be, which is listed."""
        try:
            return read()
        except (OSError, UserError, ForeignTextError) as error:
            self.problems.append(problem_of(self.file(path), error))
            return None

    def read(self, path: Path) -> bytes | None:
        data = self.attempt(path, lambda: read_bounded(path, LONGEST_FILE_BYTES))
        if data is not None:
            self.files[self.file(path)] = FileRecord(len(data), hashlib.sha256(data).hexdigest())
        return data

    def image(self, path: Path) -> GeoImage | None:
        data = self.read(path)
        if data is None:
            return None
        for place in georeferences(path):
            if place.is_file():
                self.read(place)
        return self.attempt(
            path, lambda: GeoImage(decode_checked(data, path).pixels, image_grid(path))
        )

    def places(
        self, images: Mapping[Path, GeoImage], sar: Path, scene: SceneName | None
    ) -> Grid | None:
        """Return the grid of the images that can be read, each compared with the SAR image."""
        agreeing = [(sar, images[sar])] if sar in images else []
        for path, image in images.items():
            compare = partial(shared_grid, [*agreeing, (path, image)])
            if path != sar and self.attempt(path, compare) is not None:
                agreeing.append((path, image))
        if not agreeing:
            return None
        grid, placed = shared_grid(agreeing)
        if (
            scene is not None
            and self.attempt(placed, lambda: scene.spacing_m(grid, placed)) is None
        ):
            return None
        return grid

    def greys(
        self, path: Path, mask: NDArray[np.uint8], allowed: frozenset[int]
    ) -> NDArray[np.int64]:
        counts = np.array(Image.fromarray(mask).histogram(), np.int64)
        unknown = {int(grey): int(counts[grey]) for grey in counts.nonzero()[0]}.keys() - allowed
        if unknown:
            first = ", ".join(str(grey) for grey in sorted(unknown)[:_SHOWN])
            more = ", ..." if len(unknown) > _SHOWN else ""
            pixels = int(sum(counts[grey] for grey in unknown))
            values = ", ".join(str(grey) for grey in sorted(allowed))
            self.add(
                path,
                f"unknown grey values {first}{more} in {pixels} pixels",
                f"allowed are {values}; smoothing or JPEG may have spoilt the mask",
            )
        return counts

    def front(self, path: Path, mask: NDArray[np.uint8]) -> None:
        counts = self.greys(path, mask, FRONT_GREYS)
        if counts[0] == mask.size:
            self.add(
                path,
                "the front is empty",
                "check the label; the scene has no distance error",
                "warning",
            )

    def labels(
        self, path: Path, resolution_m: int, zones: NDArray[np.uint8], front: NDArray[np.uint8]
    ) -> None:
        try:
            classes = classes_from_greys(zones, path)
        except UserError:
            return  # listed already: there is nothing to compare
        if zones.shape != front.shape:
            return
        fault = label_fault(classes, front > 0, resolution_m)
        if fault is not None:
            severity: Severity = "error" if fault.impossible else "warning"
            self.add(path, fault.problem, fault.fix, severity)

    def box(self, path: Path, size_px: tuple[int, int] | None) -> None:
        data = self.read(path)
        box = None if data is None else self.attempt(path, lambda: BoundingBox.parse(data, path))
        if box is None or size_px is None:
            return
        height_px, width_px = size_px
        if self.attempt(path, lambda: box.window(height_px, width_px, path)) is None:
            return
        if (
            min(box.left_px, box.lower_px) < 0
            or box.right_px > width_px
            or box.upper_px > height_px
        ):
            self.add(
                path,
                f"the box reaches beyond the {height_px}x{width_px} px image",
                "nothing: it is cut at the border",
                "warning",
            )
