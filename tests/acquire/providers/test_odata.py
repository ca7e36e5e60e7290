"""The OData catalogue: every record once, whatever the catalogue does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_catalogue import (
    ODataAnswers,
    archive,
    names,
    optical_record,
    sar_record,
    serve_catalogue,
    square,
)
from shapely.geometry import MultiPolygon, Polygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess
from ssl4sar.acquire.providers.odata import (
    ODataCatalogue,
    collection_is,
    intersects,
    query_filters,
    short_outline,
)
from ssl4sar.acquire.query import Query
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

MARCH = datetime(2020, 3, 1, tzinfo=UTC)
APRIL = datetime(2020, 4, 1, tzinfo=UTC)
SAR = [collection_is("SENTINEL-1")]


@contextmanager
def opened(answers: ODataAnswers, page_size: int = 1000) -> Iterator[ODataCatalogue]:
    with serve_catalogue(answers) as url:
        access = CatalogueAccess(url, Patience(3, 0.01, 30.0))
        yield ODataCatalogue(url, page_size, answers.max_skip, access=access)


def a_query(area: MultiPolygon | None = None, **changes: object) -> Query:
    shape = area or MultiPolygon([box(-0.1, -0.1, 0.1, 0.1)])
    glacier = Glacier("Tiny", "Tiny", "nowhere", shape, 32633)
    query = Query(glacier, "sentinel-1", "IW_GRDH_1S", MARCH, APRIL)
    return replace(query, **changes)  # type: ignore[arg-type]


def walked(
    answers: ODataAnswers, page_size: int = 1000, start: datetime = MARCH, stop: datetime = APRIL
) -> tuple[list[str], int]:
    """Names of all records and the number of questions."""
    with opened(answers, page_size) as catalogue:
        found = [
            record["Name"].removesuffix(".SAFE") for record in catalogue.records(SAR, start, stop)
        ]
        return found, catalogue.requests


def test_45_records_by_pages_of_20() -> None:
    answers = ODataAnswers(archive(45, MARCH, timedelta(hours=10)))
    found, requests = walked(answers, page_size=20)
    assert len(found) == 45
    assert set(found) == names(answers.records)
    assert requests == 3


@pytest.mark.slow
def test_10050_records_of_one_window_are_split_without_loss_or_repetition() -> None:
    answers = ODataAnswers(archive(10_050, MARCH, timedelta(minutes=4)))
    found, requests = walked(answers)
    assert len(found) == len(set(found)) == 10_050
    assert set(found) == names(answers.records)
    # One to count, six and five pages of the halves.
    assert requests == 12
    assert max(int(asked.get("$skip", "0")) for asked in answers.asked) <= 10_000


@pytest.mark.parametrize(
    "step", [timedelta(0), timedelta(microseconds=90)], ids=["one instant", "one second"]
)
def test_many_records_of_one_second(step: timedelta) -> None:
    records = archive(115, MARCH + timedelta(days=11, microseconds=17), step)
    records += archive(40, MARCH, timedelta(hours=13), platform="S1B")
    answers = ODataAnswers(records, max_skip=100)
    found, _ = walked(answers, page_size=20)
    assert len(found) == 155
    assert set(found) == names(records)


def test_more_records_of_one_instant_than_can_be_paged_through_are_an_error() -> None:
    answers = ODataAnswers(archive(130, MARCH, timedelta(0)), max_skip=100)
    with pytest.raises(UserError, match=r"counts 130 records .* gives 120 different ones"):
        walked(answers, page_size=20)


def test_pages_that_repeat_and_lose_records_of_one_time_are_asked_for_in_parts() -> None:
    records = [
        record
        for day in range(8)
        for record in archive(15, MARCH + timedelta(days=day), timedelta(0), orbit=4454 + day)
    ]
    answers = ODataAnswers(records, orders_ties=False)
    found, _ = walked(answers, page_size=20)
    assert len(found) == 120
    assert set(found) == names(records)


def test_a_window_is_half_open() -> None:
    edge = timedelta(microseconds=1)
    starts = [MARCH - edge, MARCH, APRIL - edge, APRIL]
    records = [sar_record(start, datatake=f"{i:06X}") for i, start in enumerate(starts)]
    found, _ = walked(ODataAnswers(records))
    assert set(found) == names(records[1:3])


@pytest.mark.parametrize("error", [-1, 1, 700])
def test_a_wrong_count_is_reported(error: int) -> None:
    answers = ODataAnswers(archive(45, MARCH, timedelta(hours=10)), count_error=error)
    with pytest.raises(UserError, match=r"counts \d+ records .* nothing was written"):
        walked(answers)


@pytest.mark.parametrize("fault", ["429", "500", "503", "broken_json"])
def test_a_passing_failure_is_waited_for(fault: str) -> None:
    answers = ODataAnswers(archive(45, MARCH, timedelta(hours=10)), faults=["", fault, fault])
    found, requests = walked(answers, page_size=20)
    assert (len(found), requests) == (45, 5)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("503", r"failed 3 times in a row \(it answered 503 Service Unavailable\); check"),
        ("500", r"failed 3 times in a row \(it answered 500 Internal Server Error\); check"),
        ("broken_json", r"failed 3 times in a row \(its answer cannot be used: it is not JSON"),
        ("html", "web page, not with JSON; check cdse.catalogue_url and whether a proxy"),
        ("list", r"its answer is not an object: '\[\]'; correct cdse.catalogue_url"),
        ("other_shape", "without a list of records with identifiers; correct"),
        ("no_count", "without the number of records; correct cdse.catalogue_url"),
        ("400", "refuses the question: 400 not now; correct cdse.catalogue_url"),
        ("401", "refuses the question: 401 not now"),
        ("302", "refuses the question: 302"),
    ],
)
def test_a_lasting_failure_is_one_clear_line(fault: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        walked(ODataAnswers(faults=[fault] * 10))
    assert "\n" not in str(caught.value)


def found_by(query: Query, answers: ODataAnswers) -> set[str]:
    with opened(answers) as catalogue:
        products = list(catalogue.products(query))
    assert len({product.id for product in products}) == len(products)
    return {product.name for product in products}


def test_a_query_asks_for_type_and_place_and_the_search_compares_the_rest() -> None:
    wanted = sar_record(MARCH, datatake="000001")
    others = [
        sar_record(MARCH, datatake="000002", kind="EW_GRDM"),
        sar_record(MARCH, datatake="000003", direction="ASCENDING"),
        sar_record(MARCH, datatake="000004", orbit=4455),
        sar_record(MARCH, datatake="000005", footprint=square(40.0, 0.0)),
        sar_record(MARCH, datatake="000001", cog=True),
        optical_record(MARCH),
    ]
    query = a_query(orbit_direction="descending", relative_orbits=(7, 9))
    answers = ODataAnswers([*others, wanted])
    assert found_by(query, answers) == names([wanted, others[1], others[2]])
    # The catalogue's direction is that of the datatake's start.
    assert all("orbitDirection" not in each["$filter"] for each in answers.asked)


def test_stripmaps_are_listed_by_their_beam() -> None:
    wanted = [
        sar_record(MARCH, datatake=f"{beam:06X}", kind=f"S{beam}_GRDH") for beam in range(1, 7)
    ]
    query = a_query(product_type="SM_GRDH_1S")
    assert found_by(query, ODataAnswers([*wanted, sar_record(MARCH)])) == names(wanted)


def test_clouds_of_optical_products() -> None:
    clear, limit = optical_record(MARCH, cloud=0.5), optical_record(MARCH, tile="33XVH", cloud=20.0)
    cloudy = optical_record(MARCH, tile="33XVJ", cloud=20.01)
    query = a_query(mission="sentinel-2", product_type="S2MSI2A", max_cloud_percent=20.0)
    # Optical products have no direction in the catalogue: a filter by it would find nothing.
    query = replace(query, orbit_direction="descending")
    assert found_by(query, ODataAnswers([clear, limit, cloudy])) == names([clear, limit])


def test_an_area_in_two_parts_finds_each_product_once() -> None:
    area = MultiPolygon([box(179.5, 70.0, 180.0, 71.0), box(-180.0, 70.0, -179.0, 71.0)])
    both = {
        "type": "MultiPolygon",
        "coordinates": [
            square(179.0, 70.5)["coordinates"],
            square(-179.0, 70.5)["coordinates"],
        ],
    }
    records = [
        sar_record(MARCH, datatake="000001", footprint=both),
        sar_record(MARCH, datatake="000002", footprint=square(178.9, 70.5)),
        sar_record(MARCH, datatake="000003", footprint=square(-179.0, 70.5)),
        sar_record(MARCH, datatake="000004", footprint=square(0.0, 70.5)),
    ]
    assert found_by(a_query(area), ODataAnswers(records)) == names(records[:3])


def test_the_real_pages_are_walked(test_data: Path) -> None:
    pages = [
        json.loads((test_data / "cdse" / f"odata_page_{number}.json").read_text())
        for number in range(1, 6)
    ]
    records = [record for page in pages for record in page["value"]]
    answers = ODataAnswers(records)
    start, stop = datetime(2014, 4, 5, tzinfo=UTC), datetime(2014, 4, 14, tzinfo=UTC)
    with opened(answers, page_size=10) as catalogue:
        found = list(catalogue.records(SAR, start, stop))
        assert catalogue.requests == len(pages)
    assert len(found) == pages[0]["@odata.count"] == 47
    assert {each["Id"] for each in found} == {each["Id"] for each in records}
    assert set(answers.asked[0]) >= {"$filter", "$orderby", "$top", "$count", "$expand"}
    # The made-up catalogue answers in the shape of the real one.
    _, _, body = answers.answer(
        "/odata/v1/Products", "%24expand=Attributes&%24top=10&%24count=true"
    )
    assert set(json.loads(body)) == set(pages[0])
    assert set(sar_record(MARCH)) == set(records[0])


@given(
    lon=st.floats(-179, 179),
    lat=st.floats(-88, 88),
    radii=st.lists(st.floats(0.01, 1.0), min_size=3, max_size=900),
)
def test_a_short_outline_holds_the_area(lon: float, lat: float, radii: list[float]) -> None:
    turn = 2 * math.pi / len(radii)
    area = Polygon(
        [(lon + r * math.cos(i * turn), lat + r * math.sin(i * turn)) for i, r in enumerate(radii)]
    )
    if not area.is_valid:
        return
    assert short_outline(area).covers(area)
    assert len(intersects(area)) < 3100


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "Collection/Name eq 'SENTINEL-1' and "
            "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
            "att/OData.CSC.StringAttribute/Value eq 'IW_GRDH_1S')",
        ),
        (
            {"mission": "sentinel-2", "product_type": "it's", "max_cloud_percent": 20},
            "Collection/Name eq 'SENTINEL-2' and "
            "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
            "att/OData.CSC.StringAttribute/Value eq 'it''s') and "
            "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
            "att/OData.CSC.DoubleAttribute/Value le 20.00)",
        ),
    ],
)
def test_the_documented_forms(changes: dict[str, object], expected: str) -> None:
    assert " and ".join(query_filters(a_query(**changes))) == expected  # type: ignore[arg-type]
