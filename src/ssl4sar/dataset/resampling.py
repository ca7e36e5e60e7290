"""A CaFFe tree on one pixel size.

The pixel size in a name is taken as it is, also the nominal 7 m of grids that are most likely
20/3 m: the benchmark's arithmetic does the same.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import SPLITS, CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import georeferences, read_image, read_notes, shared_grid, write_image
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.processes import in_processes
from ssl4sar.core.progress import log
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import classes_from_greys, greys_from_classes
from ssl4sar.dataset.manifest import TreeManifest, build_manifest
from ssl4sar.dataset.regrid import Regrid, regrid_front, regrid_image, regrid_zones

#: A target this small holds no front worth scoring.
_SMALLEST_SIDE_PX: Final = 8


@dataclass(frozen=True)
class _Job:
    split: Split
    old: SceneName
    new: SceneName

    @property
    def sides(self) -> tuple[int, int]:
        """Pixel sizes of the old and the new scene, metres."""
        return self.old.resolution_m, self.new.resolution_m


@dataclass(frozen=True)
class _Done:
    name: str
    size_px: tuple[int, int]
    grid: Grid | None
    files: dict[str, FileRecord]


def resample_tree(
    source: TreeManifest, spacing_m: int, target_root: str | Path, workers: int = 1
) -> TreeManifest:
    """Bring all scenes of a tree to one pixel size.

    Args:
        source: manifest of a validated tree.
        spacing_m: new pixel size, whole metres; also the RES token of the new names.
        target_root: folder of the new tree; it appears complete or not at all.
        workers: processes; the bytes do not depend on it.

    Returns:
        Manifest of the new tree. Of one acquisition that is there at two pixel sizes, and would
        get one name, the smaller is taken; scenes of the new pixel size are copied byte by byte.

    Raises:
        UserError: two scenes would get the same name in train and test, or the same name and
            have the same pixel size; a scene would shrink to nothing; a file is missing or
            damaged; or the disk is full.
    """
    root = Path(target_root)
    jobs, dropped = _plan(source, spacing_m)
    for name in dropped:
        log(f"{name} is left out: the same acquisition is there with smaller pixels")
    with atomic_directory(root) as folder:
        work = partial(_make_scene, source, CaffeTree(folder))
        done = list(in_processes(work, jobs, workers, "resampling scenes"))
    copied = sum(job.old == job.new for job in jobs)
    log(f"{len(jobs) - copied} scenes resampled, {copied} copied as they were")
    return build_manifest(
        root=root,
        source=source.source,
        spacing_m=spacing_m,
        scenes={split: [str(j.new) for j in jobs if j.split == split] for split in SPLITS},
        sizes_px={scene.name: scene.size_px for scene in done},
        files={name: record for scene in done for name, record in scene.files.items()},
        grids={scene.name: scene.grid for scene in done if scene.grid is not None},
        test_glaciers=source.held_out,
    )


def _plan(source: TreeManifest, spacing_m: int) -> tuple[list[_Job], list[str]]:
    """Pair old and new names; of scenes with the same new name the finest is kept."""
    sharing: defaultdict[SceneName, list[_Job]] = defaultdict(list)
    for split in SPLITS:
        for name in source.scenes[split]:
            old = SceneName.parse(name)
            new = old.with_resolution(spacing_m)
            sharing[new].append(_Job(split, old, new))
    jobs: list[_Job] = []
    dropped: list[str] = []
    for new, group in sharing.items():
        group.sort(key=lambda job: job.old.resolution_m)
        if len({job.split for job in group}) > 1:
            names = " and ".join(str(job.old) for job in group)
            raise UserError(
                source.root,
                f"{names} of train and test would both be named {new}",
                "remove one of them: they show the same acquisition",
            )
        jobs.append(group[0])
        dropped += [str(job.old) for job in group[1:]]
    return jobs, sorted(dropped)


def _make_scene(source: TreeManifest, target: CaffeTree, job: _Job) -> _Done:
    old, name = _paths(source.tree, job.split, str(job.old)), str(job.new)
    new = _paths(target, job.split, name)
    grid = source.grids.get(str(job.old))
    if job.old == job.new:
        written = _copy(old, new)
        size = read_image(old[0]).pixels.shape
    else:
        written, size = _resample(old, new, job)
        grid = None if grid is None else grid.resized(size, job.sides[1] / job.sides[0])
    files = {path.relative_to(target.root).as_posix(): FileRecord.of(path) for path in written}
    return _Done(name, (size[0], size[1]), grid, files)


def _copy(old: Sequence[Path], new: Sequence[Path]) -> list[Path]:
    """Copy the files of a scene, with those that place its images; return the copies."""
    pairs = []
    for source, target in zip(old, new, strict=True):
        if not source.is_file():
            raise UserError(source, "the file does not exist", "validate the tree again")
        target = target.with_suffix(source.suffix.lower())
        pairs.append((source, target))
        placing = zip(georeferences(source), georeferences(target), strict=True)
        pairs += [pair for pair in placing if pair[0].is_file()]
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return [target for _, target in pairs]


def _resample(
    old: Sequence[Path], new: Sequence[Path], job: _Job
) -> tuple[list[Path], tuple[int, int]]:
    sar, zones, front = ((path, read_image(path)) for path in old[:3])
    placed, _ = shared_grid([sar, zones, front])
    image, classes = sar[1].pixels, classes_from_greys(zones[1].pixels, old[1])
    shape = (image.shape[0], image.shape[1])
    grid, factor = Regrid.between(shape, *job.sides), job.sides[0] / job.sides[1]
    if min(grid.shape) < _SMALLEST_SIDE_PX:
        raise UserError(
            old[0],
            f"at {job.new.resolution_m} m only {grid.shape[0]}x{grid.shape[1]} px would be left",
            "choose a smaller caffe.spacing_m",
        )
    new_zones = regrid_zones(grid, classes)
    images = (
        regrid_image(grid, image, classes),
        greys_from_classes(new_zones),
        regrid_front(grid, front[1].pixels, new_zones),
    )
    new_placed = None if placed is None else placed.resized(grid.shape, 1 / factor)
    # Rendered scenes say in their files that they are; that must not get lost.
    written = [
        write_image(path, pixels, new_placed, read_notes(source))
        for path, pixels, source in zip(new[:3], images, old[:3], strict=True)
    ]
    BoundingBox.read(old[3]).scaled(factor, factor).write(new[3])
    return [*written, new[3]], grid.shape


def _paths(tree: CaffeTree, split: Split, name: str) -> tuple[Path, Path, Path, Path]:
    return tree.sar(split, name), tree.zones(split, name), tree.front(split, name), tree.box(name)
