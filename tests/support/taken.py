"""What a search takes of what a provider lists."""

from __future__ import annotations

from ssl4sar.acquire.catalogue.search import sort_out
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import LeftOut, Provider, Query


def taken(provider: Provider, asked: Query) -> list[Product]:
    """Return the products that belong to a query, copies included, in the order of the provider."""
    listed = list(provider.search(asked))
    found = sort_out(listed, asked, 0.0)
    assert found.number == len(listed) == len(found.kept) + len(found.left_out)
    copies = {"duplicate", "cog_twin", "listed_twice"}
    others = {each.name for each in found.left_out if each.reason not in copies}
    products = [each for each in listed if not isinstance(each, LeftOut)]
    return [each for each in products if each.name not in others]
