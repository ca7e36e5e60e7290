"""A CaFFe tree on one pixel size.

The pixel size in a name is taken as it is, also the nominal 7 m of grids that are most likely
20/3 m: the benchmark's arithmetic does the same.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from ssl4sar.core.atomic import atomic_directory
from ssl4sar.core.bounding_box import BoundingBox
from ssl4sar.core.caffe_layout import SPLITS, CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, read_text, write_gray
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.processes import in_processes
from ssl4sar.core.progress import tell
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.zones import classes_from_greys, greys_from_classes
from ssl4sar.dataset.manifest import TreeManifest, build_manifest
from ssl4sar.dataset.regrid import Regrid, regrid_front, regrid_image, regrid_zones

#: A target this small holds no front worth scoring.
_SMALLEST_SIDE_PX: Final = 8


@dataclass(frozen=True)
class ResampledTree:
    """What resampling made.

    Attributes:
        manifest: manifest of the new tree.
        resampled: number of scenes on a new grid.
        copied: number of scenes that had the pixel size already, copied byte by byte.
        dropped: scenes left out, because the same acquisition is there with smaller pixels and
            both would get the same name.
    """

    manifest: TreeManifest
    resampled: int
    copied: int
    dropped: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    split: Split
    old: SceneName
    new: SceneName


@dataclass(frozen=True)
class _Done:
    name: str
    size_px: tuple[int, int]
    files: dict[str, FileRecord]


def resample_tree(
    source: TreeManifest, spacing_m: int, target_root: str | Path, workers: int = 1
) -> ResampledTree:
    """Bring all scenes of a tree to one pixel size.

    Args:
        source: manifest of a validated tree.
        spacing_m: new pixel size, whole metres; also the RES token of the new names.
        target_root: folder of the new tree; it appears complete or not at all.
        workers: processes; the bytes do not depend on it.

    Returns:
        The new tree; one acquisition that is there at two pixel sizes keeps the smaller.

    Raises:
        UserError: two scenes would get the same name in train and test, or the same name and
            have the same pixel size; a scene would shrink to nothing; a file is missing or
            damaged; or the disk is full.
    """
    root = Path(target_root)
    jobs, dropped = _plan(source, spacing_m)
    for name in dropped:
        tell(f"{name} is left out: the same acquisition is there with smaller pixels")
    with atomic_directory(root) as folder:
        work = partial(_make_scene, source.tree, CaffeTree(folder))
        done = list(in_processes(work, jobs, workers, "resampling scenes"))
    copied = sum(job.old == job.new for job in jobs)
    manifest = build_manifest(
        root=root,
        source=source.source,
        spacing_m=spacing_m,
        scenes={split: [str(j.new) for j in jobs if j.split == split] for split in SPLITS},
        sizes_px={scene.name: scene.size_px for scene in done},
        files={name: record for scene in done for name, record in scene.files.items()},
    )
    return ResampledTree(manifest, len(jobs) - copied, copied, tuple(dropped))


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


def _make_scene(source: CaffeTree, target: CaffeTree, job: _Job) -> _Done:
    if job.old == job.new:
        _copy(source, target, job)
        size = read_gray(source.sar(job.split, str(job.old))).shape
    else:
        size = _resample(source, target, job)
    name = str(job.new)
    files = {}
    for path in _paths(target, job.split, name):
        files[path.relative_to(target.root).as_posix()] = FileRecord.of(path)
    return _Done(name, (size[0], size[1]), files)


def _copy(source: CaffeTree, target: CaffeTree, job: _Job) -> None:
    name = str(job.old)
    pairs = zip(_paths(source, job.split, name), _paths(target, job.split, name), strict=True)
    for old, new in pairs:
        if not old.is_file():
            raise UserError(old, "the file does not exist", "validate the tree again")
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, new)


def _resample(source: CaffeTree, target: CaffeTree, job: _Job) -> tuple[int, int]:
    split, old, new = job.split, str(job.old), str(job.new)
    sar_path, zones_path, front_path, box_path = _paths(source, split, old)
    image = read_gray(sar_path)
    zones = classes_from_greys(read_gray(zones_path), zones_path)
    front = read_gray(front_path)
    for path, mask in ((zones_path, zones), (front_path, front)):
        if mask.shape != image.shape:
            raise UserError(path, "the mask has not the size of its image", "validate the tree")
    shape = (image.shape[0], image.shape[1])
    grid = Regrid.between(shape, job.old.resolution_m, job.new.resolution_m)
    if min(grid.shape) < _SMALLEST_SIDE_PX:
        raise UserError(
            sar_path,
            f"at {job.new.resolution_m} m only {grid.shape[0]}x{grid.shape[1]} px would be left",
            "choose a smaller caffe.spacing_m",
        )
    new_zones = regrid_zones(grid, zones)
    # Rendered scenes say in their PNGs that they are; that must not get lost.
    new_sar, new_zones_path, new_front, new_box = _paths(target, split, new)
    write_gray(new_sar, regrid_image(grid, image, zones), read_text(sar_path))
    write_gray(new_zones_path, greys_from_classes(new_zones), read_text(zones_path))
    write_gray(new_front, regrid_front(grid, front, new_zones), read_text(front_path))
    factor = job.old.resolution_m / job.new.resolution_m
    BoundingBox.read(box_path).scaled(factor, factor).write(new_box)
    return grid.shape


def _paths(tree: CaffeTree, split: Split, name: str) -> tuple[Path, Path, Path, Path]:
    return tree.sar(split, name), tree.zones(split, name), tree.front(split, name), tree.box(name)
