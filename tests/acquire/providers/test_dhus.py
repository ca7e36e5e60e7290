"""The Data Hub by the real sentinelsat, against a hub on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dhus_server import PASSWORD, USER, Hub, HubProduct, dhus_server
from synthetic_safe import NAMES, write_zip
from taken import query, taken

from ssl4sar.acquire.catalogue.product_name import parse_name
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.dhus import Dhus
from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.config.services import DhusConfig
from ssl4sar.core.errors import UserError

sentinelsat = pytest.importorskip("sentinelsat", reason="the extra dhus is not installed")
#: Each starts a server; `test_contract.py` asks the same server in the quick tier.
pytestmark = pytest.mark.slow
ONE, TWO = "uuid-of-hh", "uuid-of-vv"


def hub_product(tmp_path: Path, id: str, name: str) -> HubProduct:
    content = write_zip(tmp_path / "hub", name).read_bytes()
    return HubProduct(id, name, content, parse_name(name).start)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("DHUS_USERNAME", USER)
    monkeypatch.setenv("DHUS_PASSWORD", PASSWORD)
    monkeypatch.setenv("SSL4SAR_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("SSL4SAR_CACHE", str(tmp_path / "cache"))
    products = [
        hub_product(tmp_path, ONE, NAMES["hh"]),
        hub_product(tmp_path, TWO, NAMES["vv"]),
        hub_product(tmp_path, "uuid-of-ew", NAMES["ew"]),
        hub_product(tmp_path, "uuid-of-s2", NAMES["s2"]),
    ]
    with dhus_server(products) as server:
        yield server


def provider(hub: Hub, **config: object) -> Dhus:
    told = {"hub_url": hub.url, "offline_poll_s": 0.02, "offline_wait_min": 0.05} | config
    return Dhus(DhusConfig.model_validate(told), attempts=3, retry_s=0.01, timeout_s=10.0)


def found(hub: Hub, **changes: object) -> list[str]:
    return [product.name for product in taken(provider(hub), query(**changes))]


def the(hub: Hub, id: str = ONE) -> Product:
    return next(product for product in provider(hub).search(query()) if product.id == id)


def test_two_of_two_are_fetched_one_from_the_archive(hub: Hub, tmp_path: Path) -> None:
    hub.products[1].polls_until_online = 2
    dhus = provider(hub)
    products = list(dhus.search(query()))
    assert [product.name for product in products] == [NAMES["hh"], NAMES["vv"]]
    for product, held in zip(products, hub.products, strict=False):
        path = dhus.fetch(product, tmp_path / product.name, Selection())
        assert path == tmp_path / product.name / f"{product.name}.zip"
        assert path.read_bytes() == held.content
    assert hub.triggered == {TWO}
    assert all(allowed for *_, allowed in hub.requests)


def test_a_product_holds_what_the_hub_tells(hub: Hub) -> None:
    hub.products[0].properties["size"] = "1.5 GB"
    product = the(hub)
    assert (product.provider, product.platform, product.mode) == ("dhus", "S1A", "IW")
    assert product.start == product.stop == datetime(2020, 3, 5, 6, 54, 32, tzinfo=UTC)
    assert (product.relative_orbit, product.orbit_direction) == (66, "descending")
    assert (product.polarisations, product.datatake) == (("HH", "HV"), "03A21C")
    assert product.size_bytes == 1.5 * 1024**3
    assert Product.from_row(json.loads(json.dumps(product.as_row()))) == product
    (optical,) = taken(provider(hub), query(mission="sentinel-2", product_type="S2MSI2A"))
    assert (optical.cloud_percent, optical.tile) == (12.5, "33XVG")
    assert (optical.processor_version, optical.relative_orbit) == ("02.14", 138)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"product_type": "EW_GRDM_1S"}, ["ew"]),
        ({"relative_orbits": (7, 66)}, ["hh", "vv"]),
        # The hub takes the last moment as part of the time, a query does not.
        ({"stop": datetime(2020, 6, 11, 16, tzinfo=UTC)}, ["hh"]),
        ({"mission": "sentinel-2", "product_type": "S2MSI2A", "max_cloud_percent": 12.5}, ["s2"]),
        ({"mission": "sentinel-2", "product_type": "S2MSI2A", "max_cloud_percent": 12.0}, []),
    ],
)
def test_what_the_hub_is_asked_for_is_what_is_taken(
    hub: Hub, changes: dict[str, object], names: list[str]
) -> None:
    assert found(hub, **changes) == [NAMES[name] for name in names]


def test_more_than_a_page_is_listed_in_order_without_loss(hub: Hub) -> None:
    first = hub.products[0]
    hub.products = [
        replace(
            first,
            id=f"id{i:03}",
            name=first.name.replace("1A2B", f"{i:04X}"),
            start=datetime(2020, 1 + i % 12, 1, tzinfo=UTC),
        )
        for i in range(230)
    ]
    assert len(set(found(hub))) == 230
    searches = [path for _, path, _ in hub.requests if path == "/search"]
    assert len(searches) == 3 + 1


def test_lost_products_are_an_error(hub: Hub) -> None:
    hub.count_more = 1
    with pytest.raises(UserError, match="listed 2 products of 3"):
        found(hub)


@pytest.mark.parametrize("body", [True, False])
def test_wrong_password_is_one_line_and_one_try(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: bool
) -> None:
    hub.empty_401 = not body
    product = the(hub)
    for password, act in (
        ("wrong-one", lambda: found(hub)),
        ("wrong-two", lambda: provider(hub).fetch(product, tmp_path / "work", Selection())),
    ):
        monkeypatch.setenv("DHUS_PASSWORD", password)
        hub.requests.clear()
        for _ in range(3):  # the jobs after the first do not try it again
            with pytest.raises(UserError) as caught:
                act()
            assert str(caught.value) == (
                f"{hub.url}: user name or password of DHUS_USERNAME in the environment refused; "
                "correct them; they are not tried again for some minutes, so that the account is "
                "not locked"
            )
        assert len(hub.requests) == 1


def test_product_that_stays_in_the_archive_is_missing(hub: Hub, tmp_path: Path) -> None:
    hub.products[0].polls_until_online = 10**9
    product = the(hub)
    with pytest.raises(MissingProductError, match=r"did not come back within 0\.005 minutes"):
        provider(hub, offline_wait_min=0.005).fetch(product, tmp_path / "work", Selection())
    assert hub.triggered == {ONE}
    assert list((tmp_path / "work").iterdir()) == []


def test_wrong_checksum_is_missing_after_some_tries(hub: Hub, tmp_path: Path) -> None:
    product = the(hub)
    hub.products[0].md5 = "0" * 32
    with pytest.raises(MissingProductError, match="wrong 3 times"):
        provider(hub).fetch(product, tmp_path / "work", Selection())
    assert hub.served == [ONE] * 3


def test_broken_download_resumes_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    product = the(hub)
    hub.break_after = [3000]
    path = provider(hub).fetch(product, tmp_path / "work", Selection())
    assert path.read_bytes() == hub.products[0].content
    assert len(hub.served) == 2
    # A finished product is not fetched again.
    assert provider(hub).fetch(product, tmp_path / "work", Selection()) == path
    assert len(hub.served) == 2


def test_no_hub_is_explained_by_the_closure() -> None:
    with pytest.raises(UserError) as caught:
        Dhus(DhusConfig())
    text = str(caught.value)
    assert text.startswith("dhus.hub_url: it is missing")
    assert "closed in 2023" in text
    assert "sentinel.provider: cdse" in text
    assert "\n" not in text


def test_password_is_never_sent_unprotected() -> None:
    with pytest.raises(UserError, match="is not an https address"):
        Dhus(DhusConfig(hub_url="http://hub.example.org/dhus"))


def test_neither_log_nor_error_holds_the_password(
    hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    product = the(hub)
    hub.products[0].md5 = "0" * 32
    hub.products[1].polls_until_online = 1
    provider(hub).fetch(the(hub, TWO), tmp_path / "two", Selection())
    with pytest.raises(MissingProductError) as caught:
        provider(hub).fetch(product, tmp_path / "one", Selection())
    told = caplog.text + "".join(capfd.readouterr()) + repr(caught.value) + str(caught.value)
    assert "accepted for retrieval" in told
    assert "corrupt" in told
    for secret in (PASSWORD, "a2VubmV0aDp3", "Authorization", "Traceback"):
        assert secret not in told
    # The library's logger is as it was.
    assert not logging.getLogger("sentinelsat").handlers


def test_name_from_the_server_cannot_lead_elsewhere(hub: Hub, tmp_path: Path) -> None:
    product = the(hub)
    hub.products[0].name = "../../evil"
    path = provider(hub).fetch(product, tmp_path / "a" / "b", Selection())
    assert path == tmp_path / "a" / "b" / f"{product.name}.zip"
    assert not (tmp_path / "evil.zip").exists()
