"""Glaciers and their areas: the antimeridian, poles, bad files, and how much a footprint covers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import from_geojson
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.polygon import orient

from ssl4sar.acquire.areas import (
    Glacier,
    area_km2,
    choose_glaciers,
    coverage_percent,
    cut_at_antimeridian,
    read_glaciers,
    unwrap,
)
from ssl4sar.core.errors import UserError

Ring = Sequence[Sequence[Any]]
SQUARE: Ring = [[12, 78], [13, 78], [13, 79], [12, 79], [12, 78]]


def polygon(*rings: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    known = {"name": "Kronebreen", "long_name": "Kronebreen", "region": "Svalbard", "epsg": 32633}
    return {
        "type": "Feature",
        "properties": {**known, **properties},
        "geometry": polygon(SQUARE) if geometry is None else geometry,
    }


def write(folder: Path, *features: Any) -> Path:
    path = folder / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def read_one(folder: Path, *features: Any) -> Glacier:
    (glacier,) = read_glaciers(write(folder, *features)).values()
    return glacier


def refused(folder: Path, *features: Any, name: str = "Kronebreen") -> str:
    """Return what is said after file and glacier, which come first, all in one line."""
    path = write(folder, *features)
    with pytest.raises(UserError) as caught:
        read_glaciers(path)
    text = str(caught.value)
    assert "\n" not in text
    prefix = f"{path}: {name}: "
    assert text.startswith(prefix)
    return text.removeprefix(prefix)


# ---------------------------------------------------------------------------------------- reading


def test_a_glacier_is_read_with_all_it_tells(tmp_path: Path) -> None:
    glacier = read_one(
        tmp_path, feature(rgi_id="RGI60-07.01464", stable_terrain="rock", note="n", caffe="train")
    )
    assert (glacier.name, glacier.region, glacier.epsg) == ("Kronebreen", "Svalbard", 32633)
    assert (glacier.rgi_id, glacier.stable_terrain) == ("RGI60-07.01464", "rock")
    assert glacier.caffe == "train"
    assert not glacier.is_test
    assert from_geojson(json.dumps(glacier.geojson)).equals(Polygon(SQUARE))


def test_order_of_the_file_stays_and_what_may_lack_is_none(tmp_path: Path) -> None:
    path = write(tmp_path, feature(name="Bb", long_name="b"), feature(name="Aa", long_name="a"))
    glaciers = read_glaciers(path)
    assert list(glaciers) == ["Bb", "Aa"]
    assert glaciers["Aa"].rgi_id is glaciers["Aa"].caffe is glaciers["Aa"].stable_terrain is None


def test_a_byte_order_mark_and_heights_are_no_hindrance(tmp_path: Path) -> None:
    flat = read_one(tmp_path, feature())
    heights = [[*point, 250.0] for point in SQUARE]
    path = write(tmp_path, feature(polygon(heights)))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (glacier,) = read_glaciers(path).values()
    assert glacier.area.equals(flat.area)
    assert not glacier.area.has_z


def test_rings_turn_as_the_standard_wants_and_holes_stay(tmp_path: Path) -> None:
    hole = [[12.2, 78.2], [12.4, 78.2], [12.4, 78.4], [12.2, 78.4], [12.2, 78.2]]
    glacier = read_one(tmp_path, feature(polygon(SQUARE[::-1], hole)))
    (part,) = glacier.area.geoms
    assert part.exterior.is_ccw
    assert not part.interiors[0].is_ccw
    assert glacier.area.area == pytest.approx(1 - 0.04)


# ----------------------------------------------------------------------------------- antimeridian

PARTS = [
    [[[179, 71], [180, 71], [180, 72], [179, 72], [179, 71]]],
    [[[-180, 71], [-179, 71], [-179, 72], [-180, 72], [-180, 71]]],
]


def square(west: float, south: float = 71, width: float = 1, height: float = 1) -> dict[str, Any]:
    east, north = west + width, south + height
    return polygon([[west, south], [east, south], [east, north], [west, north], [west, south]])


@pytest.mark.parametrize(
    "geometry",
    [
        square(179, width=2),
        polygon([[179, 71], [-179, 71], [-179, 72], [179, 72], [179, 71]]),
        {"type": "MultiPolygon", "coordinates": PARTS},
    ],
)
@pytest.mark.parametrize("epsg", [32601, 32660])
def test_an_area_across_the_antimeridian_is_cut_however_it_is_given(
    tmp_path: Path, geometry: dict[str, Any], epsg: int
) -> None:
    glacier = read_one(tmp_path, feature(geometry, epsg=epsg))
    expected = MultiPolygon([box(179, 71, 180, 72), box(-180, 71, -179, 72)])
    assert len(glacier.area.geoms) == 2
    assert glacier.area.equals(expected)
    assert glacier.geojson["type"] == "MultiPolygon"


@pytest.mark.parametrize(
    ("west", "zone"),
    [(179, 32660), (230, 32609), (-190, 32659), (-181, 32660), (181, 32601), (350, 32629)],
)
def test_areas_beyond_the_antimeridian_are_where_they_would_be(
    tmp_path: Path, west: float, zone: int
) -> None:
    glacier = read_one(tmp_path, feature(square(west), epsg=zone))
    here = (west + 180) % 360 - 180
    assert glacier.geojson["type"] == "Polygon"
    assert glacier.area.equals(box(here, 71, here + 1, 72))


# ------------------------------------------------------------------- bad areas, names, properties

BOW_TIE = polygon([[12, 78], [13, 79], [13, 78], [12, 79], [12, 78]])
HALVES = [
    [[[-180, 80], [-90, 80], [0, 80], [0, 85], [-90, 85], [-180, 85], [-180, 80]]],
    [[[0, 80], [90, 80], [180, 80], [180, 85], [90, 85], [0, 85], [0, 80]]],
]
METRES = polygon([[4e5, 8e6], [5e5, 8e6], [5e5, 9e6], [4e5, 8e6]])
LATITUDE_FIRST = polygon([[61, -147], [62, -147], [62, -146], [61, -147]])


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (polygon([[0, 85], [90, 85], [180, 85], [-90, 85], [0, 85]]), "pole"),
        (polygon([[0, -85], [90, -85], [180, -85], [270, -85], [360, -85], [0, -85]]), "pole"),
        (square(-180, 80, 360, 10), "pole"),
        (square(10, 85, 30, 5), "pole"),
        ({"type": "MultiPolygon", "coordinates": HALVES}, "degrees of longitude wide"),
        (square(0, 70, 360, 10), "around the globe, from 0 to 360 degrees"),
        (square(-180, 70, 360, 10), "around the globe"),
        (BOW_TIE, "crosses itself"),
        (polygon([[12, 78], [13, 78], [14, 78], [12, 78]]), "is empty"),
        (polygon(), "is empty"),
        ({"type": "MultiPolygon", "coordinates": []}, "is empty"),
        ({"type": "Point", "coordinates": [12, 78]}, "not a polygon"),
        (polygon([[12, 78], [13, 78]]), "not GeoJSON"),
        (polygon([["a", 78], [13, 78], [13, 79], ["a", 78]]), "not GeoJSON"),
        ("POLYGON ((12 78, 13 78, 13 79, 12 78))", "not GeoJSON"),
        # Metres instead of degrees, and latitude first where that leaves the globe.
        (METRES, "longitude first"),
        (LATITUDE_FIRST, "longitude first"),
        (LATITUDE_FIRST, "latitudes reach from -147"),
        (square(370), "longitudes reach from 370"),
        (polygon([[1e308, 78], [13, 78], [13, 79], [1e308, 78]]), "longitudes reach from"),
        # Latitude first where it does not: the zone gives it away.
        (polygon([[78, 12], [79, 12], [79, 13], [78, 12]]), "longitude first"),
    ],
)
def test_an_area_that_is_not_one_is_refused(tmp_path: Path, geometry: Any, told: str) -> None:
    assert told in refused(tmp_path, feature(geometry))


def test_the_next_zone_may_be_used(tmp_path: Path) -> None:
    # Off Svalbard zone 33 reaches from 9 to 21 degrees.
    for epsg in (32633, 32634):
        assert read_one(tmp_path, feature(square(20, 78), epsg=epsg)).epsg == epsg
    assert "zone around 9 E" in refused(tmp_path, feature(square(20, 78), epsg=32632))


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"epsg": 32600}, "epsg: input should be greater than or equal to 32601"),
        ({"epsg": 32661}, "is not a UTM zone"),
        ({"epsg": 32761}, "less than or equal to 32760"),
        ({"epsg": "UTM33"}, "valid integer"),
        ({"epsg": 32733}, "in the south"),
        ({"epsg": 32635}, "the zone around 27 E in the north"),
        ({"utm": 33}, "utm"),
        ({"caffe": "yes"}, "caffe"),
        ({"long_name": None}, "long_name"),
        ({"region": None}, "region"),
        # A test glacier does not slip in as an ordinary one.
        ({"name": "Mapple", "caffe": None}, "test glacier of CaFFe"),
        ({"name": "COL", "caffe": "train"}, "test glacier of CaFFe"),
        ({"name": "ColumbiaWest", "caffe": None}, "test glacier of CaFFe"),
        ({"name": "Tidewater", "long_name": "Columbia Glacier"}, "test glacier of CaFFe"),
    ],
    ids=str,
)
def test_a_wrong_property_is_refused(tmp_path: Path, properties: dict[str, Any], told: str) -> None:
    name = properties.get("name", "Kronebreen")
    assert told in refused(tmp_path, feature(**properties), name=name)
    if "CaFFe" in told:
        assert read_one(tmp_path, feature(**{**properties, "caffe": "test"})).is_test
        assert not read_one(tmp_path, feature(name="Coleman", long_name="Coleman")).is_test


@pytest.mark.parametrize("name", ["x" * 41, "79 N", "../x", "Sjögren", "a\nb", "20200101", ""])
def test_a_name_that_fits_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "40 letters" in refused(tmp_path, feature(name=name), name="feature 1")


# PANGAEA.973251 names glaciers so.
@pytest.mark.parametrize("name", ["79N", "79NGlacier", "1a", "a1"])
def test_a_name_may_begin_with_a_digit(tmp_path: Path, name: str) -> None:
    assert read_one(tmp_path, feature(name=name)).name == name


@pytest.mark.parametrize("second", ["Kronebreen", "KRONEBREEN"])
def test_a_name_may_be_there_once(tmp_path: Path, second: str) -> None:
    assert "is there twice" in refused(tmp_path, feature(), feature(name=second), name=second)


@pytest.mark.parametrize("key", ["name", "long_name", "region", "epsg"])
def test_a_missing_property_is_named(tmp_path: Path, key: str) -> None:
    lacking = feature()
    del lacking["properties"][key]
    name = "feature 1" if key == "name" else "Kronebreen"
    assert f"{key}: field required" in refused(tmp_path, lacking, name=name)


# -------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("[" * 200_000, "levels deep"),
        (json.dumps({"features": [feature(polygon([[float("nan"), 78]]))]}), "NaN"),
        ('{"features": [{"properties": {"name": "\\ud800"}}]}', "surrogate"),
        ("[]", "no features"),
        ('{"type": "FeatureCollection", "features": []}', "no features"),
        ('{"type": "FeatureCollection", "features": {"a": 1}}', "no features"),
        (json.dumps(feature()), "no features"),
        (json.dumps({"features": [feature(), None]}), "feature 2: is not a GeoJSON feature"),
        (json.dumps({"features": [{"geometry": polygon(SQUARE)}]}), "feature 1: properties"),
        (json.dumps({"features": [feature() | {"geometry": None}]}), "not GeoJSON"),
    ],
)
def test_a_file_that_is_not_a_list_of_glaciers_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "areas.geojson"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        read_glaciers(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not exist; correct acquisition\.glaciers_file"):
        read_glaciers(tmp_path / "none.geojson")
    with pytest.raises(UserError, match="cannot be read"):
        read_glaciers(tmp_path)
    (tmp_path / "latin").write_bytes(b'{"name": "Sj\xf6gren"}')
    with pytest.raises(UserError, match="not UTF-8"):
        read_glaciers(tmp_path / "latin")


# --------------------------------------------------------------------------------------- choosing


def test_without_names_all_that_are_not_of_the_benchmark_are_chosen(tmp_path: Path) -> None:
    glaciers = read_glaciers(
        write(
            tmp_path,
            feature(name="Aa"),
            feature(name="COL", caffe="test"),
            feature(name="JAC", caffe="train"),
        )
    )
    assert [glacier.name for glacier in choose_glaciers(glaciers, (), "x")] == ["Aa"]
    chosen = choose_glaciers(glaciers, ("JAC", "COL", "JAC"), "x")
    assert [glacier.name for glacier in chosen] == ["JAC", "COL"]


def test_unknown_glaciers_are_reported_with_those_that_exist(tmp_path: Path) -> None:
    glaciers = read_glaciers(write(tmp_path, feature()))
    with pytest.raises(UserError) as caught:
        choose_glaciers(glaciers, ("Kronebren", "Zz", "Kronebreen"), "areas.geojson")
    text = str(caught.value)
    assert "Kronebren, Zz" in text
    assert "areas.geojson" in text
    assert "use names of it (Kronebreen)" in text


# --------------------------------------------------------------------------------------- geometry

lons = st.floats(-180, 180).map(lambda value: round(value, 4))
lats = st.floats(-88, 86).map(lambda value: round(value, 4))
sizes = st.floats(0.05, 40).map(lambda value: round(value, 4))


@st.composite
def patches(draw: st.DrawFn) -> Polygon:
    """Return a polygon with five corners, in one piece, that may leave -180 to 180 degrees."""
    lon, lat, width = draw(lons), draw(lats), draw(sizes)
    height = min(draw(sizes), 89.0 - lat)
    corners = [
        (lon, lat),
        (lon + width, lat),
        (lon + 1.2 * width, lat + height / 2),
        (lon + width, lat + height),
        (lon, lat + height),
    ]
    return Polygon(corners)


def wrapped(shape: Polygon) -> Polygon:
    """Return a polygon with every longitude within -180 to 180, as most software writes it."""
    points = [((lon + 180.0) % 360.0 - 180.0, lat) for lon, lat in shape.exterior.coords]
    return Polygon(points)


@given(patches())
def test_cutting_keeps_area_and_place(patch: Polygon) -> None:
    pieces = cut_at_antimeridian(patch)
    assert 1 <= len(pieces) <= 2
    assert sum(piece.area for piece in pieces) == pytest.approx(patch.area, rel=1e-9)
    for piece in pieces:
        west, _, east, _ = piece.bounds
        assert -180 <= west < east <= 180
        assert piece.exterior.is_ccw
        turns = [translate(piece, 360.0 * turn) for turn in (-1, 0, 1)]
        assert any(patch.buffer(1e-9).contains(turn) for turn in turns)


@given(patches())
def test_a_wrapped_ring_is_the_same_place(patch: Polygon) -> None:
    whole = unwrap(wrapped(patch))
    assert whole.area == pytest.approx(patch.area, rel=1e-6)
    shift = 360.0 * round((patch.centroid.x - whole.centroid.x) / 360.0)
    assert patch.symmetric_difference(translate(whole, shift)).area < 1e-6 * patch.area
    again = unwrap(whole)
    assert again.equals(whole)


@given(patches(), patches(), st.sampled_from([-360.0, 0.0, 360.0]))
def test_coverage_lies_within_0_and_100_whatever_the_turn(
    patch: Polygon, footprint: Polygon, turn: float
) -> None:
    area = MultiPolygon(cut_at_antimeridian(patch))
    cut = MultiPolygon(cut_at_antimeridian(footprint))
    percent = coverage_percent(area, cut)
    assert 0.0 <= percent <= 100.0
    moved = MultiPolygon(cut_at_antimeridian(translate(footprint, turn)))
    assert coverage_percent(area, moved) == pytest.approx(percent, abs=1e-6)
    assert coverage_percent(area, area) == pytest.approx(100.0)


def test_coverage_is_the_share_of_the_area() -> None:
    area = MultiPolygon(cut_at_antimeridian(box(178, 70, 182, 71)))
    assert coverage_percent(area, box(-180, 60, -170, 80)) == pytest.approx(50)
    assert coverage_percent(area, box(179, 60, 180, 80)) == pytest.approx(25)
    assert coverage_percent(area, box(0, 60, 10, 80)) == 0
    assert coverage_percent(area, Polygon()) == 0


def test_a_footprint_that_crosses_itself_still_counts() -> None:
    # Catalogues hold such: corners in the order of lines instead of around the frame.
    bow_tie = Polygon([(12, 78), (13, 79), (13, 78), (12, 79)])
    assert coverage_percent(box(12, 78, 13, 79), bow_tie) == pytest.approx(50)


def test_a_ring_around_a_pole_cannot_be_unwrapped() -> None:
    with pytest.raises(ValueError, match="pole"):
        cut_at_antimeridian(Polygon([(0, 85), (120, 85), (240, 85)]))


def test_area_on_the_ground() -> None:
    # A trapezium of one degree near the equator and at 60 degrees, on a sphere of 6371 km.
    assert area_km2(box(0, -0.5, 1, 0.5)) == pytest.approx(12364, rel=1e-3)
    assert area_km2(box(0, 59.5, 1, 60.5)) == pytest.approx(12364 / 2, rel=1e-3)
    halves = MultiPolygon([box(0, 59.5, 0.5, 60.5), box(0.5, 59.5, 1, 60.5)])
    assert area_km2(halves) == pytest.approx(area_km2(box(0, 59.5, 1, 60.5)))
    assert area_km2(orient(box(0, 0, 1, 1), -1.0)) > 0
