"""Checking a CaFFe tree: every file is read once, every problem is listed.

An error stops the workflow, because a later step would fail or give wrong numbers; a warning is
reported, too.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from ssl4sar.core.caffe_layout import (
    BOX_ENDING,
    BOX_FOLDER,
    IMAGE_ENDINGS,
    IMAGE_FOLDERS,
    METADATA_NAME,
    SPLITS,
    CaffeTree,
    Split,
)
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import georeferences
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.named_files import IMAGE_SUFFIXES, is_image, list_named, visible_entries
from ssl4sar.core.printing import printable_lines
from ssl4sar.core.processes import in_processes
from ssl4sar.core.scene_name import GLACIERS, SceneName, begins_like_a_scene, parsed
from ssl4sar.dataset.coordinates import listed_grids
from ssl4sar.dataset.official import official_differences
from ssl4sar.dataset.problems import (
    Problem,
    Report,
    Severity,
    limits,
    ordered,
    span,
)
from ssl4sar.dataset.scene_check import SceneFacts, check_scene
from ssl4sar.dataset.split import split_by_glacier

SCHEMA: Final = "ssl4sar.caffe-validation/1"
#: The 7 m and 20 m grids of a glacier differ by 5 % in nominal extent (they are 20/3 m and 20 m);
#: a wrong pixel size in a name differs by more than a fifth.
_EXTENT_TOLERANCE: Final = 0.15


@dataclass(frozen=True, kw_only=True)
class ValidationReport(Report):
    """Result of reading a whole tree.

    Attributes:
        scenes: sorted scene names per split's folder, all that have a SAR image.
        sizes_px: height and width by scene name.
        grids: where the pixels are, by name of the scenes of which it is known.
        files: record of every readable file by path relative to ``root``.
        test_glaciers: glaciers of the test split that is used; None: that of the folders.
    """

    scenes: dict[Split, list[str]]
    test_glaciers: Sequence[str] | None = None
    sizes_px: dict[str, tuple[int, int]]
    grids: dict[str, Grid] = field(default_factory=dict)
    files: dict[str, FileRecord]

    @property
    def used_split(self) -> dict[Split, list[str]]:
        """Sorted scene names per split as they are used."""
        if self.test_glaciers is None:
            return self.scenes
        return split_by_glacier(self.scenes, self.test_glaciers)

    @property
    def is_official(self) -> bool:
        """Whether the scenes are those of the official tree, on their published grids."""
        return not official_differences(self.scenes, self.sizes_px)

    def split_line(self) -> str:
        """Say in a line whether this is the official split, or which else."""
        train, test = len(self.used_split["train"]), len(self.used_split["test"])
        if self.test_glaciers is not None:
            glaciers = ", ".join(self.test_glaciers)
            return f"test: all {test} images of {glaciers}; for training: the other {train}"
        negation = "" if self.is_official else "not "
        return f"this is {negation}the official split: {train} train, {test} test"

    def as_official(self) -> Self:
        """Return the report of a tree that has to be the official one: differences are errors.

        Without whole scenes a tree is sound in itself, but its validation split is another one.
        """
        differences = [
            Problem(
                "error",
                f"sar_images/{split}",
                f"this is not the official split: {difference}",
                "remove resources/caffe and rerun, or use the tree with caffe.source: local",
            )
            for split, difference in official_differences(self.scenes, self.sizes_px).items()
        ]
        return replace(self, problems=ordered([*self.problems, *differences]))

    def counts(self) -> dict[str, Any]:
        """Count scenes per split, by glacier, sensor, pixel size and quality, with their sizes."""
        return {
            split: {
                "scenes": len(names),
                **_counts_of([name for name in names if parsed(name) is not None]),
                "height_px": limits(self.sizes_px[n][0] for n in names if n in self.sizes_px),
                "width_px": limits(self.sizes_px[n][1] for n in names if n in self.sizes_px),
            }
            for split, names in self.used_split.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values: counts, problems, bytes; not the file hashes."""
        return {"schema": SCHEMA, **super().as_dict()}

    def facts(self) -> dict[str, Any]:
        """Return numbers of files and scenes."""
        return {
            "files": len(self.files),
            "bytes": sum(record.bytes for record in self.files.values()),
            "counts": self.counts(),
        }

    def as_text(self) -> str:
        """Return the report for a person: counts, then every problem on a line."""
        lines = [f"CaFFe tree {self.root}: {len(self.files)} files"]
        for split, facts in self.counts().items():
            lines.append(
                f"  {split}: {facts['scenes']} scenes, "
                f"heights {span(facts['height_px'])} px, widths {span(facts['width_px'])} px"
            )
            for key in ("glaciers", "sensors", "resolutions_m", "qualities"):
                values = ", ".join(f"{name} {count}" for name, count in facts[key].items())
                lines.append(f"    {key}: {values or 'none'}")
        return printable_lines([*lines, *self.problem_lines()])

    def raise_if_bad(self, report_path: str | Path) -> None:
        """Refuse a tree with errors.

        Args:
            report_path: where the whole report is, for the message.

        Raises:
            UserError: there are errors; the first few are named.
        """
        fix = f"correct the files as listed in {report_path} and rerun"
        self.refuse_errors("CaFFe tree", fix)


def validate_tree(
    root: str | Path, workers: int = 1, test_glaciers: Sequence[str] | None = None
) -> ValidationReport:
    """Read every file of a tree once and list everything that is wrong.

    Args:
        root: folder that holds ``sar_images``.
        workers: processes; the report does not depend on it.
        test_glaciers: glaciers of the test split that is used; None: that of the folders, which
            then may not be empty.

    Returns:
        The report; problems are not raised (see :meth:`ValidationReport.raise_if_bad`).

    Raises:
        UserError: the folder does not exist, or ``test_glaciers`` leave a split empty.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(root, "the folder does not exist", "give the folder of the CaFFe tree")
    tree = CaffeTree(root)
    scenes: dict[Split, list[str]] = {split: tree.names(split) for split in SPLITS}
    needed: Sequence[Split] = SPLITS
    if test_glaciers is not None:
        # A wrong name is reported at once, not after minutes of reading.
        split_by_glacier(scenes, test_glaciers)
        needed = [split for split in SPLITS if scenes[split]]
    facts = list(_read_scenes(tree, scenes, workers))
    sizes = {fact.name: fact.size_px for fact in facts if fact.size_px is not None}
    files = {name: record for fact in facts for name, record in fact.files.items()}
    placed = {fact.name: fact.grid for fact in facts if fact.grid is not None}
    listed, unlisted = _listed_grids(tree, sizes)
    problems = [
        *unlisted,
        *_missing_folders(tree, needed),
        *_stray_files(tree, scenes),
        *_unknown_places(tree),
        *(problem for fact in facts for problem in fact.problems),
        *_shared_acquisitions(tree, scenes),
        *_shared_pixels(tree, facts),
        *_odd_sizes(tree, scenes, sizes),
        *_other_glaciers(tree, scenes),
    ]
    return ValidationReport(
        root=str(root),
        scenes=scenes,
        sizes_px=sizes,
        grids={**listed, **placed},
        files=dict(sorted(files.items())),
        problems=ordered(problems),
        test_glaciers=test_glaciers,
    )


def _listed_grids(
    tree: CaffeTree, sizes_px: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, Grid], list[Problem]]:
    try:
        return listed_grids(tree.root, sizes_px), []
    except UserError as error:
        return {}, [Problem("error", METADATA_NAME, error.problem, error.fix)]


def _read_scenes(
    tree: CaffeTree, scenes: Mapping[Split, list[str]], workers: int
) -> Iterator[SceneFacts]:
    jobs = [(split, name) for split, names in scenes.items() for name in names]
    return in_processes(partial(check_scene, tree), jobs, workers, "checking scenes")


def _missing_folders(tree: CaffeTree, needed: Sequence[Split]) -> Iterator[Problem]:
    folders = [f"{folder}/{split}" for folder in IMAGE_FOLDERS for split in needed]
    for folder in [*folders, BOX_FOLDER]:
        if not (tree.root / folder).is_dir():
            yield Problem("error", folder, "the folder is missing", "add it as in the official zip")
    for split in needed:
        folder = f"sar_images/{split}"
        if (tree.root / folder).is_dir() and not tree.names(split):
            yield Problem("error", folder, "there is no scene", "add images of scenes")


def _stray_files(tree: CaffeTree, scenes: Mapping[Split, list[str]]) -> Iterator[Problem]:
    for split, names in scenes.items():
        for folder, endings in zip(IMAGE_FOLDERS, IMAGE_ENDINGS, strict=True):
            yield from _strays(tree.root / folder / split, endings, set(names), tree.root, "error")
    boxed = {name for names in scenes.values() for name in names}
    # Whoever uses some of the scenes may well keep all boxes.
    yield from _strays(tree.root / BOX_FOLDER, (BOX_ENDING,), boxed, tree.root, "warning")


def _strays(
    folder: Path, endings: Sequence[str], names: set[str], root: Path, partner_severity: Severity
) -> Iterator[Problem]:
    listed = list_named(folder, *endings)
    for first, second in listed.repeated.values():
        file = second.relative_to(root).as_posix()
        case_only = first.name.lower() == second.name.lower()
        problem = f"its name differs from {first.name} by {'case' if case_only else 'ending'} only"
        yield Problem("error", file, problem, "keep one of the two")
    placing = {place for path in listed.files.values() for place in georeferences(path)}
    partnerless = [path for name, path in listed.files.items() if name not in names]
    for path in (*partnerless, *(other for other in listed.others if other not in placing)):
        file = path.relative_to(root).as_posix()
        if path.is_dir():
            yield _unknown_folder(path, root)
        elif path.suffix.lower() in {*IMAGE_SUFFIXES, ".txt"}:
            yield Problem(
                partner_severity,
                file,
                "there is no SAR image of this scene in this split",
                "add the image, correct the name, or remove the file",
            )
        elif begins_like_a_scene(path.name):
            problem = f"the name begins like a scene, but does not end in {endings[0]}"
            yield Problem("error", file, problem, f"convert it to *{endings[0]} or remove it")
        else:
            yield Problem("warning", file, "the file is not part of CaFFe", "remove it")


def _unknown_places(tree: CaffeTree) -> Iterator[Problem]:
    """List what is in the tree, but in none of its folders, and so is not used."""
    known = {*IMAGE_FOLDERS, BOX_FOLDER}
    for folder in (tree.root, *(tree.root / name for name in IMAGE_FOLDERS)):
        for path in visible_entries(folder):
            if path.is_dir() and path.name not in known:
                yield _unknown_folder(path, tree.root)
            elif path.is_file() and (is_image(path) or begins_like_a_scene(path.name)):
                yield Problem(
                    "warning" if folder == tree.root else "error",
                    path.relative_to(tree.root).as_posix(),
                    "the file is in no split and is not used",
                    "move it into train or test, or remove it",
                )
        known = set(SPLITS)


def _unknown_folder(folder: Path, root: Path) -> Problem:
    """Describe a folder that is not used: an error where scenes would be lost with it."""
    file = folder.relative_to(root).as_posix()
    entries = visible_entries(folder)
    problem = f"the folder is not part of CaFFe, its {len(entries)} entries are not used"
    holds_images = folder.parent != root and any(
        is_image(path) or begins_like_a_scene(path.name) for path in entries
    )
    if not holds_images:
        return Problem("warning", file, problem, "nothing, or remove it")
    fix = "move its files into train or test, or the folder out of the tree"
    if "val" in folder.name.lower():
        fix = (
            "move its files into train, from which caffe.validation_fraction takes the validation "
            "scenes, or the folder out of the tree"
        )
    return Problem("error", file, problem, fix)


def _shared_acquisitions(tree: CaffeTree, scenes: Mapping[Split, list[str]]) -> Iterator[Problem]:
    """List scenes that show the same glacier on the same day by the same sensor and orbit."""
    places: defaultdict[tuple[str, ...], list[tuple[Split, str]]] = defaultdict(list)
    for split, names in scenes.items():
        for name in names:
            scene = parsed(name)
            if scene is not None:
                key = (scene.glacier, scene.date.isoformat(), scene.sensor, scene.orbit)
                places[key].append((split, name))
    for shared in places.values():
        train = [name for split, name in shared if split == "train"]
        test = [name for split, name in shared if split == "test"]
        for name in test if train else []:
            yield Problem(
                "error",
                tree.sar("test", name).relative_to(tree.root).as_posix(),
                f"the same acquisition is in the training split ({train[0]})",
                "remove one of the two, or the score is worthless",
            )
        places_of: dict[Split, list[str]] = {"train": train, "test": test}
        for split, names in places_of.items():
            for name in names[1:]:
                yield Problem(
                    "warning",
                    tree.sar(split, name).relative_to(tree.root).as_posix(),
                    f"the same acquisition is there as {names[0]}",
                    "nothing, if both are wanted; resampling keeps the one with smaller pixels",
                )


def _shared_pixels(tree: CaffeTree, facts: Iterable[SceneFacts]) -> Iterator[Problem]:
    """List SAR images whose files are equal byte by byte."""
    first: dict[str, SceneFacts] = {}
    for fact in facts:
        file = tree.sar(fact.split, fact.name).relative_to(tree.root).as_posix()
        record = fact.files.get(file)
        if record is None or fact.size_px is None:
            continue
        other = first.setdefault(record.sha256, fact)
        if other is not fact:
            yield Problem(
                "error" if other.split != fact.split else "warning",
                file,
                f"the image is the same file as {other.name} of split {other.split}",
                "replace one of the two by its own image",
            )


def _odd_sizes(
    tree: CaffeTree,
    scenes: Mapping[Split, list[str]],
    sizes_px: Mapping[str, tuple[int, int]],
) -> Iterator[Problem]:
    """List scenes whose extent in metres is not that of their glacier: a wrong pixel size?"""
    for axis, side in enumerate(("height", "width")):
        extents: defaultdict[str, dict[tuple[Split, str], int]] = defaultdict(dict)
        for split, names in scenes.items():
            for name in names:
                scene = parsed(name)
                if scene is not None and name in sizes_px:
                    extent_m = sizes_px[name][axis] * scene.resolution_m
                    extents[scene.glacier][split, name] = extent_m
        for glacier, members in extents.items():
            usual_m = statistics.median(members.values())
            for (split, name), extent_m in members.items():
                if abs(extent_m / usual_m - 1) > _EXTENT_TOLERANCE:
                    yield Problem(
                        "warning",
                        tree.sar(split, name).relative_to(tree.root).as_posix(),
                        f"the {side} of {extent_m} m differs from the usual {usual_m:.0f} m of "
                        f"{glacier}",
                        "check the pixel size in the name; distances in metres depend on it",
                    )


def _other_glaciers(tree: CaffeTree, scenes: Mapping[Split, list[str]]) -> Iterator[Problem]:
    """Name the glaciers that are not of the benchmark: new ones, or slips of the pen."""
    first: dict[str, Path] = {}
    for split, names in scenes.items():
        for name in names:
            scene = parsed(name)
            if scene is not None and scene.glacier not in GLACIERS:
                first.setdefault(scene.glacier, tree.sar(split, name))
    for glacier, path in first.items():
        yield Problem(
            "warning",
            path.relative_to(tree.root).as_posix(),
            f"the glacier {glacier} is not of the benchmark ({', '.join(GLACIERS)}): its scenes "
            "count in no season",
            "nothing, or correct the name",
        )


def _counts_of(names: Iterable[str]) -> dict[str, dict[str, int]]:
    scenes = [SceneName.parse(name) for name in names]
    return {
        "glaciers": _tally(scene.glacier for scene in scenes),
        "sensors": _tally(scene.sensor for scene in scenes),
        "resolutions_m": _tally(scene.resolution_m for scene in scenes),
        "qualities": _tally(scene.quality for scene in scenes),
    }


def _tally(values: Iterable[str] | Iterable[int]) -> dict[str, int]:
    counts: Counter[str | int] = Counter(values)
    return {str(value): counts[value] for value in sorted(counts, key=lambda v: (str(type(v)), v))}
