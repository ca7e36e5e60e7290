"""A STAC API by the real pystac-client, against one on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stac_server import SAR, Api, image, optical_item, optical_name, sar_item, stac_server
from taken import query as sar_query
from taken import taken

from ssl4sar.acquire.catalogue.search import sort_out
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers import common
from ssl4sar.acquire.providers.stac import Stac
from ssl4sar.acquire.providers.stac_item import BAND_ASSETS
from ssl4sar.acquire.query import MissingProductError, Query, Selection
from ssl4sar.config.services import StacConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.core.retry import Patience

#: Each starts a server; `test_contract.py` asks the same server in the quick tier.
pytestmark = pytest.mark.slow
pytest.importorskip("pystac_client", reason="the extra stac is not installed")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SSL4SAR_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with stac_server() as server:
        server.items = [optical_item(server, day, clouds=2.0 * day) for day in range(1, 9)]
        server.items.append(sar_item(server))
        yield server


def provider(api: Api, **config: object) -> Stac:
    told = StacConfig.model_validate({"url": f"{api.url}/v1"} | config)
    return Stac(told, patience=Patience(3, 0.01, 10.0))


def query(**changes: object) -> Query:
    return sar_query(**{"mission": "sentinel-2", "product_type": "S2MSI2A"} | changes)


def found(api: Api, asked: Query) -> list[str]:
    return [product.name for product in taken(provider(api), asked)]


def the(api: Api, asked: Query) -> Product:
    return next(provider(api).search(asked))


def test_all_pages_are_listed(api: Api) -> None:
    assert found(api, query()) == [optical_name(day) for day in range(1, 9)]
    # One request counts, three bring pages of three.
    assert len(api.searches) == 4


def test_a_product_holds_what_item_and_name_tell(api: Api) -> None:
    product = the(api, query())
    assert product.id == "S2A_33XVG_20200701_0_L2A"
    assert (product.tile, product.relative_orbit, product.cloud_percent) == ("33XVG", 138, 2.0)
    assert product.start == datetime(2020, 7, 1, 12, 50, 0, 123000, tzinfo=UTC)
    assert product.urls["red"].endswith("/red.tif")
    assert len(product.checksums["sha256/red"]) == 64
    assert Product.from_row(json.loads(json.dumps(product.as_row()))) == product
    sar = the(api, sar_query())
    assert (sar.name, sar.polarisations) == (SAR, ("HH", "HV"))
    assert (sar.stop - sar.start).total_seconds() == 25
    assert (sar.relative_orbit, sar.orbit_direction) == (143, "descending")


@pytest.mark.parametrize("declared", [True, False])
def test_clouds_are_asked_for_where_the_api_can(api: Api, declared: bool) -> None:
    if not declared:
        api.conformance = ("item-search",)
    days = (1, 2, 3) if declared else range(1, 9)
    assert found(api, query(max_cloud_percent=6.0)) == [optical_name(day) for day in days]
    assert all(("query" in asked) == declared for asked in api.searches)


def test_an_item_under_two_numbers_is_listed_twice_and_kept_once(api: Api) -> None:
    api.items.append(optical_item(api, 1, 2.0, id="S2A_33XVG_20200701_1_L2A"))
    listed = list(provider(api).search(query()))
    assert [product.name for product in listed].count(optical_name(1)) == 2
    outcome = sort_out(listed, query(), 0.0)
    assert [product.name for product in outcome.kept].count(optical_name(1)) == 1
    assert [each.reason for each in outcome.left_out] == ["listed_twice"]


def test_bands_of_the_pretraining_are_fetched_and_verified(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    folder = tmp_path / "work"
    assert provider(api).fetch(product, folder, Selection()) == folder
    wanted = {BAND_ASSETS[band] for band in CHANNELS}
    assert {path.name for path in folder.iterdir()} == {f"{key}.tif" for key in wanted} | {
        "item.json"
    }
    for key in wanted:
        assert (folder / f"{key}.tif").read_text() == f"{key} of {product.id}"
    assert json.loads((folder / "item.json").read_text())["id"] == product.id
    # A second try asks for nothing that is there.
    api.served.clear()
    provider(api).fetch(product, folder, Selection())
    assert api.served == []


def test_single_bands_and_configured_assets(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    provider(api).fetch(product, tmp_path / "a", Selection(bands=("B4", "AOT")))
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "red.tif",
        "aot.tif",
        "item.json",
    }
    provider(api, optical_assets=["blue"]).fetch(product, tmp_path / "b", Selection())
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"blue.tif", "item.json"}
    with pytest.raises(MissingProductError, match="no asset for ultraviolet"):
        provider(api, optical_assets=["ultraviolet"]).fetch(product, tmp_path / "c", Selection())


@pytest.mark.parametrize(
    ("polarisation", "files"),
    [
        (
            "copolar",
            {"hh.tiff", "safe-manifest.xml", "schema-product-hh.xml", "schema-calibration-hh.xml"},
        ),
        ("HV", {"hv.tiff", "safe-manifest.xml"}),
    ],
)
def test_one_polarisation_with_its_metadata(
    api: Api, tmp_path: Path, polarisation: str, files: set[str]
) -> None:
    product = the(api, sar_query())
    folder = provider(api).fetch(product, tmp_path / "work", Selection(polarisation))
    assert {path.name for path in folder.iterdir()} == files
    with pytest.raises(MissingProductError, match="no asset for VV"):
        provider(api).fetch(product, tmp_path / "work2", Selection("VV"))


def test_images_in_a_storage_with_accounts_are_reported_at_once(api: Api, tmp_path: Path) -> None:
    api.items = [sar_item(api, scheme="s3")]
    with pytest.raises(UserError, match=r"s3://sentinel-s1-l1c/.*account of its own") as caught:
        found(api, sar_query())
    assert "provider cdse or asf" in str(caught.value)
    alternate = {"https": {"href": f"{api.url}/files/s1/hh.tiff"}}
    api.items[0]["assets"]["hh"]["alternate"] = alternate
    product = the(api, sar_query())
    assert product.urls["hh"] == alternate["https"]["href"]
    with pytest.raises(UserError, match=r"s3://.*/safe-manifest\.xml"):
        provider(api).fetch(product, tmp_path / "work", Selection())
    provider(api, sar_assets=["hh"]).fetch(product, tmp_path / "work", Selection())
    assert (tmp_path / "work" / "hh.tiff").read_bytes() == image()


@pytest.mark.parametrize("asset", ["hh.tiff", "schema-product-hh.xml"])
def test_an_asset_without_checksum_must_be_decoded(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], asset: str
) -> None:
    product = the(api, sar_query())
    whole = api.files[f"s1/{asset}"]
    api.files[f"s1/{asset}"] = whole[:-1]
    with pytest.raises(MissingProductError, match=r"is damaged: .*(decoded|XML)"):
        provider(api).fetch(product, tmp_path, Selection())
    assert not (tmp_path / asset).exists()
    assert capsys.readouterr().err.count("downloading it once more") == 1
    assert api.served.count(f"s1/{asset}") == 2
    # A file that a killed job left unchecked is looked at, too.
    (tmp_path / asset).write_bytes(whole[:-1])
    api.files[f"s1/{asset}"] = whole
    provider(api).fetch(product, tmp_path, Selection())
    assert (tmp_path / asset).read_bytes() == whole


def test_an_asset_that_is_not_found_is_no_lasting_absence(api: Api, tmp_path: Path) -> None:
    """Storages answer 404 to addresses that must be signed (brazil-data-cube/rstac#36)."""
    product = the(api, query())
    del api.files[f"{product.id}/red.tif"]
    with pytest.raises(UserError, match=r"asset red .* address that is not signed") as caught:
        provider(api).fetch(product, tmp_path / "work", Selection(bands=("B4",)))
    assert not isinstance(caught.value, MissingProductError)
    assert "?" not in caught.value.subject


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{"),
        (200, b"[]"),
        (200, b'{"features": 5, "numberMatched": 0}'),
        (500, b"out of order"),
        (200, b"<html></html>"),
    ],
)
def test_nonsense_is_one_line(api: Api, answer: tuple[int, bytes]) -> None:
    api.answers = [answer] * 9
    with pytest.raises(UserError) as caught:
        found(api, query())
    assert api.url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lost_items_are_an_error(api: Api) -> None:
    api.count_more = 1
    with pytest.raises(UserError, match="listed 8 items of 9"):
        found(api, query())


def test_a_list_without_end_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "MOST_LISTED", 5)
    with pytest.raises(UserError, match="more than 5 products"):
        found(api, query())
    assert len(api.searches) < 8
