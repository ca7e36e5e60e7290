"""The synthetic provider: what it lists, what it takes from a query, the bytes it serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from taken import taken

from ssl4sar.acquire.areas import area_km2
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.synthetic import Synthetic, synthetic_glaciers
from ssl4sar.acquire.query import Query, Selection
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import sar_glacier
from ssl4sar.sar.product import open_product
from ssl4sar.synthetic.pairs import SarPlan, plan_pairs, render_pairs

pytest.importorskip("rasterio")
TINY = PairSceneConfig(glaciers=2, train_images=3, val_images=2, extent_km=3.0, spacing_m=60)
GLACIERS = synthetic_glaciers(TINY)


def query(name: str = "Synthetic01", mission: Mission = "sentinel-1") -> Query:
    return Query(
        glacier=GLACIERS[name],
        mission=mission,
        product_type="IW_GRDH_1S",
        start=datetime(2015, 1, 1, tzinfo=UTC),
        stop=datetime(2022, 1, 1, tzinfo=UTC),
    )


def found(asked: Query, config: PairSceneConfig = TINY) -> list[Product]:
    return list(Synthetic(config).search(asked))


def everything(config: PairSceneConfig = TINY) -> list[Product]:
    return [
        product
        for name in synthetic_glaciers(config)
        for mission in ("sentinel-1", "sentinel-2")
        for product in found(
            replace(query(mission=mission), glacier=synthetic_glaciers(config)[name]), config
        )
    ]


def test_every_planned_image_is_listed_once() -> None:
    products = everything()
    assert sorted(p.id for p in products) == sorted(plan.file for plan in plan_pairs(TINY))
    assert {p.name for p in products} == {Path(p.id).stem for p in products}
    assert {(p.mission, p.platform) for p in products} == {
        ("sentinel-1", "SYNTHETIC-S1"),
        ("sentinel-2", "SYNTHETIC-S2"),
    }
    for product in products:
        assert (product.provider, product.product_type) == ("synthetic", "synthetic")
        areas = [glacier.geojson for glacier in synthetic_glaciers(TINY).values()]
        assert product.footprint in areas
        assert product.online
        assert Product.from_row(product.as_row()) == product


def test_a_product_tells_day_track_and_clouds_of_its_image() -> None:
    plans = {plan.file: plan for plan in plan_pairs(TINY)}
    for product in everything():
        plan = plans[product.id]
        assert product.start.date() == plan.day
        if isinstance(plan, SarPlan):
            assert sar_glacier(product.name) == plan.glacier
            assert product.relative_orbit == int(plan.orbit)
            assert product.cloud_percent is None
        else:
            assert product.relative_orbit is None
            assert product.cloud_percent is not None
            assert 0 <= product.cloud_percent <= 14


def test_tracks_are_compared_and_directions_are_not() -> None:
    config = PairSceneConfig(glaciers=14)
    provider = Synthetic(config)
    tracks = {p.relative_orbit for p in found(query(), config)}
    assert len(tracks) == 2
    one = min(track for track in tracks if track is not None)
    kept = taken(provider, replace(query(), relative_orbits=(one,), polarisations=("HH",)))
    assert {p.relative_orbit for p in kept} == {one}
    assert len(taken(provider, replace(query(), orbit_direction="ascending"))) == len(
        found(query(), config)
    )


@pytest.mark.slow
def test_fetched_bytes_are_those_of_the_rendered_dataset(tmp_path: Path) -> None:
    render_pairs(TINY, tmp_path / "pairs")
    provider = Synthetic(TINY)
    for product in everything():
        folder = tmp_path / product.name
        folder.mkdir()
        assert provider.fetch(product, folder, Selection()) == folder
        (image,) = folder.iterdir()
        assert image.name == Path(product.id).name
        assert sha256_file(image) == sha256_file(tmp_path / "pairs" / product.id)


@pytest.mark.parametrize("change", [{"difficulty": 0.0}, {"spacing_m": 100}])
def test_other_settings_make_other_products_of_the_same_names(change: dict[str, float]) -> None:
    other = everything(TINY.model_copy(update=change))
    assert [p.name for p in other] == [p.name for p in everything()]
    assert {p.processor_version for p in other}.isdisjoint(
        p.processor_version for p in everything()
    )


def test_synthetic_areas_are_apart_at_sea_and_say_so() -> None:
    config = PairSceneConfig(glaciers=99, extent_km=40.0)
    glaciers = list(synthetic_glaciers(config).values())
    assert [g.name for g in glaciers] == [f"Synthetic{i:02d}" for i in range(1, 100)]
    for glacier, following in pairwise(glaciers):
        assert glacier.area.disjoint(following.area)
    for glacier in glaciers:
        assert "SYNTHETIC" in glacier.long_name
        assert "SYNTHETIC" in glacier.region
        assert not glacier.is_test
        west, south, east, north = glacier.area.bounds
        assert (west > -151, east < -100, south < 0 < north) == (True, True, True)
        # The meridian in the middle of a zone of 6 degrees is 3 degrees from its edges at most.
        assert abs((west + east) / 2 - (-183 + 6 * (glacier.epsg - 32600))) <= 3
        assert area_km2(glacier.area) == pytest.approx(1600, rel=1e-3)


def test_raw_products_are_named_as_listed_and_always_the_same(tmp_path: Path) -> None:
    provider = Synthetic(TINY, raw=True)
    listed = {
        mission: [
            product
            for name in GLACIERS
            for product in provider.search(query(name, mission))  # type: ignore[arg-type]
        ]
        for mission in ("sentinel-1", "sentinel-2")
    }
    # As many scenes as images are planned, and optical ones to choose from.
    assert len(listed["sentinel-1"]) == 5
    assert len(listed["sentinel-2"]) > 20
    names = [product.name for products in listed.values() for product in products]
    assert len(set(names)) == len(names)
    for product in (listed["sentinel-1"][0], listed["sentinel-2"][0]):
        folders = [tmp_path / product.name / number for number in "ab"]
        one, other = (provider.fetch(product, folder, Selection()) for folder in folders)
        assert one.name == other.name == f"{product.name}.SAFE"
        files = {path.relative_to(one): path.read_bytes() for path in one.rglob("*.*")}
        assert files == {path.relative_to(other): path.read_bytes() for path in other.rglob("*.*")}
    raw = open_product(tmp_path / listed["sentinel-1"][0].name / "a" / f"{names[0]}.SAFE")
    assert raw.polarisations == ("HH",)
    assert raw.orbit_pass == listed["sentinel-1"][0].orbit_direction
    assert None not in {product.orbit_direction for product in listed["sentinel-1"]}
