"""Which footprints are believed: those a product can have, and of tiles those where they are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_products import made_product
from odata_catalogue import square
from shapely.affinity import translate
from shapely.geometry import mapping, shape

from ssl4sar.acquire.catalogue.footprint import (
    footprint_of,
    footprint_shape,
    with_plausible_footprint,
)
from ssl4sar.acquire.catalogue.product_name import parse_name
from ssl4sar.acquire.catalogue.tile import tile_polygon
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.safe.overview import read_overview

OPTICAL = made_product(
    mission="sentinel-2",
    platform="S2A",
    product_type="S2MSI2A",
    tile="33XVG",
    mode=None,
    polarisations=(),
)
TILE = tile_polygon("33XVG")


def believed(footprint: Any, product: Product = OPTICAL) -> tuple[Any, str]:
    """Shape and doubt of a listed footprint."""
    believed, doubt = with_plausible_footprint(replace(product, footprint=footprint))
    return footprint_shape(believed), doubt


def test_a_footprint_within_its_tile_stands_as_listed() -> None:
    for part in (mapping(TILE.buffer(-0.1)), square(13.0, 77.9, 0.3), mapping(TILE.buffer(0.001))):
        found, doubt = believed(part)
        assert (found, doubt) == (shape(part), "")


def test_a_footprint_that_is_not_listed_is_the_tile() -> None:
    found, doubt = believed(None)
    assert found.equals(TILE)
    assert doubt == ""


def test_the_geometry_of_the_report_is_unknown(test_data: Path) -> None:
    ring = json.loads((test_data / "reports" / "footprint_round_the_globe.json").read_text())
    footprint = footprint_of(ring)
    tile = tile_polygon("60CWS")
    found, doubt = believed(footprint, replace(OPTICAL, tile="60CWS"))
    assert found.equals(tile)
    assert "more than the product can" in doubt
    assert believed(footprint, made_product())[0] is None


@given(east=st.floats(-170, 170), north=st.floats(-160, 10))
def test_a_footprint_elsewhere_is_replaced_and_said(east: float, north: float) -> None:
    moved = translate(square_of_tile(), east, north)
    if not (moved.bounds[0] >= -180 and moved.bounds[2] <= 180 and moved.bounds[1] >= -90):
        return
    found, doubt = believed(mapping(moved))
    if abs(north) > 3 and not doubt.startswith("its listed footprint spans"):
        assert found.equals(TILE)
        assert "km from tile 33XVG" in doubt
    if doubt == "":
        assert found.equals(moved)


def square_of_tile() -> Any:
    return shape(square(13.0, 77.9, 0.3))


def test_a_footprint_beyond_its_tile_is_cut_to_it() -> None:
    found, doubt = believed(square(13.0, 77.4, 0.3))
    assert TILE.buffer(1e-6).covers(found)
    assert doubt == "its listed footprint reaches beyond tile 33XVG"


def test_a_footprint_next_to_its_tile_is_taken_and_said() -> None:
    found, doubt = believed(square(13.0, 76.6, 0.3))
    assert found.equals(shape(square(13.0, 76.6, 0.3)))
    assert "km from tile 33XVG" in doubt


def test_a_tile_that_does_not_exist_leaves_the_footprint_as_listed() -> None:
    _, doubt = believed(square(13.0, 77.9, 0.3), replace(OPTICAL, tile="33XAG"))
    assert "there is no tile '33XAG'" in doubt


def test_real_footprints_are_believed(test_data: Path) -> None:
    for path in sorted((test_data / "sentinel1" / "grdh").iterdir()):
        name = parse_name(path.name)
        footprint = read_overview(path).footprint
        product = replace(made_product(), name=name.name, footprint=footprint)
        assert believed(footprint, product)[1] == ""


@pytest.mark.parametrize(("seconds", "is_possible"), [(25, False), (250, True)])
def test_longer_scenes_may_be_larger(seconds: int, is_possible: bool) -> None:
    product = made_product()
    product = replace(product, stop=product.start + timedelta(seconds=seconds))
    found, doubt = believed(square(0.0, 0.0, 3.0), product)
    assert (doubt == "") is is_possible
    assert (found is not None) is is_possible
