"""One product per piece of a datatake, however often a catalogue lists it.

A datatake that was processed again is listed once per processing, and every Sentinel-1 GRD product
also as its cloud-optimised twin. The copies differ in identifier, in the last part of the name and,
by fractions of a second, in their times; slices of one datatake differ by their whole length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from ssl4sar.acquire.catalogue.footprint import footprint_shape
from ssl4sar.acquire.catalogue.product_name import version_rank
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import LeftOut

#: Copies of one slice start within half a second (IPF 2.36 and 2.70 of one datatake: 0.23 s) and
#: may be known to the second only; the shortest slices are far longer.
_SAME_SLICE_S: Final = 2.0
#: Share of its footprint from which an optical product shows nothing that another does not.
_SAME_GRANULE: Final = 0.95


def collapse(products: Iterable[Product]) -> tuple[list[Product], list[LeftOut]]:
    """Keep the best copy of each product.

    The best is the product proper rather than its cloud-optimised twin, and of several processings
    the one by the latest official processor, though it may be offline. What somebody processed at
    home (baseline 99.99 of Sen2Cor) is kept only where there is no official copy. Of a tile in one
    datatake, parts that the latest baseline does not show are kept too: a tile may be cut into
    products where one strip of data ends and the next begins.

    Args:
        products: of both missions, in any order.

    Returns:
        The kept products, and the others with the reason: listed_twice, cog_twin or duplicate. Both
        are ordered by name and do not depend on the order of the input.
    """
    left_out: list[LeftOut] = []
    kept: list[Product] = []
    groups: dict[tuple[object, ...], list[Product]] = defaultdict(list)
    for product in _by_name(products, left_out):
        groups[_group(product)].append(product)
    for group in groups.values():
        if group[0].mission == "sentinel-1":
            for copies in _slices(group):
                best, *others = _ranked(copies)
                kept.append(best)
                left_out += [_superseded(each, best) for each in others]
        else:
            kept += _granules(group, left_out)
    return sorted(kept, key=lambda each: each.name), sorted(left_out, key=lambda each: each.name)


def _is_cog_twin(product: Product) -> bool:
    return product.product_type.endswith("-COG") or product.name.endswith("_COG")


def _by_name(products: Iterable[Product], left_out: list[LeftOut]) -> list[Product]:
    copies: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        copies[product.name].append(product)
    unique = []
    for name, same in sorted(copies.items()):
        # Of two records of one product the one that can be fetched and verified.
        same.sort(key=lambda each: (not each.online, not each.checksums, each.id))
        unique.append(same[0])
        left_out += [LeftOut(name, "listed_twice", f"kept as {same[0].id}") for _ in same[1:]]
    return unique


def _group(product: Product) -> tuple[object, ...]:
    if product.datatake is None:
        return (product.mission, product.name)
    kind = product.product_type.removesuffix("-COG")
    common = (product.mission, product.platform, product.datatake, kind, product.tile)
    return (*common, product.mode, product.polarisations)


def _slices(group: Sequence[Product]) -> list[list[Product]]:
    """Split the products of a datatake into slices, each with its copies."""
    slices: list[list[Product]] = []
    for product in sorted(group, key=lambda each: (each.start, each.name)):
        same = (copies for copies in slices if _is_same_slice(product, copies[0]))
        copies = next(same, None)
        if copies is None:
            slices.append([product])
        else:
            copies.append(product)
    return slices


def _is_same_slice(one: Product, other: Product) -> bool:
    gaps = (one.start - other.start, one.stop - other.stop)
    return all(abs(gap.total_seconds()) <= _SAME_SLICE_S for gap in gaps)


def _granules(group: Sequence[Product], left_out: list[LeftOut]) -> list[Product]:
    kept: list[Product] = []
    for product in _ranked(group):
        better = next((each for each in kept if _shows(each, product)), None)
        if better is None:
            kept.append(product)
        else:
            left_out.append(_superseded(product, better))
    return kept


def _shows(better: Product, product: Product) -> bool:
    whole, part = footprint_shape(better), footprint_shape(product)
    if whole is None or part is None or part.area == 0:
        return True
    return bool(whole.intersection(part).area >= _SAME_GRANULE * part.area)


def _ranked(copies: Sequence[Product]) -> list[Product]:
    def rank(product: Product) -> tuple[object, ...]:
        version = version_rank(product.processor_version)
        return not _is_cog_twin(product), version, product.online, product.name

    return sorted(copies, key=rank, reverse=True)


def _superseded(product: Product, better: Product) -> LeftOut:
    if _is_cog_twin(product) and not _is_cog_twin(better):
        return LeftOut(product.name, "cog_twin", f"of {better.name}")
    versions = (
        f"{better.processor_version or 'unknown'}, here {product.processor_version or 'unknown'}"
    )
    return LeftOut(product.name, "duplicate", f"{better.name} has processor {versions}")
