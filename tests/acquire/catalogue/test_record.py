"""Records of every catalogue become products in one way, also those with holes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_catalogue import sar_record, square
from shapely.geometry import Polygon, shape
from synthetic_safe import NAMES

from ssl4sar.acquire.catalogue.footprint import footprint_of
from ssl4sar.acquire.catalogue.record import known_form
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers import asf, dhus, odata, stac_item
from ssl4sar.core.errors import UserError

START = datetime(2020, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RING = [[8, 79], [10, 77], [20, 77.5], [8, 79]]


def sar(**changes: Any) -> Product:
    return odata.product_of_record(sar_record(START, **changes), "sentinel-1")


def hub(**properties: Any) -> Product:
    known = {
        "id": "uuid",
        "identifier": NAMES["hh"],
        "beginposition": "2020-03-05T06:54:32.123000Z",
        "endposition": "2020-03-05T06:54:57.123000Z",
    }
    geometry = {"type": "Polygon", "coordinates": [RING]}
    return dhus.product_of_feature({"geometry": geometry, "properties": known | properties})


def facility(**properties: Any) -> Product:
    known = {
        "fileID": "id",
        "sceneName": NAMES["hh"],
        "startTime": "2020-03-05T06:54:32Z",
        "stopTime": "2020-03-05T06:54:57Z",
        "url": "https://host/x.zip",
    }
    return asf.product_of_record({"geometry": None, "properties": known | properties})


def item(**properties: Any) -> Product:
    known = {"datetime": "2020-03-05T06:54:32Z", "title": NAMES["hh"]}
    return stac_item.product_of_item(
        {"id": "id", "geometry": None, "assets": {}, "properties": known | properties}
    )


def assert_is_written_and_read(product: Product) -> None:
    row = json.loads(json.dumps(product.as_row(), allow_nan=False))
    assert Product.from_row(row).as_row() == row


def test_a_sar_record() -> None:
    record = sar_record(START)
    product = odata.product_of_record(record, "sentinel-1")
    assert product == Product(
        provider="cdse",
        id=record["Id"],
        name=record["Name"].removesuffix(".SAFE"),
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=START,
        stop=START.replace(second=32),
        mode="IW",
        polarisations=("HH", "HV"),
        relative_orbit=7,
        orbit_direction="descending",
        direction_stated=True,
        datatake="00574F",
        processor_version="3.40",
        size_bytes=record["ContentLength"],
        checksums={
            "md5": record["Checksum"][0]["Value"],
            "blake3": record["Checksum"][1]["Value"],
        },
        online=True,
        footprint=product.footprint,
    )
    assert shape(dict(product.footprint or {})).equals(shape(square(0.0, 0.0)))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        *(
            ({"Checksum": each}, {"checksums": {}})
            for each in ([], None, {}, [{}], [{"Value": ""}])
        ),
        *(({"ContentLength": each}, {"size_bytes": None}) for each in (0, None, "12", True)),
        ({"Online": False}, {"online": False}),
        *(
            ({"Attributes": each}, {"relative_orbit": 7, "processor_version": None})
            for each in (None, [], [{}], [{"Name": 3}], "x")
        ),
        # What a name of an unknown form does not say is in the attributes.
        (
            {"Name": "S1A_SOMETHING_ELSE.SAFE"},
            {"platform": "S1A", "product_type": "IW_GRDH_1S", "mode": "IW", "datatake": None}
            | {"polarisations": ("HH", "HV"), "relative_orbit": 7},
        ),
    ],
    ids=str,
)
def test_what_is_missing_is_unknown_or_in_the_name(
    change: dict[str, Any], expected: dict[str, Any]
) -> None:
    product = sar(**change)
    assert {key: getattr(product, key) for key in expected} == expected


def test_what_other_services_do_not_say_is_unknown_or_in_the_name() -> None:
    for product in (hub(), facility(), item()):
        assert (product.size_bytes, product.orbit_direction, product.checksums) == (None, None, {})
        assert (product.relative_orbit, product.polarisations) == (143, ("HH", "HV"))
    assert (hub().stop - hub().start).total_seconds() == 25
    assert hub(relativeorbitnumber="odd").relative_orbit == 143


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("2 GB", 2 * 1024**3), ("0.5 MB", 1024**2 // 2), ("3 KB", 3072), ("7 B", 7), ("a lot", None)],
)
def test_sizes_in_words(text: str, size_bytes: int | None) -> None:
    assert hub(size=text).size_bytes == size_bytes


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (sar, {"Id": None}),
        (sar, {"Name": ""}),
        (sar, {"ContentDate": None}),
        (sar, {"ContentDate": {"Start": "yesterday", "End": "2020-01-01T00:00:00Z"}}),
        (sar, {"ContentDate": {"Start": "2020-01-01T00:00:00Z"}}),
        (hub, {"identifier": "S3A_something"}),
        (hub, {"identifier": None}),
        (hub, {"beginposition": "yesterday"}),
        (hub, {"id": None}),
        (facility, {"sceneName": "S3A_something"}),
        (facility, {"startTime": None}),
        (facility, {"fileID": None}),
        (item, {"title": "S3A_something"}),
        (item, {"datetime": "soon"}),
    ],
)
def test_a_record_without_the_necessary_is_one_line(
    make: Callable[..., Product], change: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="a record of another form"), known_form("there", "ask"):
        make(**change)


@given(st.dictionaries(st.sampled_from(sorted(sar_record(START))), JSON))
def test_any_damage_is_a_value_error_or_a_product_that_can_be_written(
    changes: dict[str, Any],
) -> None:
    try:
        product = sar(**changes)
    except ValueError:
        return
    assert_is_written_and_read(product)


def test_every_real_record(test_data: Path) -> None:
    count = 0
    for path in sorted((test_data / "cdse").glob("odata_page_*.json")):
        for record in json.loads(path.read_text())["value"]:
            product = odata.product_of_record(record, "sentinel-1")
            assert set(product.checksums) == {"md5", "blake3"}
            assert len(product.checksums["md5"]) == 32
            assert product.size_bytes == record["ContentLength"]
            assert product.start.isoformat() == record["ContentDate"]["Start"].replace(
                ".000000Z", "+00:00"
            )
            assert product.footprint is None
            assert product.platform in {"S1A", "S1_"}
            assert product.product_type.startswith("AUX_")
            assert_is_written_and_read(product)
            count += 1
    assert count == 47


def test_a_footprint_across_the_antimeridian_is_cut() -> None:
    ring = [[179.0, 50.9], [-179.8, 50.9], [-179.3, 52.4], [177.0, 52.8], [179.0, 50.9]]
    footprint = footprint_of({"type": "Polygon", "coordinates": [ring]})
    assert footprint is not None
    assert footprint["type"] == "MultiPolygon"
    whole = shape(footprint)
    assert whole.is_valid
    assert -180 <= whole.bounds[0] <= whole.bounds[2] <= 180
    assert whole.area < 8.0


@pytest.mark.parametrize(
    ("ring", "area"),
    [
        ([[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]], 2.0),
        # Repaired only after it is unrolled.
        ([[179, 0], [-179, 0.5], [179.5, 1], [-179.5, 2], [179, 2], [179, 0]], None),
    ],
)
def test_a_footprint_that_crosses_itself_is_repaired(
    ring: list[list[float]], area: float | None
) -> None:
    footprint = footprint_of({"type": "Polygon", "coordinates": [ring]})
    assert footprint is not None
    assert shape(footprint).is_valid
    expected = area or Polygon([(x % 360, y) for x, y in ring]).area
    assert shape(footprint).area == pytest.approx(expected)


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        3,
        {},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": [[[0, 80], [120, 80], [-120, 80], [0, 80]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]},
    ],
)
def test_a_useless_footprint_is_unknown(geometry: Any) -> None:
    assert footprint_of(geometry) is None
