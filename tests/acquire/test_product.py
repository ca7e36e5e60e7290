"""A product is a line of JSON and back, and nothing becomes one that cannot be a product."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_products import made_product

from ssl4sar.acquire.product import Product, utc_time

POINTS = [[0, 0], [1, 0], [1, 1], [0, 0]]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "../x", "a" * 10**5, "\x1b[31m", "0001-01-01T00:00:00Z", 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_a_row_is_the_product_and_back() -> None:
    product = made_product(
        cloud_percent=12.5, footprint={"type": "Polygon", "coordinates": [POINTS]}
    )
    assert Product.from_row(product.as_row()) == product
    for more in ({"more": 1}, {"start": "soon"}, {"stop": "a" * 10**5}, {"start": 3}):
        with pytest.raises(ValueError, match=r"not a product|not the time of") as caught:
            Product.from_row(product.as_row() | more)
        assert len(str(caught.value)) < 200
    with pytest.raises(ValueError, match="not a product"):
        Product.from_row({})


@pytest.mark.parametrize(
    "name",
    ["", "../../x", "a/b", "a\\b", "..", "a..b", ".a", "-a", "a b", "a\n", "\x1b[31m", "é",
     "\ud800", "a" * 151, "a\x00", None, 7, "C:x", "~"],
)  # fmt: skip
def test_a_name_that_is_not_fit_for_a_file_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"^name: .* is not valid: ") as caught:
        made_product(name=name)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", ""),
        ("id", "a\x1b[31m"),
        ("id", "\ud800"),
        ("id", "x" * 1001),
        ("platform", None),
        ("product_type", "x" * 10**6),
        ("processor_version", "3.40\n"),
        ("mission", "sentinel-3"),
        ("orbit_direction", "north"),
        ("polarisations", ("XX",)),
        ("start", datetime(1, 1, 1, tzinfo=UTC)),
        ("stop", datetime(9999, 12, 31, tzinfo=UTC)),
        ("start", datetime(2020, 1, 1)),
        ("stop", datetime(2020, 1, 1, tzinfo=UTC)),  # before the start
        ("size_bytes", -1),
        ("size_bytes", 10**30),
        ("size_bytes", 1.5),
        ("cloud_percent", float("nan")),
        ("cloud_percent", 1e308),
        ("cloud_percent", -5.0),
        ("relative_orbit", 10**400),
        ("checksums", {"md5": "../x"}),
        ("checksums", {"\x1b": "00"}),
        ("checksums", 3),
        ("urls", {"product": "https://host/\r\nX: y"}),
        ("urls", {"product": 3}),
        ("urls", {str(number): "https://host" for number in range(501)}),
        ("online", "yes"),
        ("footprint", {}),
        ("footprint", {"type": "Point", "coordinates": [0, 0]}),
        ("footprint", {"type": "Polygon", "coordinates": [[*POINTS, [1e308, 0], [0, 0]]]}),
        ("footprint", {"type": "Polygon", "coordinates": [[[0, 91], [1, 0], [1, 1], [0, 91]]]}),
        ("footprint", {"type": "Polygon", "coordinates": "x"}),
    ],
    ids=str,
)
def test_a_value_that_no_product_has_is_refused_in_few_words(key: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        made_product(**{key: value})
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@given(changes=st.dictionaries(st.sampled_from(sorted(made_product().as_row())), VALUES))
def test_any_row_is_a_product_that_can_be_written_or_a_value_error(changes: dict[str, Any]) -> None:
    try:
        product = Product.from_row(made_product().as_row() | changes)
    except ValueError as error:
        assert len(str(error)) < 500
        return
    text = json.dumps(product.as_row(), ensure_ascii=False, allow_nan=False).encode()
    assert Product.from_row(json.loads(text)) == product
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", product.name)


@given(st.datetimes(datetime(1950, 1, 2), datetime(2199, 12, 30)), st.integers(-12, 12))
def test_times_of_any_zone_are_utc(time: datetime, hours: int) -> None:
    assert utc_time(time.isoformat()) == time.replace(tzinfo=UTC)
    moved = f"{time.isoformat()}{'-' if hours < 0 else '+'}{abs(hours):02}:00"
    assert utc_time(moved).utcoffset() is not None


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", "", None, 3, "\ud800"],
)
def test_what_is_not_the_time_of_a_product_is_a_value_error(text: Any) -> None:
    with pytest.raises(ValueError):
        utc_time(text)
