"""The manifest of a dataset: what it is, where it came from, and the hash of every file.

A folder cannot be tracked by content in Snakemake, a small file can: every rule that needs a
dataset takes its manifest as the tracked input.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from ssl4sar.core.caffe_layout import SPLITS, CaffeTree, Split
from ssl4sar.core.grid import Grid
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.record import Record
from ssl4sar.core.scene_name import SceneName
from ssl4sar.dataset.official import is_official_test
from ssl4sar.dataset.split import split_by_glacier

Source = Literal["synthetic", "local", "pangaea"]


class DatasetManifest(Record):
    """A record of a folder."""

    FIX: ClassVar[str] = "remove it and rerun the workflow"

    root: str

    def values(self, path: Path) -> dict[str, Any]:
        """Return its fields as JSON values for a certain file."""
        root = self.root
        if not Path(root).is_absolute():
            root = Path(os.path.relpath(root, path.parent)).as_posix()
        return {**super().values(path), "root": root}

    @classmethod
    def from_values(cls, values: dict[str, Any], path: Path) -> Self:
        """Return a manifest of fields as JSON values from a certain file."""
        manifest = super().from_values(values, path)
        root = os.path.normpath(path.parent / manifest.root)
        return manifest.model_copy(update={"root": root})


class TreeManifest(DatasetManifest):
    """A CaFFe tree.

    Attributes:
        source: where the scenes come from.
        spacing_m: pixel size the tree was resampled to, whole metres; None on native grids.
        comparable_with_published: true only for the official full-size test set.
        scenes: sorted scene names per split.
        files: record of every file, by path relative to ``root``.
        grids: where the pixels are, by name of the scenes of which it is known.
        held_out: glaciers that ``caffe.test_glaciers`` made the test split; None: the split is
            that of the tree.
        moved: folder of the scenes that are in that of another split than their own, by name.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.caffe-tree/2"
    NAME: ClassVar[str] = "manifest of a CaFFe tree"

    source: Source
    spacing_m: int | None
    comparable_with_published: bool
    scenes: dict[Split, list[str]]
    files: dict[str, FileRecord]
    grids: dict[str, Grid] = Field(default_factory=dict)
    held_out: list[str] | None = None
    moved: dict[str, Split] = Field(default_factory=dict)

    @property
    def synthetic(self) -> bool:
        """Whether the scenes are rendered, not observed."""
        return self.source == "synthetic"

    @property
    def test_glaciers(self) -> tuple[str, ...]:
        """Glaciers of the test scenes, by their names in the benchmark."""
        return tuple(sorted({SceneName.parse(name).glacier for name in self.scenes["test"]}))

    @property
    def tree(self) -> CaffeTree:
        """Paths of the tree."""
        return CaffeTree(Path(self.root), self.moved)

    def values(self, path: Path) -> dict[str, Any]:
        """Return its fields as JSON values; what may be empty has no key then."""
        optional = ("grids", "held_out", "moved")
        values = super().values(path)
        return {key: value for key, value in values.items() if value or key not in optional}


def build_manifest(
    root: str | Path,
    source: Source,
    spacing_m: int | None,
    scenes: Mapping[Split, Sequence[str]],
    sizes_px: Mapping[str, tuple[int, int]],
    files: Mapping[str, FileRecord],
    grids: Mapping[str, Grid] | None = None,
    test_glaciers: Sequence[str] | None = None,
) -> TreeManifest:
    """Put the facts of a checked tree together.

    Args:
        root: folder of the tree, as later steps should open it.
        source: where the scenes come from.
        spacing_m: pixel size the tree was resampled to, metres; None on native grids.
        scenes: scene names by the split whose folder they are in.
        sizes_px: height and width by scene name.
        files: record of every file by path relative to ``root``.
        grids: where the pixels are, by name of the scenes of which it is known.
        test_glaciers: glaciers all of whose scenes are the test split; None: the folders decide.

    Returns:
        The manifest; results count as comparable with published ones only where the test split is
        the official one on its native grids, neither resampled nor rendered.

    Raises:
        UserError: ``test_glaciers`` leave a split empty.
    """
    split: Mapping[Split, Sequence[str]] = scenes
    if test_glaciers is not None:
        split = split_by_glacier(scenes, test_glaciers)
    folder_of = {name: folder for folder in SPLITS for name in scenes[folder]}
    official = is_official_test(split["test"], sizes_px)
    return TreeManifest(
        root=str(root),
        source=source,
        spacing_m=spacing_m,
        comparable_with_published=official and spacing_m is None and source != "synthetic",
        scenes={part: sorted(names) for part, names in split.items()},
        files={name: files[name] for name in sorted(files)},
        grids=dict(sorted((grids or {}).items())),
        held_out=None if test_glaciers is None else sorted(test_glaciers),
        moved={n: folder_of[n] for part in SPLITS for n in split[part] if folder_of[n] != part},
    )
