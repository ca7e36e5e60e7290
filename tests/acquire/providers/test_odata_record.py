"""Records of the catalogue become products, also those with holes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_catalogue import optical_record, sar_record, square
from shapely.geometry import Polygon, shape

from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.odata_record import footprint_of, product_of

START = datetime(2020, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def sar(**changes: Any) -> Product:
    return product_of(sar_record(START, **changes), "cdse", "sentinel-1")


def test_a_sar_record() -> None:
    record = sar_record(START)
    product = product_of(record, "cdse", "sentinel-1")
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


def test_an_optical_record() -> None:
    product = product_of(optical_record(START, cloud=12.5), "cdse", "sentinel-2")
    assert (product.tile, product.cloud_percent, product.processor_version) == (
        "33XVG",
        12.5,
        "05.10",
    )
    assert (product.platform, product.product_type, product.relative_orbit) == (
        "S2A",
        "S2MSI2A",
        66,
    )
    assert product.datatake == "20200304T050607"


@pytest.mark.parametrize("checksums", [[], None, {}, [{}], [{"Algorithm": "MD5", "Value": ""}]])
def test_a_record_without_checksums(checksums: Any) -> None:
    assert sar(Checksum=checksums).checksums == {}


@pytest.mark.parametrize("size", [0, None, "12", True])
def test_an_unknown_size(size: Any) -> None:
    assert sar(ContentLength=size).size_bytes is None


def test_an_offline_record() -> None:
    assert not sar(Online=False).online


@pytest.mark.parametrize("attributes", [None, [], [{}], [{"Name": 3}], "x"])
def test_a_record_without_attributes(attributes: Any) -> None:
    product = sar(Attributes=attributes)
    assert product.product_type == "IW_GRDH_1S"
    assert product.relative_orbit == 7
    assert (product.processor_version, product.orbit_direction) == (None, None)


def test_a_name_of_an_unknown_form_is_made_up_for_by_attributes() -> None:
    product = sar(Name="S1A_SOMETHING_ELSE.SAFE")
    assert (product.platform, product.product_type, product.mode) == ("S1A", "IW_GRDH_1S", "IW")
    assert (product.polarisations, product.relative_orbit) == (("HH", "HV"), 7)
    assert product.datatake is None


@pytest.mark.parametrize(
    "change",
    [
        {"Id": None},
        {"Name": ""},
        {"ContentDate": None},
        {"ContentDate": {"Start": "yesterday", "End": "2020-01-01T00:00:00Z"}},
        {"ContentDate": {"Start": "2020-01-01T00:00:00Z"}},
    ],
)
def test_a_record_without_the_necessary(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        sar(**change)


@pytest.mark.parametrize(
    "text", ["2020-03-04T05:06:07Z", "2020-03-04T05:06:07.000Z", "2020-03-04T05:06:07.000000Z",
             "2020-03-04T05:06:07", "2020-03-04T07:06:07+02:00"]
)  # fmt: skip
def test_times_are_utc(text: str) -> None:
    product = sar(ContentDate={"Start": text, "End": text})
    assert product.start == product.stop == START.replace(microsecond=0)


@given(st.dictionaries(st.sampled_from(sorted(sar_record(START))), JSON))
def test_any_damage_is_a_value_error_or_a_product_that_can_be_written(
    changes: dict[str, Any],
) -> None:
    try:
        product = sar(**changes)
    except ValueError:
        return
    row = json.loads(json.dumps(product.as_row()))
    assert Product.from_row(row).as_row() == row


@given(
    name=st.sampled_from(
        [each["Name"] for each in sar_record(START)["Attributes"]] + ["cloudCover"]
    ),
    value=JSON | st.sampled_from(["NaN", "inf", 1e999, 10**400, "12.5"]),
    known=st.booleans(),
)
def test_any_attribute_is_a_value_error_or_a_product_that_can_be_written(
    name: str, value: Any, known: bool
) -> None:
    record = sar_record(START) if known else sar_record(START, Name="S1A_SOMETHING")
    record["Attributes"] = [each for each in record["Attributes"] if each["Name"] != name]
    record["Attributes"].append({"Name": name, "Value": value})
    try:
        product = product_of(record, "cdse", "sentinel-1")
    except ValueError:
        return
    row = json.loads(json.dumps(product.as_row(), allow_nan=False))
    assert Product.from_row(row).as_row() == row


def test_every_real_record(test_data: Path) -> None:
    count = 0
    for path in sorted((test_data / "cdse").glob("odata_page_*.json")):
        for record in json.loads(path.read_text())["value"]:
            product = product_of(record, "cdse", "sentinel-1")
            assert set(product.checksums) == {"md5", "blake3"}
            assert len(product.checksums["md5"]) == 32
            assert product.size_bytes == record["ContentLength"]
            assert product.start.isoformat() == record["ContentDate"]["Start"].replace(
                ".000000Z", "+00:00"
            )
            assert product.footprint is None
            assert product.platform in {"S1A", "S1_"}
            assert product.product_type.startswith("AUX_")
            row = json.loads(json.dumps(product.as_row()))
            assert Product.from_row(row) == product
            count += 1
    assert count == 47


RING = [[179.0, 50.9], [-179.8, 50.9], [-179.3, 52.4], [177.0, 52.8], [179.0, 50.9]]


def test_a_footprint_across_the_antimeridian_is_cut() -> None:
    footprint = footprint_of({"type": "Polygon", "coordinates": [RING]})
    assert footprint is not None
    assert footprint["type"] == "MultiPolygon"
    whole = shape(footprint)
    assert whole.is_valid
    assert -180 <= whole.bounds[0] <= whole.bounds[2] <= 180
    assert whole.area < 8.0


def test_a_footprint_is_repaired_only_after_it_is_unrolled() -> None:
    ring = [(179.0, 0.0), (-179.0, 0.5), (179.5, 1.0), (-179.5, 2.0), (179.0, 2.0), (179.0, 0.0)]
    footprint = footprint_of({"type": "Polygon", "coordinates": [ring]})
    assert footprint is not None
    unrolled = Polygon([(x % 360, y) for x, y in ring])
    assert unrolled.is_valid
    assert shape(footprint).area == pytest.approx(unrolled.area)


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


def test_a_footprint_that_crosses_itself_is_repaired() -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    footprint = footprint_of(bow)
    assert footprint is not None
    assert shape(footprint).is_valid
    assert shape(footprint).area == pytest.approx(2.0)
