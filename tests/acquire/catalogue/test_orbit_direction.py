"""Directions of scenes: by the time since the node, by the calendar, else as stated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from odata_catalogue import square

from ssl4sar.acquire.catalogue.orbit_direction import ORBIT, scene_direction
from ssl4sar.acquire.catalogue.product_name import parse_name
from ssl4sar.acquire.product import OrbitDirection
from ssl4sar.acquire.safe.overview import read_overview

START = datetime(2020, 3, 4, 5, 6, 7, tzinfo=UTC)
STOP = START + timedelta(seconds=25)
ORBIT_MS = ORBIT.total_seconds() * 1000
DIRECTIONS: tuple[OrbitDirection, ...] = ("ascending", "descending")


@given(phase=st.floats(0.0, 0.999), turns=st.integers(0, 1), stated=st.sampled_from(DIRECTIONS))
def test_a_satellite_flies_north_in_the_first_and_last_quarter(
    phase: float, turns: int, stated: OrbitDirection
) -> None:
    first_ms = max((phase + turns) * ORBIT_MS - 12_500, 0.0)
    times = (first_ms, first_ms + 25_000)
    middle = (first_ms + 12_500) / ORBIT_MS % 1
    assume(abs(middle * 4 - round(middle * 4)) > 1e-6)
    expected = "descending" if 0.25 <= middle < 0.75 else "ascending"
    for node_ms in (times, (times[0], None), (None, times[1])):
        if all(ms is None or ms <= 2 * ORBIT_MS for ms in node_ms):
            found = scene_direction(stated, "S1D", START, STOP, None, node_ms)
            assert found == (expected, False)


@pytest.mark.parametrize(
    "node_ms",
    [
        (float("nan"), None),
        (-1.0, None),
        (1e308, None),
        (None, float("inf")),
        (1_000_000.0, 1_900_000.0),  # of the datatake, not of the scene
        (1607.0, 1632.0),  # seconds
    ],
)
def test_times_since_the_node_that_cannot_be_are_not_used(node_ms: Any) -> None:
    assert scene_direction("ascending", "S1D", START, STOP, None, node_ms) == ("ascending", True)


@pytest.mark.parametrize("provider_knows_the_node", [True, False])
def test_real_products_against_their_nodes(test_data: Path, provider_knows_the_node: bool) -> None:
    count = 0
    for path in sorted((test_data / "sentinel1" / "grdh").iterdir()):
        name, overview = parse_name(path.name), read_overview(path)
        assert name.mission == "sentinel-1"
        assert overview.orbit_direction == "descending"
        for stated in DIRECTIONS:
            node_ms = overview.node_ms if provider_knows_the_node else (None, None)
            found = scene_direction(
                stated, name.platform, name.start, name.stop, overview.footprint, node_ms
            )
            assert found == ("descending", False)
        count += 1
    assert count == 6


# SAR-ARD/s1ard#83: the pass is that of the datatake's start, 160 s and more before the turn.
def test_a_scene_after_the_turn_of_its_datatake(test_data: Path) -> None:
    (folder,) = (test_data / "reports").glob("S1A_EW_*.SAFE")
    name, overview = parse_name(folder.name), read_overview(folder)
    assert name.mission == "sentinel-1"
    assert overview.orbit_direction == "ascending"
    for node_ms in (overview.node_ms, (None, None)):
        found = scene_direction(
            "ascending", "S1A", name.start, name.stop, overview.footprint, node_ms
        )
        assert found == ("descending", False)


@pytest.mark.parametrize(
    ("platform", "start", "latitude"),
    [
        ("S1D", datetime(2026, 6, 6, 18, 19, 3, tzinfo=UTC), 51.8),  # no calendar
        ("S1A", datetime(2014, 6, 6, 18, 19, 3, tzinfo=UTC), 51.8),  # not yet on its track
        ("S1A", datetime(2026, 6, 6, 18, 19, 3, tzinfo=UTC), -51.8),  # not there
        ("S1A", datetime(2026, 6, 6, 18, 8, 44, tzinfo=UTC), 80.0),  # at its turn
    ],
)
def test_what_only_the_catalogue_says_is_marked(
    platform: str, start: datetime, latitude: float
) -> None:
    for stated in DIRECTIONS:
        stop, place = start + timedelta(seconds=25), square(0.0, latitude)
        assert scene_direction(stated, platform, start, stop, place) == (stated, True)
    assert scene_direction(None, platform, start, stop, place) == (None, False)
