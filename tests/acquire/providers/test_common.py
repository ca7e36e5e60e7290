"""Directions in any spelling, kinds of products, and products that fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.base import Query
from ssl4sar.acquire.providers.common import fits, is_kind, orbit_direction

DAY = datetime(2020, 3, 5, tzinfo=UTC)
QUERY = Query(
    glacier=Glacier("Here", "", "", MultiPolygon([box(12, 78, 13, 79)]), 32633),
    mission="sentinel-2",
    product_type="S2MSI2A",
    start=DAY,
    stop=DAY.replace(day=6),
)
PRODUCT = Product(
    provider="a",
    id="b",
    name="c",
    mission="sentinel-2",
    platform="S2A",
    product_type="S2MSI2A",
    start=DAY,
    stop=DAY,
)


@pytest.mark.parametrize("text", ["ASCENDING", "Ascending", "ascending"])
def test_directions(text: str) -> None:
    assert orbit_direction(text) == "ascending"
    assert orbit_direction("Descending") == "descending"
    for unknown in (None, "", "north", f"{text}!"):
        assert orbit_direction(unknown) is None


def test_what_is_unknown_of_a_product() -> None:
    assert fits(PRODUCT, QUERY)
    assert fits(PRODUCT, replace(QUERY, max_cloud_percent=0.0))
    assert not fits(PRODUCT, replace(QUERY, orbit_direction="ascending"))
    assert not fits(PRODUCT, replace(QUERY, relative_orbits=(1,)))
    assert not fits(PRODUCT, replace(QUERY, polarisations=("HH",)))


def test_bounds_of_time_and_clouds() -> None:
    assert not fits(PRODUCT, replace(QUERY, stop=DAY))
    cloudy = replace(PRODUCT, cloud_percent=0.1)
    assert fits(cloudy, replace(QUERY, max_cloud_percent=0.1))
    assert not fits(cloudy, replace(QUERY, max_cloud_percent=0.0))


@pytest.mark.parametrize(
    ("kind", "wanted", "fitting"),
    [
        ("IW_GRDH_1S", "IW_GRDH_1S", True),
        ("IW_GRDH_1S-COG", "IW_GRDH_1S", True),
        ("S3_GRDH_1S", "SM_GRDH_1S", True),
        ("S3_GRDH_1S-COG", "SM_GRDH_1S", True),
        ("EW_GRDH_1S", "SM_GRDH_1S", False),
        ("EW_GRDH_1S", "EW_GRDM_1S", False),
    ],
)
def test_kinds(kind: str, wanted: str, fitting: bool) -> None:
    assert is_kind(kind, wanted) is fitting


def test_footprints_and_kinds() -> None:
    near = replace(PRODUCT, footprint=box(12.5, 78.5, 20, 80).__geo_interface__)
    far = replace(PRODUCT, footprint=box(14, 78.5, 20, 80).__geo_interface__)
    assert fits(near, QUERY)
    assert not fits(far, QUERY)
    assert fits(replace(PRODUCT, product_type="S2MSI2A-COG"), QUERY)
    assert not fits(replace(PRODUCT, product_type="S2MSI1C"), QUERY)
    assert not fits(replace(PRODUCT, mission="sentinel-1"), QUERY)
