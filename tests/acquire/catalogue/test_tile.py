"""Tiles of Sentinel-2: well-known ones, and every point of a tile within its own."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.warp import transform
from shapely.geometry import Point

from ssl4sar.acquire.areas import area_km2
from ssl4sar.acquire.catalogue.tile import tile_polygon

_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("name", "lon", "lat"),
    [
        ("33XWG", 15.63, 78.22),  # Longyearbyen
        ("20DNN", -62.3, -65.35),  # the front of Crane Glacier
        ("22WEB", -49.9, 69.15),  # Jakobshavn
        ("31UFU", 4.90, 52.37),  # Amsterdam
        ("32TQR", 12.33, 45.44),  # Venice
        ("18TWL", -73.97, 40.78),  # New York
        ("56HLH", 151.21, -33.87),  # Sydney
        ("34HBH", 18.42, -33.93),  # Cape Town
        ("37MBU", 36.82, -1.29),  # Nairobi
        ("60CWS", 177.9, -79.7),
        ("60CWS", -178.5, -79.7),
        ("01LAC", 179.9, -16.0),
    ],
)
def test_well_known_places(name: str, lon: float, lat: float) -> None:
    tile = tile_polygon(name)
    assert tile.is_valid
    assert tile.contains(Point(lon, lat))
    assert area_km2(tile) == pytest.approx(109.8**2, rel=0.03)
    assert -180 <= tile.bounds[0] <= tile.bounds[2] <= 180
    assert len(tile.geoms) == (2 if name in {"60CWS", "01LAC"} else 1)


@pytest.mark.parametrize(
    "name", ["", "33XV", "33XVGG", "00XVG", "61XVG", "33IVG", "33XAG", "33XVW", "31NAA9", "33CVG"]
)
def test_what_is_not_a_tile(name: str) -> None:
    with pytest.raises(ValueError, match="there is no tile"):
        tile_polygon(name)


@given(zone=st.integers(1, 60), lon_in_zone=st.floats(-2.9, 2.9), lat=st.floats(-79.9, 83.4))
def test_the_tile_of_any_point_holds_it(zone: int, lon_in_zone: float, lat: float) -> None:
    lon = 6.0 * zone - 183.0 + lon_in_zone
    epsg = (32600 if lat >= 0 else 32700) + zone
    (x,), (y,), *_ = transform("EPSG:4326", f"EPSG:{epsg}", [lon], [lat])
    column = _LETTERS[(zone - 1) % 3 * 8 + int(x // 100_000) - 1]
    row = _LETTERS[(int(y // 100_000) + (5 if zone % 2 == 0 else 0)) % 20]
    band = _BANDS[min(int((lat + 80) // 8), 19)]
    # A circle of latitude between bands cuts through squares, which then have two names.
    assume(abs(lat / 8 - round(lat / 8)) > 1e-6)
    tile = tile_polygon(f"{zone:02}{band}{column}{row}")
    assert tile.buffer(1e-6 / math.cos(math.radians(lat))).contains(Point(lon, lat))
