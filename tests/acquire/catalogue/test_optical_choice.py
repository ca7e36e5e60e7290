"""The choice of optical images: few clouds, whole area, middle of the season, and it explains."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_catalogue import optical_record, square
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.catalogue.optical_choice import (
    Candidate,
    choose_optical,
    season_middle,
    season_months,
    write_optical_choice,
)
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.odata import product_of_record
from ssl4sar.config.sentinel import OpticalConfig

AREA = MultiPolygon([box(-1.0, 70.0, 1.0, 71.0)])
WHOLE = square(0.0, 70.5, 2.0)
AUGUST = datetime(2020, 8, 1, 12, tzinfo=UTC)


def image(days: float = 0.0, **values: Any) -> Product:
    values = {"footprint": WHOLE} | values
    return product_of_record(optical_record(AUGUST + timedelta(days=days), **values), "sentinel-2")


def part(west: float, east: float, tile: str, days: float = 0.0, **values: Any) -> Product:
    ring = [[west, 69.0], [east, 69.0], [east, 72.0], [west, 72.0], [west, 69.0]]
    footprint = {"type": "Polygon", "coordinates": [ring]}
    return image(days, footprint=footprint, tile=tile, **values)


def chosen(candidates: list[Candidate]) -> list[Product]:
    return [each.product for each in candidates if each.chosen]


def whys(candidates: list[Candidate]) -> dict[str, str]:
    return {each.product.name: each.why for each in candidates}


def test_fewer_clouds_win() -> None:
    listed = [image(-1, cloud=10.0), image(1, cloud=3.0)]
    candidates = choose_optical(listed, AREA, OpticalConfig())
    assert chosen(candidates) == [listed[1]]
    assert [each.why for each in candidates] == [
        "number 2 of 2 days by cost",
        "number 1 of 2 days by cost",
    ]


def test_the_middle_of_the_season_wins_over_few_clouds() -> None:
    listed = [image(-40, cloud=1.0), image(0, cloud=4.0)]
    candidates = choose_optical(listed, AREA, OpticalConfig())
    assert chosen(candidates) == [listed[1]]
    assert [each.season_rank for each in candidates] == [2, 1]
    assert candidates[0].cost == pytest.approx(1.0 + 0.25 * 40, abs=0.3)


def test_more_coverage_wins() -> None:
    listed = [part(-1.0, 0.7, "33XVG", -1), part(-1.0, 0.9, "33XVG", 1)]
    candidates = choose_optical(listed, AREA, OpticalConfig())
    assert chosen(candidates) == [listed[1]]
    assert [each.coverage_percent for each in candidates] == pytest.approx([85.0, 95.0])


@pytest.mark.parametrize(
    ("product", "why"),
    [
        (image(0, cloud=20.5), "too cloudy: more than 20 %"),
        (image(100), "out of season: month 11"),
        (image(0, Online=False), "offline: it cannot be fetched now"),
        (image(0, GeoFootprint=None), "its footprint is unknown"),
        (part(-1.0, 0.5, "33XVG"), "its day covers 75.0 %, 80 % are wanted"),
        (part(2.0, 3.0, "33XVG"), "its day covers 0.0 %, 80 % are wanted"),
    ],
)
def test_what_cannot_be_used_is_reported(product: Product, why: str) -> None:
    candidates = choose_optical([product], AREA, OpticalConfig())
    assert [(each.chosen, each.cost, each.why) for each in candidates] == [(False, None, why)]


def test_tiles_of_one_day_are_combined_as_far_as_needed() -> None:
    west, middle, east = (
        part(-1.0, 0.0, "33XVG"),
        part(-0.5, 0.4, "33XVH"),
        part(-0.1, 1.0, "33XVJ"),
    )
    alone = part(-1.0, 0.7, "33XVG", 20)
    candidates = choose_optical([west, middle, east, alone], AREA, OpticalConfig())
    assert chosen(candidates) == [west, east]
    by_name = {each.product.name: each for each in candidates}
    assert by_name[west.name].coverage_percent == pytest.approx(50.0)
    assert by_name[west.name].day_coverage_percent == pytest.approx(100.0)
    assert by_name[middle.name].why == "not needed: other tiles of its day cover enough"
    assert by_name[alone.name].why == "number 2 of 2 days by cost"


def test_tiles_of_different_days_and_tracks_are_not_combined() -> None:
    listed = [
        part(-1.0, 0.0, "33XVG"),
        part(0.0, 1.0, "33XVJ", 1),
        part(0.0, 1.0, "33XVJ", relative_orbit=67),
        part(0.0, 1.0, "33XVJ", platform="S2B"),
    ]
    assert chosen(choose_optical(listed, AREA, OpticalConfig())) == []


def test_a_cloudy_tile_counts_for_its_day_only_if_it_is_needed() -> None:
    listed = [part(-1.0, 0.9, "33XVG", cloud=1.0), part(0.0, 1.0, "33XVJ", cloud=19.0)]
    other = image(1, cloud=12.0)
    candidates = choose_optical([*listed, other], AREA, OpticalConfig())
    assert chosen(candidates) == [listed[0]]
    needed = [part(-1.0, 0.5, "33XVG", cloud=1.0), listed[1]]
    assert chosen(choose_optical([*needed, other], AREA, OpticalConfig())) == [other]


def test_ties_do_not_depend_on_the_order_of_the_answers(tmp_path: Path) -> None:
    listed = [image(day, cloud=5.0) for day in (-1, 1)]
    listed += [part(-1.0, 0.2, tile, 0) for tile in ("33XVG", "33XVH")]
    listed += [part(0.0, 1.0, tile, 0) for tile in ("33XVJ", "33XVK")]
    tables = set()
    for seed in range(6):
        mixed = random.Random(seed).sample(listed, len(listed))
        path = tmp_path / f"{seed}.csv"
        write_optical_choice(path, choose_optical(mixed, AREA, OpticalConfig()))
        tables.add(path.read_text())
    assert len(tables) == 1


def test_unknown_clouds_count_as_the_limit() -> None:
    unknown, known = image(0, cloud=None), image(1, cloud=19.0)
    candidates = choose_optical([unknown, known], AREA, OpticalConfig())
    assert chosen(candidates) == [known]
    assert candidates[0].cost == pytest.approx(20.0, abs=0.3)


def test_the_table(tmp_path: Path) -> None:
    path = tmp_path / "optical_choice.csv"
    candidates = choose_optical([image(0), image(1, cloud=50.0)], AREA, OpticalConfig())
    write_optical_choice(path, candidates)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["chosen"] for row in rows] == ["yes", "no"]
    assert rows[0]["day"] == "2020-08-01"
    assert rows[0]["cloud_percent"] == "5.00"
    assert rows[1]["cost"] == ""


def test_south_of_the_equator_the_season_is_half_a_year_later() -> None:
    south = MultiPolygon([box(-61.0, -65.5, -60.0, -65.0)])
    footprint = square(-60.5, -65.25)
    summer = image(170, footprint=footprint, cloud=15.0)
    winter = image(0, footprint=footprint, cloud=0.0)
    candidates = choose_optical([summer, winter], south, OpticalConfig())
    assert chosen(candidates) == [summer]
    assert whys(candidates)[winter.name] == "out of season: month 8"


@pytest.mark.parametrize(
    ("months", "middle"),
    [
        ((6, 7, 8, 9), 7 / 12),
        ((7,), 6.5 / 12),
        ((12, 1, 2, 3), 1 / 12),
        ((11, 12), 11 / 12),
        ((12, 1), 0.0),
        ((6, 8), 6.5 / 12),
    ],
)
def test_the_middle_of_a_season(months: tuple[int, ...], middle: float) -> None:
    assert season_middle(months) == pytest.approx(middle * 365.25)


@given(st.sets(st.integers(1, 12), min_size=1), st.floats(-90, 90))
def test_months_of_the_two_hemispheres(months: set[int], latitude: float) -> None:
    shifted = season_months(tuple(months), latitude)
    assert len(shifted) == len(months)
    assert set(season_months(shifted, latitude)) == months
    assert 0 <= season_middle(shifted) < 365.25
    assert (set(shifted) == months) or latitude < 0
