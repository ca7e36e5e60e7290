from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from ssl4sar.acquire.elevation.tiles import Bounds, Tile, bounds_of_area, tiles_of_area
from ssl4sar.acquire.elevation.tiles import tiles_of_bounds as tiles_of
from ssl4sar.core.errors import UserError

ALL_TILES = [Tile(south, west) for south in range(-90, 90) for west in range(-180, 180)]


def test_a_tile_is_named_after_its_south_western_corner() -> None:
    assert Tile(78, 12).name == "N78_E012"
    assert Tile(0, 0).name == "N00_E000"
    assert Tile(-1, -1).name == "S01_W001"
    assert Tile(-55, -180).name == "S55_W180"
    assert Tile(69, -51).url("http://a/X_{lat}_00_{lon}_00/{lat}{lon}.tif") == (
        "http://a/X_N69_00_W051_00/N69W051.tif"
    )


@pytest.mark.parametrize(
    "name", ["", "N78E012", "S00_E000", "N00_W000", "N90_E000", "N10_E180", "N1_E001", "n78_e012"]
)
def test_what_is_no_name_of_a_tile_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Tile.parse(name)


@pytest.mark.parametrize("template", ["http://a/tile.tif", "http://a/{lat}.tif"])
def test_an_address_without_a_place_is_refused(template: str) -> None:
    with pytest.raises(UserError, match=r"tile_url.*write \{lat\} and \{lon\}"):
        Tile(1, 1).url(template)


@pytest.mark.parametrize(
    ("south", "columns"),
    [
        *[(0, 3600), (49, 3600), (50, 2400), (59, 2400), (60, 1800), (69, 1800), (70, 1200)],
        *[(79, 1200), (80, 720), (84, 720), (85, 360)],
        *[(-50, 3600), (-51, 2400), (-60, 2400), (-61, 1800), (-90, 360)],
    ],
)
def test_columns_of_glo_30(south: int, columns: int) -> None:
    assert Tile(south, 0).columns == columns


def brute_force(bounds: Bounds) -> set[Tile]:
    """Every tile of the globe that owns a place within a pixel of the rectangle."""
    row, column = 1 / 3600, 20 / 3600
    found = set()
    for tile in ALL_TILES:
        if not (tile.south < bounds.north + row and tile.south + 1 >= bounds.south - row):
            continue
        for turn in (-360, 0, 360):
            west = tile.west + turn
            if west <= bounds.east + column and west + 1 > bounds.west:
                found.add(tile)
    return found


@settings(max_examples=25)
@given(
    st.floats(-180, 179.99),
    st.floats(-85, 80),
    st.floats(0.01, 6),
    st.floats(0.01, 3),
    st.sampled_from([0.0, 1.0, 5.0, 60.0]),
)
def test_tiles_are_those_of_a_brute_force_list(
    west: float, south: float, width: float, height: float, margin_km: float
) -> None:
    area = box(west, south, west + width, south + height)
    bounds = bounds_of_area(area, margin_km)
    tiles = tiles_of(bounds)
    assert len(tiles) == len(set(tiles))
    assert set(tiles) == brute_force(bounds)


@given(
    st.floats(-180, 179),
    st.floats(-84, 83),
    st.floats(0, 2 * math.pi),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_every_place_within_the_margin_is_in_a_tile(
    west: float, south: float, bearing: float, along: float, up: float
) -> None:
    margin_km = 50.0
    area = box(west, south, west + 0.7, south + 0.5)
    lon, lat = math.radians(west + 0.7 * along), math.radians(south + 0.5 * up)
    turn = margin_km / 6371.0
    lat2 = math.asin(
        math.sin(lat) * math.cos(turn) + math.cos(lat) * math.sin(turn) * math.cos(bearing)
    )
    lon2 = lon + math.atan2(
        math.sin(bearing) * math.sin(turn) * math.cos(lat),
        math.cos(turn) - math.sin(lat) * math.sin(lat2),
    )
    place = Tile(math.floor(math.degrees(lat2)), (math.floor(math.degrees(lon2)) + 180) % 360 - 180)
    assert place in tiles_of_area(area, margin_km)


def test_a_northern_edge_on_a_degree_needs_both_tiles() -> None:
    # The row on 78 N belongs to the tile below; a point on it needs no other, but its rim does.
    assert {tile.south for tile in tiles_of_area(box(12.2, 77.5, 12.4, 78.0), 0)} == {77, 78}
    assert {tile.south for tile in tiles_of_area(box(12.2, 78.0, 12.4, 78.5), 0)} == {77, 78}
    assert {tile.west for tile in tiles_of_area(box(12.2, 78.1, 13.0, 78.5), 0)} == {12, 13}
    assert {tile.west for tile in tiles_of_area(box(12.2, 78.1, 12.998, 78.5), 0)} == {12, 13}
    assert {tile.west for tile in tiles_of_area(box(12.0, 78.1, 12.9, 78.5), 0)} == {12}


@pytest.mark.parametrize(
    "area",
    [
        MultiPolygon([box(179.2, 70.2, 180, 70.6), box(-180, 70.2, -178.7, 70.6)]),
        box(179.2, 70.2, 181.3, 70.6),
        MultiPolygon([box(-180, 70.2, -178.7, 70.6), box(179.2, 70.2, 180, 70.6)]),
        MultiPolygon([box(178.9 + 0.3, 70.2, 180.5, 70.6), box(-179.9, 70.2, -178.7, 70.6)]),
    ],
)
def test_across_the_antimeridian(area: MultiPolygon) -> None:
    bounds = bounds_of_area(area, 0)
    assert (bounds.west, bounds.east) == pytest.approx((179.2, 181.3))
    assert [tile.name for tile in tiles_of(bounds)] == ["N70_E179", "N70_W180", "N70_W179"]


def test_parts_far_from_each_other_leave_their_gap_outside() -> None:
    bounds = bounds_of_area(MultiPolygon([box(-50, 69, -49, 70), box(20, 69, 21, 70)]), 0)
    assert (bounds.west, bounds.east) == (-50, 21)


@pytest.mark.parametrize(
    ("area", "margin_km"),
    [
        (box(-180, 88, 180, 90), 0),
        (box(-180, 80, 180, 85), 0),
        (box(10, 89.9, 11, 89.99), 5),
        (box(10, -90, 11, -89), 0),
        (box(10, 89.5, 100, 89.8), 18),
        (box(-100, 60, 100, 70), 0),
        (MultiPolygon([box(lon, 85, lon + 1, 86) for lon in range(-180, 180, 30)]), 0),
    ],
)
def test_an_area_around_a_pole_is_refused(area: Polygon, margin_km: float) -> None:
    with pytest.raises(UserError, match=r"Somewhere: .*around or over a pole"):
        bounds_of_area(area, margin_km, "Somewhere")


def test_an_empty_area_is_refused() -> None:
    with pytest.raises(UserError, match="is empty"):
        bounds_of_area(MultiPolygon(), 1)


def test_there_is_no_tile_beyond_the_globe() -> None:
    assert len(ALL_TILES) == len({tile.name for tile in ALL_TILES}) == 64_800
    for south, west in ((90, 0), (-91, 0), (0, 180), (0, -181)):
        with pytest.raises(ValueError):
            Tile(south, west)
    assert np.isfinite(bounds_of_area(box(0, -89.9, 1, -89.5), 1).west)
