"""Which scenes are seen together: nearest, random, consecutive; never across the splits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ssl4sar.config.prediction import PredictionConfig
from ssl4sar.config.series import SeriesConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.dataset.series import (
    SeriesScene,
    area_partners,
    groups_of,
    nearest_frames,
    prediction_series,
    random_frames,
)

SHAPE = (30, 40)
GRID = Grid.at(500_000, 7_000_000, 7.0, SHAPE, "EPSG:32622")
#: The area of 210 by 280 m in pixels of 20 m.
COARSE = Grid.at(500_000, 7_000_000, 20.0, (10, 14), "EPSG:32622")


def scene(day, sensor="TDX", glacier="COL", resolution_m=7, shape=SHAPE, split="test", grid=None):
    name = f"{glacier}_2011-06-{day:02d}_{sensor}_{resolution_m}_1_024"
    return SeriesScene.of_name(name, split, shape, grid)


REFERENCE = scene(15)
#: Not in order; two images of one day.
OTHERS = [scene(20), scene(13), scene(16, "TSX"), scene(16, "S1"), scene(2), scene(14)]


def days(series):
    return [int(frame.name.split("_")[1][-2:]) for frame in series.frames]


def at_random(reference, scenes, config, *, seed=0, epoch=0, index=0):
    partners = area_partners(reference, scenes, config)
    return random_frames(reference, partners, config, seed=seed, epoch=epoch, index=index)


def names(series):
    return [frame.name for frame in series.frames]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"frames": 4}, [14, 15, 16, 16]),
        ({"frames": 3}, [14, 15, 16]),
        ({"frames": 1}, [15]),
        ({"frames": 50}, [2, 13, 14, 15, 16, 16, 20]),
        ({"frames": 3, "window": "past"}, [13, 14, 15]),
        ({"max_days": 2}, [13, 14, 15, 16, 16]),
        ({"max_days": 1, "window": "past"}, [14, 15]),
        ({"max_days": 0}, [15]),
    ],
)
def test_the_nearest_in_time_in_order(config, expected):
    scenes = [*OTHERS, REFERENCE]
    series = nearest_frames(REFERENCE, scenes, SeriesConfig(**config))
    assert days(series) == expected
    assert [series.frames[i] for i in series.predicted] == [REFERENCE]
    assert series == nearest_frames(REFERENCE, scenes[::-1], SeriesConfig(**config))


def test_of_one_day_the_name_decides_and_the_past_includes_the_day_itself():
    series = nearest_frames(REFERENCE, OTHERS, SeriesConfig(frames=3))
    assert names(series)[2] == scene(16, "S1").name
    same_day = scene(15, "TSX")
    series = nearest_frames(REFERENCE, [*OTHERS, same_day], SeriesConfig(frames=2, window="past"))
    assert names(series) == [REFERENCE.name, same_day.name]


@pytest.mark.parametrize(
    ("other", "predicted", "trained"),
    [
        (scene(16, shape=(30, 41)), False, True),
        (scene(16, resolution_m=8), False, True),
        (scene(16, glacier="Mapple"), False, False),
        (scene(16), True, True),
        (scene(16, grid=GRID), True, True),
        (scene(16, grid=Grid.at(500_006, 7_000_000, 7.0, SHAPE, "EPSG:32622")), True, True),
        (scene(16, grid=Grid.at(500_010, 7_000_000, 7.0, SHAPE, "EPSG:32622")), False, False),
        (scene(16, grid=Grid.at(500_000, 7_000_000, 7.0, SHAPE, "EPSG:32623")), False, False),
        (scene(16, "S1", resolution_m=20, shape=COARSE.shape, grid=COARSE), False, True),
    ],
    ids=["size", "pixels", "glacier", "bare", "same", "a pixel off", "off", "system", "coarse"],
)
def test_prediction_uses_one_grid_and_training_one_area(other, predicted, trained):
    reference = scene(15, grid=GRID)
    assert len(nearest_frames(reference, [other], SeriesConfig()).frames) == 1 + predicted
    assert len(groups_of([reference, other], 8)) == 2 - predicted
    drawn = at_random(reference, [other], SeriesConfig())
    assert len(drawn.frames) == 1 + trained


def test_a_glacier_with_one_scene_is_a_series_of_one():
    other = scene(15, glacier="Mapple")
    assert names(nearest_frames(REFERENCE, [REFERENCE, other], SeriesConfig())) == [REFERENCE.name]
    drawn = at_random(REFERENCE, [other], SeriesConfig())
    assert (names(drawn), drawn.predicted) == ([REFERENCE.name], (0,))
    assert [names(group) for group in groups_of([REFERENCE], 8)] == [[REFERENCE.name]]


@given(count=st.integers(1, 28), frames=st.integers(1, 12))
def test_groups_are_consecutive_equal_and_predict_each_scene_once(count, frames):
    scenes = [scene(1 + day) for day in range(count)]
    groups = groups_of(scenes[::-1], frames)
    assert [name for group in groups for name in names(group)] == [each.name for each in scenes]
    sizes = [len(group.frames) for group in groups]
    assert max(sizes) <= frames
    assert max(sizes) - min(sizes) <= 1
    assert len(groups) == -(-count // frames)
    assert all(group.predicted == tuple(range(len(group.frames))) for group in groups)


@pytest.mark.parametrize("predicted", ["reference", "all"])
def test_every_scene_is_predicted_once(predicted):
    scenes = [*OTHERS, REFERENCE, scene(3, glacier="Mapple"), scene(4, shape=(9, 9))]
    plan = prediction_series(scenes, SeriesConfig(frames=3, predicted=predicted))
    found = Counter(series.frames[i].name for series in plan for i in series.predicted)
    assert found == Counter(each.name for each in scenes)


@given(seed=st.integers(0, 9), epoch=st.integers(0, 9), index=st.integers(0, 9))
def test_random_frames_follow_from_seed_epoch_and_index(seed, epoch, index):
    scenes = [*OTHERS, REFERENCE, scene(9, resolution_m=20, shape=(9, 9)), scene(1, glacier="SI")]
    config = SeriesConfig(frames=4, predicted="all")
    key = {"seed": seed, "epoch": epoch, "index": index}
    series = at_random(REFERENCE, scenes, config, **key)
    assert series == at_random(REFERENCE, scenes[::-1], config, **key)
    assert REFERENCE in series.frames
    assert len(set(names(series))) == 4
    assert days(series) == sorted(days(series))
    assert {frame.glacier for frame in series.frames} == {"COL"}
    assert series.predicted == (0, 1, 2, 3)


def test_random_frames_are_drawn_evenly_from_all_grids_within_the_window():
    scenes = [*OTHERS, scene(9, resolution_m=20, shape=(9, 9))]
    config = SeriesConfig(frames=3, window="past", max_days=6)
    drawn = [at_random(REFERENCE, scenes, config, index=index) for index in range(300)]
    counts = Counter(day for series in drawn for day in days(series))
    assert counts.keys() == {9, 13, 14, 15}
    assert counts[15] == 300
    assert min(counts.values()) > 150
    assert all([series.frames[i] for i in series.predicted] == [REFERENCE] for series in drawn)


def test_a_series_never_crosses_the_splits():
    crossing = [*OTHERS, replace(scene(14, "ERS"), split="train")]
    message = r"COL_2011-06-14_ERS_7_1_024: it is of split train, but COL_.* is of split test"
    with pytest.raises(UserError, match=message):
        nearest_frames(REFERENCE, crossing, SeriesConfig())
    with pytest.raises(UserError, match=message):
        at_random(REFERENCE, crossing, SeriesConfig())
    with pytest.raises(UserError, match="make a series of scenes of one split"):
        groups_of([REFERENCE, *crossing], 8)


@pytest.mark.parametrize("name", ["COL_TDX_7_1_024", "COL_2011-02-30_TDX_7_1_024", "glacier"])
def test_a_name_without_a_date_is_refused(name):
    with pytest.raises(UserError, match=rf"^{name}: .*(rename it|use YYYY-MM-DD)"):
        SeriesScene.of_name(name, "test", SHAPE)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValidationError, match="which window past forbids: set reference"):
        SeriesConfig(window="past", predicted="all")
    with pytest.raises(ValidationError, match=r"series\.max_days: .* set null"):
        PredictionConfig(series=SeriesConfig(predicted="all", max_days=3))
    for bad in ({"frames": 0}, {"max_days": -1}, {"window": "future"}):
        with pytest.raises(ValidationError):
            SeriesConfig(**bad)
