"""A STAC API by the real pystac-client, against one on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.io import MemoryFile
from shapely.geometry import MultiPolygon, box
from stac_server import Api, stac_server
from taken import taken

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.search import sort_out
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers import common
from ssl4sar.acquire.providers.base import MissingProductError, Query, Selection
from ssl4sar.acquire.providers.stac import Stac
from ssl4sar.acquire.providers.stac_item import BAND_ASSETS
from ssl4sar.config.services import StacConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.pair_layout import CHANNELS
from ssl4sar.core.retry import Patience

pytest.importorskip("pystac_client", reason="the extra stac is not installed")
FOOTPRINT = {
    "type": "Polygon",
    "coordinates": [[[8, 79], [10, 77], [20, 77.5], [18, 79.5], [8, 79]]],
}
SAR = "S1A_IW_GRDH_1SDH_20200305T065432_20200305T065457_031540_03A21C_1A2B"


def optical_name(day: int) -> str:
    return f"S2A_MSIL2A_202007{day:02}T124711_N0214_R138_T33XVG_202007{day:02}T145016"


def optical_item(api: Api, day: int, clouds: float, id: str | None = None) -> dict[str, Any]:
    id = id or f"S2A_33XVG_202007{day:02}_0_L2A"
    assets = {}
    for key in BAND_ASSETS.values():
        content = f"{key} of {id}".encode()
        checksum = "1220" + hashlib.sha256(content).hexdigest()
        assets[key] = api.asset(f"{id}/{key}.tif", content, **{"file:checksum": checksum})
    assets["thumbnail"] = {"href": "s3://bucket/preview.jpg"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": "sentinel-2-l2a",
        "geometry": FOOTPRINT,
        "bbox": [8, 77, 20, 79.5],
        "links": [{"rel": "self", "href": f"{api.url}/v1/items/{id}"}],
        "assets": assets,
        "properties": {
            "datetime": f"2020-07-{day:02}T12:50:00.123000Z",
            "eo:cloud_cover": clouds,
            "s2:product_uri": f"{optical_name(day)}.SAFE",
        },
    }


@cache
def image() -> bytes:
    """Return a GeoTIFF."""
    values = np.random.default_rng(0).integers(0, 4000, (1, 64, 64)).astype(np.uint16)
    with MemoryFile() as memory:
        place = {"crs": "EPSG:32633", "transform": Affine.scale(10.0)}
        with memory.open(
            driver="GTiff", width=64, height=64, count=1, dtype="uint16", **place
        ) as file:
            file.write(values)
        return bytes(memory.read())


def sar_item(api: Api, scheme: str = "http") -> dict[str, Any]:
    assets: dict[str, Any] = {}
    for key in ("hh", "hv", "safe-manifest", "schema-product-hh", "schema-calibration-hh"):
        suffix = ".tiff" if len(key) == 2 else ".xml"
        content = image() if len(key) == 2 else f"<{key}/>".encode()
        assets[key] = api.asset(f"s1/{key}{suffix}", content)
        if scheme == "s3":
            assets[key]["href"] = f"s3://sentinel-s1-l1c/GRD/{SAR}/{key}{suffix}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        # The way of Earth Search: the name without its last part, which is in the addresses.
        "id": SAR.rpartition("_")[0],
        "collection": "sentinel-1-grd",
        "geometry": FOOTPRINT,
        "bbox": [8, 77, 20, 79.5],
        "links": [],
        "assets": {**assets, "thumbnail": {"href": f"https://example.org/{SAR}/preview.png"}},
        "properties": {
            "datetime": "2020-03-05T06:54:44Z",
            "start_datetime": "2020-03-05T06:54:32Z",
            "end_datetime": "2020-03-05T06:54:57Z",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 143,
        },
    }


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
    area = MultiPolygon([box(12, 78, 13, 78.5)])
    asked = Query(
        glacier=Glacier("Here", "Here", "Svalbard", area, 32633),
        mission="sentinel-2",
        product_type="S2MSI2A",
        start=datetime(2020, 1, 1, tzinfo=UTC),
        stop=datetime(2021, 1, 1, tzinfo=UTC),
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def sar_query(**changes: object) -> Query:
    return query(mission="sentinel-1", product_type="IW_GRDH_1S", **changes)


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


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"start": datetime(2020, 7, 3, tzinfo=UTC)}, 6),
        ({"stop": datetime(2020, 7, 1, 12, 50, 0, 123000, tzinfo=UTC)}, 0),
        ({"relative_orbits": (138,)}, 8),
        ({"relative_orbits": (137,)}, 0),
        ({"product_type": "S2MSI1C"}, 0),
        ({"glacier": Glacier("There", "", "", MultiPolygon([box(40, 0, 41, 1)]), 32633)}, 0),
    ],
)
def test_each_part_of_a_query_counts(api: Api, changes: dict[str, object], count: int) -> None:
    assert len(found(api, query(**changes))) == count


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


def test_a_quarter_of_an_hour_of_outage_is_survived(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    product = the(api, query())
    monkeypatch.setattr("ssl4sar.core.retry.time", SimpleNamespace(sleep=waits.append))
    api.break_after = [0] * 19
    made = Stac(StacConfig.model_validate({"url": f"{api.url}/v1"}))
    made.fetch(product, tmp_path / "a", Selection(bands=("B4",)))
    assert (tmp_path / "a" / "red.tif").is_file()
    assert sum(waits) > 13 * 60


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


def test_images_in_a_storage_with_accounts_are_told_at_once(api: Api, tmp_path: Path) -> None:
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


def test_wrong_checksum_is_missing(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    api.files[f"{product.id}/red.tif"] = b"another"
    with pytest.raises(MissingProductError, match="asset red is damaged"):
        provider(api).fetch(product, tmp_path / "work", Selection(bands=("B4",)))
    assert not (tmp_path / "work" / "red.tif").exists()


def test_an_asset_that_is_not_found_is_no_lasting_absence(api: Api, tmp_path: Path) -> None:
    """Storages answer 404 to addresses that must be signed (brazil-data-cube/rstac#36)."""
    product = the(api, query())
    del api.files[f"{product.id}/red.tif"]
    with pytest.raises(UserError, match=r"asset red .* address that is not signed") as caught:
        provider(api).fetch(product, tmp_path / "work", Selection(bands=("B4",)))
    assert not isinstance(caught.value, MissingProductError)
    assert "?" not in caught.value.subject


def test_a_product_whose_item_has_gone_is_missing(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    gone = replace(product, urls={**product.urls, "item": f"{api.url}/gone"})
    with pytest.raises(MissingProductError, match="the API does not have it any more"):
        provider(api).fetch(gone, tmp_path / "work", Selection(bands=("B4",)))


def test_file_of_another_content_is_fetched_anew(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "red.tif").write_bytes(b"old")
    provider(api).fetch(product, tmp_path / "work", Selection(bands=("B4",)))
    assert (tmp_path / "work" / "red.tif").read_text() == f"red of {product.id}"


def test_broken_download_goes_on(api: Api, tmp_path: Path) -> None:
    product = the(api, query())
    provider(api).fetch(product, tmp_path / "work", Selection(bands=("B2",)))
    api.break_after = [5]
    api.served.clear()
    provider(api).fetch(product, tmp_path / "work", Selection(bands=("B4",)))
    assert (tmp_path / "work" / "red.tif").read_text() == f"red of {product.id}"
    assert len(api.served) == 2


def test_assets_on_other_hosts_are_refused_where_hosts_are_listed(api: Api, tmp_path: Path) -> None:
    # Without credentials the list counts for redirects; an asset's own address is its own.
    product = the(api, query())
    provider(api, hosts=["example.org"]).fetch(product, tmp_path, Selection(bands=("B4",)))
    assert not any("Authorization" in headers for headers in api.headers)


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


def test_item_of_another_mission_is_one_line(api: Api) -> None:
    api.items[0]["properties"]["s2:product_uri"] = None
    with pytest.raises(UserError, match="does not tell the name"):
        found(api, query())


def test_lost_items_are_an_error(api: Api) -> None:
    api.count_more = 1
    with pytest.raises(UserError, match="listed 8 items of 9"):
        found(api, query())


def test_a_list_without_end_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "MOST_LISTED", 5)
    with pytest.raises(UserError, match="more than 5 products"):
        found(api, query())
    assert len(api.searches) < 8


def test_the_default_login_of_netrc_is_not_sent(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login me password hunter2\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert list(provider(api).search(query()))
    assert api.headers
    assert not any("Authorization" in headers for headers in api.headers)


def test_unreachable_api_is_one_line() -> None:
    with pytest.raises(UserError, match="cannot be reached"):
        found(Api(url="http://127.0.0.1:9"), query())
