from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from cdse_server import CdseServer, Fault, Served, made_safe, record_of
from odata_catalogue import ODataAnswers

from ssl4sar.acquire.network.download import NotThereError
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

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


def client(cdse: CdseServer) -> Cdse:
    cdse.token_life_s = 600.0
    config = CdseConfig(**cdse.config_values())
    return Cdse(config, patience=Patience(3, 0.01, 5.0))


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


@pytest.mark.parametrize(("absent", "is_there"), [(0, True), (4, True), (5, False)])
def test_a_file_of_a_listed_product_is_asked_for_again(
    cdse: CdseServer,
    served: Served,
    product: Product,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    absent: int,
    is_there: bool,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.acquire.providers.cdse.time", SimpleNamespace(sleep=waits.append))
    answers = ODataAnswers([record_of(served)])
    cdse.catalogue = answers.answer
    cdse.fault("manifest.safe", *[Fault(status=404)] * absent)
    nodes, target = (served.name, "manifest.safe"), tmp_path / "manifest.safe"
    if is_there:
        client(cdse).download_node(product, nodes, target)
        assert target.read_bytes() == served.files["manifest.safe"]
    else:
        with pytest.raises(NotThereError):
            client(cdse).download_node(product, nodes, target)
        assert list(tmp_path.iterdir()) == []
    assert len(waits) == min(absent, 4)
    assert waits == sorted(waits)  # each longer than the one before
    assert len(answers.asked) == min(absent, 1)


def test_a_file_of_a_product_that_is_not_listed_is_asked_for_once(
    cdse: CdseServer, served: Served, product: Product, tmp_path: Path
) -> None:
    cdse.catalogue = ODataAnswers([]).answer
    cdse.fault("manifest.safe", Fault(status=404))
    with pytest.raises(NotThereError):
        client(cdse).download_node(product, (served.name, "manifest.safe"), tmp_path / "x")
    assert [each.status for each in cdse.asked].count(404) == 1
