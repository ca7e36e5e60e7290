"""Footprints of products: brought into one form, and those that no product can have left aside.

Services list geometries that no product can have: one round the globe covers every glacier, and one
of another place none (earth-search of Element84, issues 28 and 39). So a footprint larger than its
product can be is unknown. Of Sentinel-2 the name says where the tile is: no image reaches beyond
it, and where the listed footprint is unknown or far away, the outline of the tile stands for it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from shapely import from_geojson, get_coordinates, make_valid, to_geojson
from shapely.errors import ShapelyError
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.ops import unary_union

from ssl4sar.acquire.areas import area_km2, cut_at_antimeridian, polygons_of, unwrap
from ssl4sar.acquire.catalogue.tile import tile_polygon
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.core.foreign import parse_json

_EARTH_KM: Final = 6371.0
#: Beyond this a coordinate is not on the globe; services write longitudes to 360 and some beyond.
_FARTHEST_DEG: Final = (540.0, 90.000001)
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


def footprint_of(geometry: Any) -> dict[str, Any] | None:
    """Return a footprint within -180 to 180 degrees, cut at the antimeridian; None if unknown.

    Args:
        geometry: GeoJSON; rings whose longitude jumps by more than 180 degrees go the short way.

    Raises:
        ValueError: a coordinate is not a number or not on the globe.
    """
    if not isinstance(geometry, dict):
        return None
    try:
        listed = from_geojson(json.dumps(geometry))
    except (ShapelyError, ValueError, TypeError):
        return None  # not a geometry
    if not (np.abs(get_coordinates(listed)) <= _FARTHEST_DEG).all():  # also what is not a number
        raise ValueError("its footprint has a coordinate that is not on the globe")
    try:
        united = unary_union([piece for each in polygons_of(listed) for piece in _pieces(each)])
    except (ShapelyError, ValueError):
        return None  # around a pole, or nothing that can be repaired
    return _geojson(united)


def with_plausible_footprint(product: Product) -> tuple[Product, str]:
    """Return a product with the footprint to use, and what was wrong with the listed one.

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
        product, listed = replace(product, footprint=None), None
    if product.mission == "sentinel-1" or product.tile is None:
        return product, problem
    try:
        tile = tile_polygon(product.tile)
    except ValueError as error:
        return product, str(error)
    if listed is None:
        return replace(product, footprint=_geojson(tile)), problem
    within = listed.intersection(tile)
    if within.area >= _WITHIN * listed.area:
        return product, ""
    if within.area > 0:
        problem = f"its listed footprint reaches beyond tile {product.tile}"
        return replace(product, footprint=_geojson(within)), problem
    away_km = _gap_km(listed, tile)
    problem = f"its listed footprint is {away_km:,.0f} km from tile {product.tile}"
    if away_km > _NEIGHBOURHOOD_KM:
        product = replace(product, footprint=_geojson(tile))
    return product, problem


def footprint_shape(product: Product) -> BaseGeometry | None:
    """Return the footprint of a product in degrees, made valid; None where it is unknown."""
    if product.footprint is None:
        return None
    footprint = shape(dict(product.footprint))
    return footprint if footprint.is_valid else make_valid(footprint)


def _pieces(polygon: Polygon) -> list[Polygon]:
    whole = Polygon(polygon.exterior)
    west, _, east, _ = whole.bounds
    if -180.0 <= west <= east <= 180.0 and east - west <= 180.0 and whole.is_valid:
        return [orient(whole)]  # nearly all: there is nothing to cut
    # A ring may cross itself; only a valid one can be cut.
    valid = polygons_of(make_valid(unwrap(whole)))
    return [piece for each in valid for piece in cut_at_antimeridian(each)]


def _geojson(geometry: BaseGeometry) -> dict[str, Any] | None:
    parts = polygons_of(geometry)
    if not parts:
        return None
    whole = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    footprint: dict[str, Any] = parse_json(to_geojson(whole))
    return footprint


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
