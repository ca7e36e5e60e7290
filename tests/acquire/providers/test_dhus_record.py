"""Products of a hub's features: sizes in words, footprints across the antimeridian, other forms."""

from __future__ import annotations

from typing import Any

import pytest
from made_up_safe import NAMES

from ssl4sar.acquire.providers.dhus_record import product_of_feature
from ssl4sar.core.errors import UserError

HUB = "https://hub.example.org"


def feature(**properties: Any) -> dict[str, Any]:
    ring = [[8, 79], [10, 77], [20, 77.5], [8, 79]]
    return {
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "id": "uuid",
            "identifier": NAMES["hh"],
            "beginposition": "2020-03-05T06:54:32.123000Z",
            "endposition": "2020-03-05T06:54:57.123000Z",
            **properties,
        },
    }


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("2 GB", 2 * 1024**3), ("0.5 MB", 1024**2 // 2), ("3 KB", 3072), ("7 B", 7), ("a lot", None)],
)
def test_sizes_in_words(text: str, size_bytes: int | None) -> None:
    assert product_of_feature(feature(size=text), HUB).size_bytes == size_bytes


def test_what_a_hub_does_not_tell_is_unknown_or_in_the_name() -> None:
    product = product_of_feature(feature(), HUB)
    assert (product.size_bytes, product.orbit_direction) == (None, None)
    assert product.relative_orbit == 143
    assert (product.stop - product.start).total_seconds() == 25


def test_footprint_is_cut_at_the_antimeridian() -> None:
    told = feature()
    told["geometry"]["coordinates"] = [[[178, 70], [-178, 70], [-178, 72], [178, 72], [178, 70]]]
    footprint = product_of_feature(told, HUB).footprint
    assert footprint is not None
    assert footprint["type"] == "MultiPolygon"


@pytest.mark.parametrize(
    "properties",
    [
        {"identifier": "S3A_something"},
        {"identifier": None},
        {"beginposition": "yesterday"},
        {"relativeorbitnumber": "none"},
    ],
)
def test_other_forms_are_one_line(properties: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="a record of another form"):
        product_of_feature(feature(**properties), HUB)


def test_missing_properties_are_one_line() -> None:
    told = feature()
    del told["properties"]["id"]
    with pytest.raises(UserError, match="'id'"):
        product_of_feature(told, HUB)
