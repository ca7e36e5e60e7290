"""Which scenes of a glacier are seen together: the series of temporal networks.

A series has a reference, the scene that it is about, and other scenes of its glacier, all in the
order of their days. Training draws the others at random from all training scenes, of any pixel size
and sensor; prediction takes those nearest in time on the grid of the reference, from its own
split (source: Dreier et al. 2026, arXiv 2512.11560). No label is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import numpy as np

from ssl4sar.config.series import SeriesConfig
from ssl4sar.core.caffe_layout import Split
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.scene_name import SceneName
from ssl4sar.core.seeding import generator
from ssl4sar.dataset.store import Store

#: Day 0 of a series.
FIRST_DAY: Final = date(1995, 1, 1)


@dataclass(frozen=True)
class SeriesScene:
    """What decides the series that a scene can be in.

    Attributes:
        name: scene name.
        split: split of the tree that the scene is in.
        glacier: glacier of the name.
        resolution_m: pixel size of the name, metres.
        day: days from ``FIRST_DAY`` to the acquisition; negative before it.
        shape: (rows, columns).
        grid: where the pixels are; None without coordinates.
    """

    name: str
    split: Split
    glacier: str
    resolution_m: int
    day: int
    shape: tuple[int, int]
    grid: Grid | None = None

    @classmethod
    def of_name(
        cls, name: str, split: Split, shape: tuple[int, int], grid: Grid | None = None
    ) -> Self:
        """Return the facts of a scene by its name.

        Raises:
            UserError: the name has no date, or is not a scene name in another way.
        """
        parsed = SceneName.parse(name)
        day = (parsed.date - FIRST_DAY).days
        return cls(name, split, parsed.glacier, parsed.resolution_m, day, shape, grid)

    def shares_grid(self, other: SeriesScene) -> bool:
        """Return whether the pixels of two scenes show the same places, as far as that is known."""
        same = (self.shape, self.resolution_m) == (other.shape, other.resolution_m)
        return same and self.shares_area(other)

    def shares_area(self, other: SeriesScene) -> bool:
        """Return whether two scenes show the same area, by pixels of any size.

        Of scenes with coordinates, reference system and edges count; an edge may be off by a pixel
        of the coarser one, as between orthorectifications. Others of one glacier are taken to show
        one area, like those of CaFFe.
        """
        if self.grid is None or other.grid is None:
            return True
        edges = zip(self.grid.bounds, other.grid.bounds, strict=True)
        coarser = max(self.grid.spacing, other.grid.spacing)
        near = all(abs(one - two) <= coarser for one, two in edges)
        return near and self.grid.crs == other.grid.crs


@dataclass(frozen=True)
class Series:
    """Scenes that are seen together.

    Attributes:
        frames: the scenes by day, those of one day by name.
        predicted: places in ``frames`` of the scenes that the series is about.
    """

    frames: tuple[SeriesScene, ...]
    predicted: tuple[int, ...]

    @classmethod
    def about(cls, reference: SeriesScene, others: Iterable[SeriesScene]) -> Self:
        """Return the series of a reference and other scenes.

        Raises:
            UserError: a scene is of another split than the reference.
        """
        frames = in_order([reference, *others])
        for frame in frames:
            if frame.split != reference.split:
                raise UserError(
                    frame.name,
                    f"it is of split {frame.split}, but {reference.name}, which it would be seen "
                    f"with, is of split {reference.split}",
                    "make a series of scenes of one split",
                )
        return cls(frames, (frames.index(reference),))

    @property
    def days(self) -> list[int]:
        """Days of the frames, ascending."""
        return [frame.day for frame in self.frames]


def series_scenes(store: Store, numbers: Iterable[int]) -> list[SeriesScene]:
    """Return scenes of a training store, all of which are of the training split, by their numbers.

    Raises:
        UserError: a name without a date.
    """
    scenes = [store.scenes[number] for number in numbers]
    return [
        SeriesScene.of_name(each.name, "train", (each.height, each.width), each.grid)
        for each in scenes
    ]


def in_order(scenes: Iterable[SeriesScene]) -> tuple[SeriesScene, ...]:
    """Return scenes by day, those of one day by name."""
    return tuple(sorted(scenes, key=lambda scene: (scene.day, scene.name)))


def nearest_frames(
    reference: SeriesScene, scenes: Iterable[SeriesScene], config: SeriesConfig
) -> Series:
    """Return a scene with those of its glacier and grid that are nearest in time.

    Args:
        reference: the scene that the series is about.
        scenes: all scenes that may be used; the reference may be among them.
        config: number of frames and window of time. Of scenes equally near the name decides.

    Raises:
        UserError: a scene that would be used is of another split.
    """
    others = [
        scene for scene in _partners(reference, scenes, config) if scene.shares_grid(reference)
    ]
    others.sort(key=lambda scene: (abs(scene.day - reference.day), scene.name))
    return Series.about(reference, others[: config.frames - 1])


def area_partners(
    reference: SeriesScene, scenes: Iterable[SeriesScene], config: SeriesConfig
) -> tuple[SeriesScene, ...]:
    """Return the scenes that may be seen with a scene in training, by day.

    Args:
        reference: the scene that series are about.
        scenes: all scenes that may be used, in any order; the reference may be among them.
        config: window of time.
    """
    partners = _partners(reference, scenes, config)
    return in_order(scene for scene in partners if scene.shares_area(reference))


def random_frames(
    reference: SeriesScene,
    partners: Sequence[SeriesScene],
    config: SeriesConfig,
    *,
    seed: int,
    epoch: int,
    index: int,
) -> Series:
    """Return a scene with random others of its glacier and area, of any sensor, none twice.

    Args:
        reference: the scene of the sample.
        partners: what :func:`area_partners` returns for it.
        config: number of frames, and whether all of them are predicted.
        seed: seed of the run.
        epoch: epoch, from 0.
        index: number of the sample within the epoch.

    Raises:
        UserError: a scene that was drawn is of another split.
    """
    count = min(config.frames - 1, len(partners))
    drawn = generator(seed, "series", epoch, index).choice(len(partners), count, replace=False)
    series = Series.about(reference, [partners[i] for i in drawn])
    return Series(series.frames, tuple(range(count + 1))) if config.predicted == "all" else series


def groups_of(scenes: Iterable[SeriesScene], frames: int) -> list[Series]:
    """Cut the scenes of every glacier and grid into consecutive dates that are predicted together.

    Args:
        scenes: scenes of one split.
        frames: most scenes of a group; the groups of a grid differ in size by one at most.
    """
    places: list[list[SeriesScene]] = []
    for scene in in_order(scenes):
        for place in places:
            if place[0].glacier == scene.glacier and place[0].shares_grid(scene):
                place.append(scene)
                break
        else:
            places.append([scene])
    groups = []
    for place in places:
        for part in np.array_split(np.arange(len(place)), -(-len(place) // frames)):
            members = [place[i] for i in part]
            series = Series.about(members[0], members[1:])
            groups.append(Series(series.frames, tuple(range(len(members)))))
    return groups


def prediction_series(scenes: Sequence[SeriesScene], config: SeriesConfig) -> list[Series]:
    """Return the series by which scenes of one split are predicted, each scene once."""
    if config.predicted == "all":
        return groups_of(scenes, config.frames)
    return [nearest_frames(scene, scenes, config) for scene in scenes]


def _partners(
    reference: SeriesScene, scenes: Iterable[SeriesScene], config: SeriesConfig
) -> list[SeriesScene]:
    def is_within(day: int) -> bool:
        if config.window == "past" and day > reference.day:
            return False
        return config.max_days is None or abs(day - reference.day) <= config.max_days

    return [
        scene
        for scene in scenes
        if scene.glacier == reference.glacier
        and scene.name != reference.name
        and is_within(scene.day)
    ]
