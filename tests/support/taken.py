"""A query for what the made-up services hold, and what a search takes of their answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.search import sort_out
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import LeftOut, Provider, Query


def query(**changes: Any) -> Query:
    """Return a query for Sentinel-1 around Svalbard, with changes."""
    area = MultiPolygon([box(12, 78, 13, 78.5)])
    asked = Query(
        glacier=Glacier("Here", "Here", "Svalbard", area, 32633),
        mission="sentinel-1",
        product_type="IW_GRDH_1S",
        start=datetime(2015, 1, 1, tzinfo=UTC),
        stop=datetime(2027, 1, 1, tzinfo=UTC),
    )
    return replace(asked, **changes)


def taken(provider: Provider, asked: Query) -> list[Product]:
    """Return the products that belong to a query, copies included, in the order of the provider."""
    listed = list(provider.search(asked))
    found = sort_out(listed, asked, 0.0)
    assert found.number == len(listed) == len(found.kept) + len(found.left_out)
    copies = {"duplicate", "cog_twin", "listed_twice"}
    others = {each.name for each in found.left_out if each.reason not in copies}
    products = [each for each in listed if not isinstance(each, LeftOut)]
    return [each for each in products if each.name not in others]
