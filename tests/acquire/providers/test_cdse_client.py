from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from cdse_server import CdseServer, Served, made_safe, record_of
from odata_catalogue import ODataAnswers

from ssl4sar.acquire.network.patience import Patience
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.cdse import account
from ssl4sar.acquire.providers.cdse_client import CdseClient
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError

TIME = datetime(2020, 1, 1, 7, tzinfo=UTC)
PRODUCT = Product(
    provider="cdse",
    id="an id/",
    name="X",
    mission="sentinel-1",
    platform="S1A",
    product_type="IW_GRDH_1S",
    start=TIME,
    stop=TIME,
)


def client(cdse: CdseServer) -> CdseClient:
    cdse.token_life_s = 600.0
    config = CdseConfig(**cdse.config_values())
    return CdseClient(config, account(config), Patience(3, 0.01, 5.0))


@pytest.fixture
def served(cdse: CdseServer) -> Served:
    return cdse.add(made_safe())


@pytest.fixture
def product(served: Served) -> Product:
    return dataclasses.replace(PRODUCT, id=served.id)


def test_addresses_are_those_of_the_interface(cdse: CdseServer) -> None:
    made, base = client(cdse), f"{cdse.download_url}/Products(an%20id%2F)"
    assert made.address(PRODUCT) == f"{base}/$value"
    nodes = ("X.SAFE", "a b", "c.tiff")
    assert (
        made.address(PRODUCT, *nodes) == f"{base}/Nodes(X.SAFE)/Nodes(a%20b)/Nodes(c.tiff)/$value"
    )


def test_the_catalogue_tells_whether_a_product_is_listed(
    cdse: CdseServer, served: Served, product: Product
) -> None:
    answers = ODataAnswers([record_of(served)])
    cdse.catalogue = answers.answer
    assert client(cdse).is_still_listed(product)
    answers.records[0]["Online"] = False
    assert not client(cdse).is_still_listed(product)
    answers.records.clear()
    assert not client(cdse).is_still_listed(product)
    answers.faults = ["403"]
    with pytest.raises(UserError, match="403"):
        client(cdse).is_still_listed(product)
