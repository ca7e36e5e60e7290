"""A product is a line of JSON and back."""

from __future__ import annotations

import json

import pytest
from made_products import made_product

from ssl4sar.acquire.product import Product


def test_a_row_is_the_product_and_back() -> None:
    product = made_product(cloud_percent=12.5, footprint={"type": "Polygon", "coordinates": []})
    assert Product.from_row(product.as_row()) == product
    for wrong in ({}, {**product.as_row(), "more": 1}, {**product.as_row(), "start": "soon"}):
        with pytest.raises(ValueError, match=r"no product|does not match"):
            Product.from_row(wrong)


def test_keys_of_a_row_are_sorted_and_plain() -> None:
    row = made_product(urls={"b": "2", "a": "1"}).as_row()
    assert list(row) == sorted(row)
    assert list(row["urls"]) == ["a", "b"]
    assert json.loads(json.dumps(row)) == row
    assert row["start"] == "2020-03-05T05:06:07.000000Z"
