from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.scene_name import GLACIERS, SENSORS, SceneName

names = st.builds(
    SceneName,
    st.sampled_from(GLACIERS),
    st.dates(),
    st.sampled_from(SENSORS),
    st.integers(1, 500),
    st.integers(1, 6),
    st.integers(0, 999).map("{:03d}".format),
)


@given(names)
def test_round_trip(name: SceneName) -> None:
    assert SceneName.parse(str(name)) == name
    assert name.with_resolution(80).resolution_m == 80


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("COL_2011-06-18_TDX_7_1", "does not read"),
        ("COL_2011-06-18_TDX_7_1_24", "does not read"),
        ("COL_2011-06-18_TDX_07_1_024", "does not read"),
        ("COL_2011-06-18_TDX_7_7_024", "does not read"),
        ("COL_2011-02-30_TDX_7_1_024", "not a date"),
        ("Col_2011-06-18_TDX_7_1_024", "the glacier COL is written Col; write COL"),
        ("COL_2011-06-18_S2_7_1_024", "unknown sensor"),
        ("", "does not read"),
    ],
)
def test_malformed_names_are_reported(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        SceneName.parse(text)


@pytest.mark.parametrize(
    ("text", "season"),
    [
        ("COL_2011-04-01_TDX_7_1_024", "summer"),
        ("COL_2011-08-31_TDX_7_1_024", "summer"),
        ("JAC_2011-09-01_TSX_6_1_024", "winter"),
        ("Mapple_2011-04-01_TSX_7_1_024", "winter"),
        ("Mapple_2011-03-31_TSX_7_1_024", "summer"),
        ("SI_2011-09-01_TSX_7_1_024", "summer"),
    ],
)
def test_seasons_follow_the_benchmark(text: str, season: str) -> None:
    assert SceneName.parse(text).season == season


def test_any_glacier_has_a_name_and_no_season() -> None:
    scene = SceneName.parse("Thwaites-2_2011-06-18_TDX_7_1_024")
    assert (scene.glacier, scene.season) == ("Thwaites-2", None)


@pytest.mark.parametrize(("spacing", "fits"), [(7.0, True), (20 / 3, True), (6.0, False)])
def test_coordinates_say_the_pixel_size_and_must_not_contradict(spacing: float, fits: bool) -> None:
    scene = SceneName.parse("COL_2011-06-18_TDX_7_1_024")
    assert scene.spacing_m(None, Path("a.png")) == 7
    grid = Grid.at(0.0, 0.0, spacing, (4, 4), "EPSG:32606")
    if fits:
        assert scene.spacing_m(grid, Path("a.tif")) == spacing
        return
    with pytest.raises(UserError, match=r"a.tif: its pixels have 6 m, its name says 7 m; correct"):
        scene.spacing_m(grid, Path("a.tif"))


def test_official_test_set_has_the_known_composition(test_data) -> None:
    lines = (test_data / "splits" / "caffe_official_test_122.txt").read_text().split()
    scenes = [SceneName.parse(line) for line in lines]
    assert sum(s.season == "winter" for s in scenes) == 54
    assert sum(s.sensor_group == "TSX/TDX" for s in scenes) == 69
    assert [str(s) for s in scenes] == lines
