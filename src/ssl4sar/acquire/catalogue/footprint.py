"""Which footprint of a product is believed: services list some that no product can have.

A geometry round the globe covers every glacier, and one of another place none (earth-search of
Element84, issues 28 and 39). So a footprint larger than its product can be is unknown. Of
Sentinel-2 the name says where the tile is: no image reaches beyond it, and where the listed
footprint is unknown or far away, the outline of the tile stands for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely import get_coordinates, make_valid, to_geojson
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from ssl4sar.acquire.areas import area_km2
from ssl4sar.acquire.catalogue.tile import tile_polygon
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.core.foreign import parse_json

_EARTH_KM: Final = 6371.0
#: Diagonal of a tile is 155 km; footprints are simplified and rounded.
_TILE_DIAGONAL_KM: Final = 175.0
_TILE_KM2: Final = 15_000.0
#: Widest swath of Sentinel-1 (extra wide: 410 km), and its speed over ground.
_SWATH_KM: Final = 450.0
_SPEED_KM_S: Final = 7.0
#: Lines before and after those that times count, and what was merged from two slices.
_MARGIN_KM: Final = 150.0
#: Share of a footprint within its tile from which it is taken as listed.
_WITHIN: Final = 0.95
#: A footprint of possible size is wrong by half the globe or not at all; within two tiles it is
#: taken, with a warning.
_NEIGHBOURHOOD_KM: Final = 200.0


def with_believed_footprint(product: Product) -> tuple[Product, str]:
    """Return a product with the footprint that is believed, and what was wrong with the listed one.

    Args:
        product: as listed.

    Returns:
        The product, its footprint None where nothing says where it is; and a phrase for people,
        empty where the listed footprint stands or there was none.
    """
    if product.product_type == SYNTHETIC_TYPE:
        return product, ""
    listed = footprint_shape(product)
    problem = "" if listed is None else _size_problem(product, listed)
    if problem:
        listed = None
    if product.mission == "sentinel-2" and product.tile is not None:
        return _in_its_tile(product, listed, problem)
    return (replace(product, footprint=None) if problem else product), problem


def footprint_shape(product: Product) -> BaseGeometry | None:
    """Return the footprint of a product in degrees, made valid; None where it is unknown."""
    if product.footprint is None:
        return None
    footprint = shape(dict(product.footprint))
    return footprint if footprint.is_valid else make_valid(footprint)


def _in_its_tile(
    product: Product, listed: BaseGeometry | None, problem: str
) -> tuple[Product, str]:
    try:
        tile = tile_polygon(str(product.tile))
    except ValueError as error:
        return product if listed is not None else replace(product, footprint=None), str(error)
    if listed is None:
        return _with(product, tile), problem
    within = listed.intersection(tile)
    if within.area >= _WITHIN * listed.area:
        return product, ""
    if within.area > 0:
        return _with(product, within), f"its listed footprint reaches beyond tile {product.tile}"
    away_km = _gap_km(listed, tile)
    problem = f"its listed footprint is {away_km:,.0f} km from tile {product.tile}"
    if away_km <= _NEIGHBOURHOOD_KM:
        return product, problem
    return _with(product, tile), problem


def _with(product: Product, geometry: BaseGeometry) -> Product:
    parts = [each for each in getattr(geometry, "geoms", [geometry]) if isinstance(each, Polygon)]
    whole = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    return replace(product, footprint=parse_json(to_geojson(whole)))


def _size_problem(product: Product, footprint: BaseGeometry) -> str:
    """Return why a footprint cannot be that of the product; empty if it can."""
    if product.mission == "sentinel-2":
        longest_km, most_km2 = _TILE_DIAGONAL_KM, _TILE_KM2
    else:
        seconds = (product.stop - product.start).total_seconds()
        length_km = _SPEED_KM_S * seconds + _MARGIN_KM
        longest_km, most_km2 = float(np.hypot(length_km, _SWATH_KM)), length_km * _SWATH_KM
    points = _unit_vectors(footprint)
    # From one corner alone: enough for what is round the globe, and quick for any number of them.
    reach_km = _km(np.linalg.norm(points - points[0], axis=1).max())
    size_km2 = area_km2(footprint)
    if reach_km <= longest_km and size_km2 <= most_km2:
        return ""
    return (
        f"its listed footprint spans {reach_km:,.0f} km and {size_km2:,.0f} km2, more than the "
        "product can"
    )


def _unit_vectors(geometry: BaseGeometry) -> NDArray[np.float64]:
    lon, lat = np.radians(get_coordinates(geometry)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _gap_km(one: BaseGeometry, other: BaseGeometry) -> float:
    """Return about how far two outlines are from each other, corner to corner."""
    points = _unit_vectors(other)
    return min(_km(np.linalg.norm(points - corner, axis=1).min()) for corner in _unit_vectors(one))


def _km(chord: float) -> float:
    return float(2 * _EARTH_KM * np.arcsin(min(chord / 2, 1.0)))
