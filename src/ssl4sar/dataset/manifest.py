"""The manifest of a CaFFe tree: what it is, where it came from, and the hash of every file.

A folder cannot be tracked by content in Snakemake, a small file can: every rule that needs a
tree takes its manifest as the tracked input.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal, Self

from ssl4sar.core.atomic import write_json
from ssl4sar.core.caffe_layout import CaffeTree, Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import read_json
from ssl4sar.core.grid import Grid
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.scene_name import SceneName
from ssl4sar.dataset.official import is_official_test

SCHEMA: Final = "ssl4sar.caffe-tree/2"
Source = Literal["synthetic", "local", "pangaea"]


@dataclass(frozen=True)
class TreeManifest:
    """A CaFFe tree.

    Attributes:
        root: folder of the tree; relative paths count from the working directory of the run. In
            the file they count from the file's folder, so that both can move together.
        source: where the scenes come from.
        spacing_m: pixel size the tree was resampled to, whole metres; None on native grids.
        comparable_with_published: true only for the official full-size test set.
        scenes: sorted scene names per split.
        files: record of every file, by path relative to ``root``.
        grids: where the pixels are, by name of the scenes of which it is known.
    """

    root: str
    source: Source
    spacing_m: int | None
    comparable_with_published: bool
    scenes: dict[Split, list[str]]
    files: dict[str, FileRecord]
    grids: dict[str, Grid] = field(default_factory=dict)

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
        return CaffeTree(Path(self.root))

    def write(self, path: str | Path) -> None:
        """Write the manifest as JSON, atomically."""
        root = self.root
        if not Path(root).is_absolute():
            root = Path(os.path.relpath(root, Path(path).parent)).as_posix()
        values = {"schema": SCHEMA, **asdict(self), "root": root}
        values["grids"] = {name: grid.to_json() for name, grid in self.grids.items()}
        if not self.grids:
            del values["grids"]
        write_json(path, values)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a manifest.

        Raises:
            UserError: missing, damaged, or of another schema.
        """
        fix = "remove it and rerun the workflow"
        try:
            content = read_json(path)
            schema = content.pop("schema")
            if schema != SCHEMA:
                raise UserError(path, f"the manifest has schema {schema}, not {SCHEMA}", fix)
            files = {name: FileRecord(**record) for name, record in content.pop("files").items()}
            grids = {n: Grid.from_json(grid) for n, grid in content.pop("grids", {}).items()}
            root = os.path.normpath(Path(path).parent / content.pop("root"))
            return cls(root, **content, files=files, grids=grids)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(path, f"the manifest cannot be read ({error})", fix) from error


def build_manifest(
    root: str | Path,
    source: Source,
    spacing_m: int | None,
    scenes: Mapping[Split, Sequence[str]],
    sizes_px: Mapping[str, tuple[int, int]],
    files: Mapping[str, FileRecord],
    grids: Mapping[str, Grid] | None = None,
) -> TreeManifest:
    """Put the facts of a checked tree together.

    Args:
        root: folder of the tree, as later steps should open it.
        source: where the scenes come from.
        spacing_m: pixel size the tree was resampled to, metres; None on native grids.
        scenes: scene names per split.
        sizes_px: height and width by scene name.
        files: record of every file by path relative to ``root``.
        grids: where the pixels are, by name of the scenes of which it is known.

    Returns:
        The manifest; results count as comparable with published ones only where the test split is
        the official one on its native grids, neither resampled nor rendered.
    """
    official = is_official_test(scenes["test"], sizes_px)
    return TreeManifest(
        root=str(root),
        source=source,
        spacing_m=spacing_m,
        comparable_with_published=official and spacing_m is None and source != "synthetic",
        scenes={split: sorted(names) for split, names in scenes.items()},
        files={name: files[name] for name in sorted(files)},
        grids=dict(sorted((grids or {}).items())),
    )
