"""What all providers have in common: directions, fits of a query, and products not found."""

from __future__ import annotations

import re

from shapely.geometry import shape

from ssl4sar.acquire.network.transfer import NotThereError
from ssl4sar.acquire.product import OrbitDirection, Product
from ssl4sar.acquire.providers.base import MissingProductError, Query
from ssl4sar.core.errors import UserError


def orbit_direction(text: str | None) -> OrbitDirection | None:
    """Return the direction that a catalogue spells in its own way; None where it tells none."""
    match (text or "").lower():
        case "ascending":
            return "ascending"
        case "descending":
            return "descending"
    return None


def is_kind(product_type: str, wanted: str) -> bool:
    """Return whether a product is of the wanted kind.

    The cloud-optimised twin of a product, whose images are the same, counts as its kind, and each
    beam of a stripmap (S3_GRDH_1S) as stripmap (SM_GRDH_1S).
    """
    kind = product_type.removesuffix("-COG")
    return wanted in {kind, re.sub(r"^S[1-6]_", "SM_", kind)}


def fits(product: Product, query: Query) -> bool:
    """Return whether a product is what a query looks for.

    Services differ in whether bounds belong to a time, and know wildcards only where names are
    meant; so their answers are looked through. A direction or track that is asked for must be
    known of the product; unknown clouds and footprints let it through.

    Args:
        product: a product as its catalogue tells it.
        query: what is looked for.
    """
    if product.mission != query.mission or not is_kind(product.product_type, query.product_type):
        return False
    if not query.start <= product.start < query.stop:
        return False
    if query.orbit_direction not in {None, product.orbit_direction}:
        return False
    if query.relative_orbits and product.relative_orbit not in query.relative_orbits:
        return False
    if query.polarisations and not set(query.polarisations) & set(product.polarisations):
        return False
    if None not in {query.max_cloud_percent, product.cloud_percent} and (
        (product.cloud_percent or 0.0) > (query.max_cloud_percent or 0.0)
    ):
        return False
    return product.footprint is None or bool(
        shape(dict(product.footprint)).intersects(query.glacier.area)
    )


def not_found(product: Product, error: NotThereError, *, is_still_listed: bool) -> UserError:
    """Return what to raise where a download service says that a product is not there.

    Services under maintenance say so of all products; what their catalogue still lists is not gone.

    Args:
        product: that was asked for.
        error: what the service said.
        is_still_listed: whether the catalogue lists it today.
    """
    if is_still_listed:
        return UserError(
            product.name,
            "the download service does not find it though the catalogue lists it",
            "rerun later; if it stays, name it in acquisition.leave_out",
        )
    return MissingProductError(
        product.name,
        f"the service does not have it any more ({error.problem})",
        "refresh the inventory",
    )
