"""Filters of the catalogue: the outline that is asked for holds the area."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import from_wkt
from shapely.geometry import Point, Polygon, box

from ssl4sar.acquire.providers.odata_filter import (
    any_of,
    collection_is,
    double_at_most,
    intersects,
    short_outline,
    starts_within,
    string_is,
)


@given(
    lon=st.floats(-179, 179),
    lat=st.floats(-88, 88),
    radii=st.lists(st.floats(0.01, 1.0), min_size=3, max_size=900),
    longest=st.integers(200, 3000),
)
def test_a_short_outline_holds_the_area(
    lon: float, lat: float, radii: list[float], longest: int
) -> None:
    turn = 2 * math.pi / len(radii)
    area = Polygon(
        [(lon + r * math.cos(i * turn), lat + r * math.sin(i * turn)) for i, r in enumerate(radii)]
    )
    if not area.is_valid:
        return
    outline = short_outline(area, longest)
    assert outline.covers(area)
    west, south, east, north = outline.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    sent = intersects(outline)
    text = sent[sent.index("POLYGON") : sent.index("))") + 2]
    assert len(text) <= max(longest, 200)


def test_coordinates_have_no_exponent() -> None:
    text = intersects(Polygon([(1e-30, 0), (1e-7, 1), (-1e-7, 1)]))
    assert "POLYGON((0 0,0.0000001 1,-0.0000001 1,0 0))" in text


def test_a_short_outline_is_left_as_it_is() -> None:
    area = box(10.0, 70.1, 12.3456789, 71.0)
    text = intersects(area)
    assert text.startswith("OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((")
    assert from_wkt(text.split(";")[1].removesuffix("')")).equals(area)


def test_an_outline_at_the_edge_of_the_globe_stays_on_it() -> None:
    area = box(-180, -90, 180, 90).intersection(Point(179.9, 89.5).buffer(2, quad_segs=900))
    assert isinstance(area, Polygon)
    outline = short_outline(area)
    assert outline.covers(area)
    assert box(-180, -90, 180, 90).covers(outline)
    assert len(quote(intersects(area))) < 5000


def test_a_short_outline_is_not_much_larger_than_the_area() -> None:
    area = Point(10, 70).buffer(1.0, quad_segs=2000)
    assert isinstance(area, Polygon)
    outline = short_outline(area)
    assert area.area < outline.area < 1.05 * area.area


def test_holes_are_filled() -> None:
    ring = Point(0, 0).buffer(1.0).difference(Point(0, 0).buffer(0.5))
    assert isinstance(ring, Polygon)
    assert short_outline(ring).covers(Point(0, 0))


def test_times_are_written_in_utc() -> None:
    start = datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert starts_within(start, datetime(2020, 1, 2, 0, 0, 0, 5, tzinfo=UTC)) == (
        "ContentDate/Start ge 2019-12-31T23:00:00.000000Z and "
        "ContentDate/Start lt 2020-01-02T00:00:00.000005Z"
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (collection_is("SENTINEL-1"), "Collection/Name eq 'SENTINEL-1'"),
        (
            string_is("productType", "IW_GRDH_1S"),
            "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
            "att/OData.CSC.StringAttribute/Value eq 'IW_GRDH_1S')",
        ),
        (
            double_at_most("cloudCover", 20),
            "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
            "att/OData.CSC.DoubleAttribute/Value le 20.00)",
        ),
        (any_of(["a"]), "a"),
        (any_of(["a", "b"]), "(a or b)"),
        (collection_is("it's"), "Collection/Name eq 'it''s'"),
    ],
)
def test_the_documented_forms(made: str, expected: str) -> None:
    assert made == expected
