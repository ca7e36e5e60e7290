"""The record of a stack: every scene of a glacier on its grid, with what was found of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from pydantic import Field

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.record import Record, RecordPart

#: Satellite of the SYNTHETIC products of the scene model; no real one has this letter.
_SYNTHETIC_PLATFORM: Final = "S1X"


class SceneShift(RecordPart):
    """Shift of a scene against the median of the other scenes of its track, on stable terrain.

    Attributes:
        x_px: columns, positive to the right; None where it could not be measured.
        y_px: rows, positive down.
        x_m: the same, metres to the east.
        y_m: metres to the north.
        spread_px: median absolute deviation of the windows.
        peak_to_noise: how clear the match is, standard deviations.
        windows: windows that were matched.
        problem: why the scene is flagged; None of a good one.
    """

    x_px: float | None
    y_px: float | None
    x_m: float | None
    y_m: float | None
    spread_px: float | None
    peak_to_noise: float | None
    windows: int
    problem: str | None


class StackedScene(RecordPart):
    """A scene on the grid of its glacier, or why it is not.

    Attributes:
        product: name of the raw product.
        file: its image, seen from the folder of the record; None of one that failed.
        sha256: of the image.
        geometry_file: its local incidence angle, layover and shadow, beside the image.
        geometry_sha256: of that file.
        problem: why it failed, in one line; None of one that is there.
        day: of the first line, UTC, YYYY-MM-DD; None of one that could not be opened.
        track: relative orbit, direction, mode and polarisation; scenes of one track see the same.
        valid_percent: share of the grid that it shows.
        facts: how it was made, plain values; see :func:`ssl4sar.sar.geocode.geocode`.
        shift: against the other scenes of its track; None before it was measured.
        optical_shift: against the optical image, as information.
    """

    product: str
    file: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    geometry_file: str | None = None
    geometry_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    problem: str | None = None
    day: str | None = None
    track: str | None = None
    valid_percent: float | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    shift: SceneShift | None = None
    optical_shift: SceneShift | None = None

    @property
    def synthetic(self) -> bool:
        """Whether it was rendered, not observed."""
        return self.facts.get("platform") == _SYNTHETIC_PLATFORM

    def moved(self, here: Path, there: Path) -> Self:
        """Return the scene as a record in another folder lists it; its files stay."""
        files = {"file": self.file, "geometry_file": self.geometry_file}
        moved = {
            name: Path(os.path.relpath(here / file, there)).as_posix()
            for name, file in files.items()
            if file is not None
        }
        return self.model_copy(update=moved)


class StackRecord(Record):
    """The scenes of one glacier, or those of a batch.

    Attributes:
        glacier: its name.
        grid: of all its images.
        scenes: by time, those that failed last.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.stack/1"
    NAME: ClassVar[str] = "record of a stack"

    glacier: str
    grid: dict[str, Any]
    scenes: tuple[StackedScene, ...]

    @property
    def pixels(self) -> Grid:
        """The grid as a value."""
        return Grid.from_json(self.grid)

    @property
    def synthetic(self) -> bool:
        """Whether any of its images was rendered, not observed."""
        return any(scene.synthetic for scene in self.scenes)

    @property
    def usable(self) -> tuple[StackedScene, ...]:
        """Scenes that have an image."""
        return tuple(scene for scene in self.scenes if scene.file is not None)


class BatchRecord(Record):
    """The scenes that one job geocoded, on the grid of every glacier that lists them.

    Attributes:
        stacks: a stack per glacier.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.stack-batch/1"
    NAME: ClassVar[str] = "record of a batch of scenes"

    stacks: tuple[StackRecord, ...]


def in_order(scenes: list[StackedScene]) -> tuple[StackedScene, ...]:
    """Return scenes by time and name, those that failed last."""
    return tuple(
        sorted(
            scenes, key=lambda each: (each.file is None, each.facts.get("start", ""), each.product)
        )
    )


def merge_stacks(batches: Sequence[str | Path], glacier: str, record: str | Path) -> StackRecord:
    """Return the stack of a glacier of all batches, as a record of the file ``record``.

    Raises:
        UserError: a record cannot be used, has no scene of the glacier, or has them on another grid
            than the first.
    """
    stacks = [_stack_of(glacier, path) for path in batches]
    first = stacks[0]
    scenes: list[StackedScene] = []
    for path, stack in zip(batches, stacks, strict=True):
        if stack.grid != first.grid:
            problem = f"its scenes are on another grid than those of {batches[0]}"
            raise UserError(path, problem, "make the stack again")
        scenes += [scene.moved(Path(path).parent, Path(record).parent) for scene in stack.scenes]
    return first.model_copy(update={"scenes": in_order(scenes)})


def _stack_of(glacier: str, batch: str | Path) -> StackRecord:
    for stack in BatchRecord.read(batch).stacks:
        if stack.glacier == glacier:
            return stack
    raise UserError(batch, f"it has no scene of {glacier}", "make the stack again")


def image_path(record: str | Path, scene: StackedScene) -> Path:
    """Return where the image of a scene is, beside the record that lists it."""
    if scene.file is None:
        raise ValueError(f"{scene.product} has no image")
    return Path(record).parent / scene.file


def geometry_path(record: str | Path, scene: StackedScene) -> Path:
    """Return where the incidence angle and the mask of a scene are, as :func:`image_path`.

    Raises:
        UserError: the record is of a version that wrote none.
    """
    if scene.geometry_file is None:
        raise UserError(record, f"{scene.product} has no geometry", "make the stack again")
    return Path(record).parent / scene.geometry_file
