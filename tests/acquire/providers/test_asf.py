"""The Alaska Satellite Facility by the real asf_search, against one on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asf_server import PASSWORD, TOKEN, USER, Facility, PlainAdapter, asf_server
from shapely.geometry import MultiPolygon, box
from synthetic_safe import NAMES, write_zip
from taken import query, taken

from ssl4sar.acquire.network.exchange import Limits
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.asf import Asf
from ssl4sar.acquire.query import MissingProductError, Selection
from ssl4sar.config.services import AsfConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

asf_search = pytest.importorskip("asf_search", reason="the extra asf is not installed")
#: Each starts a server; `test_contract.py` asks the same server in the quick tier.
pytestmark = pytest.mark.slow
HH = NAMES["hh"]


@pytest.fixture
def facility(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Facility]:
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    monkeypatch.setenv("SSL4SAR_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("SSL4SAR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with asf_server() as server:
        for key in ("hh", "vv", "ew"):
            content = write_zip(tmp_path / "facility", NAMES[key]).read_bytes()
            server.products[NAMES[key]] = content
        yield server


def provider(facility: Facility) -> Asf:
    config = AsfConfig(host=facility.host, login_url=facility.url, download_hosts=(facility.host,))
    return Asf(config, patience=Patience(2, 0.01, 10.0), adapter=PlainAdapter(Limits(10.0)))


def found(facility: Facility, **changes: object) -> list[str]:
    return [product.name for product in taken(provider(facility), query(**changes))]


def the(facility: Facility) -> Product:
    return next(p for p in provider(facility).search(query()) if p.name == HH)


def test_a_product_holds_what_the_catalogue_tells(facility: Facility) -> None:
    product = the(facility)
    assert (product.provider, product.id) == ("asf", f"{HH}-GRD_HD")
    assert product.start == datetime(2020, 3, 5, 6, 54, 32, tzinfo=UTC)
    assert (product.stop - product.start).total_seconds() == 25
    assert (product.relative_orbit, product.orbit_direction) == (66, "descending")
    assert (product.polarisations, product.mode) == (("HH", "HV"), "IW")
    assert product.processor_version == "3.40"
    assert product.size_bytes == len(facility.products[HH])
    assert len(product.checksums["md5"]) == 32
    assert product.footprint is not None
    assert product.urls["product"].endswith(f"/{HH}.zip")
    assert Product.from_row(json.loads(json.dumps(product.as_row()))) == product


def test_the_catalogue_is_asked_for_what_is_looked_for(facility: Facility) -> None:
    changes = {"orbit_direction": "descending", "relative_orbits": (66,)}
    assert sorted(found(facility, **changes)) == sorted([HH, NAMES["vv"]])
    (asked,) = facility.searches
    assert ("attribute[]", "string,BEAM_MODE,IW") in asked
    # The facility's direction is that of the datatake's start.
    assert not [value for _, value in asked if "ASCENDING" in value]
    assert ("attribute[]", "int,PATH_NUMBER,66") in asked
    assert ("temporal", "2015-01-01T00:00:00Z,2027-01-01T00:00:00Z,") in asked
    assert ("bounding_box", "12.0,78.0,13.0,78.5") in asked
    assert {value for key, value in asked if key == "shortName"} >= {"SENTINEL-1A_DP_GRD_HIGH"}


def test_area_in_two_parts_is_asked_for_in_two_parts(facility: Facility) -> None:
    facility.corners = ((178.0, 70.0), (-178.0, 70.0), (-178.0, 72.0), (178.0, 72.0), (178.0, 70.0))
    both = MultiPolygon([box(179, 70.5, 180, 71), box(-180, 70.5, -179, 71)])
    products = taken(provider(facility), query(glacier=replace(query().glacier, area=both)))
    assert sorted(product.name for product in products) == sorted([HH, NAMES["vv"]])
    assert len(facility.searches) == 2
    assert {product.footprint["type"] for product in products if product.footprint} == {
        "MultiPolygon"
    }


def test_all_pages_are_listed(facility: Facility) -> None:
    facility.page_size = 1
    assert sorted(found(facility)) == sorted([HH, NAMES["vv"]])
    assert len(facility.searches) == 3


def test_product_is_fetched_with_the_token_which_no_other_host_sees(
    facility: Facility, tmp_path: Path
) -> None:
    path = provider(facility).fetch(the(facility), tmp_path / "work", Selection())
    assert path == tmp_path / "work" / f"{HH}.zip"
    assert path.read_bytes() == facility.products[HH]
    assert [(place.split("/")[1], token) for place, token in facility.downloads] == [
        ("GRD_HD", f"Bearer {TOKEN}"),
        ("signed", None),
    ]
    # A second try asks for nothing, but looks at what is there.
    provider(facility).fetch(the(facility), tmp_path / "work", Selection())
    assert len(facility.downloads) == 2
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(MissingProductError, match="delivers is damaged"):
        provider(facility).fetch(the(facility), tmp_path / "work", Selection())


def test_login_of_netrc_gets_a_token(
    facility: Facility, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN")
    netrc = tmp_path / "netrc"
    netrc.write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    netrc.chmod(0o600)
    provider(facility).fetch(the(facility), tmp_path / "work", Selection())
    assert facility.logins == 1


def test_refused_token_is_one_line_and_stays_secret(
    facility: Facility, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "an-old-token")
    with pytest.raises(UserError, match="EARTHDATA_TOKEN in the environment: the token") as caught:
        provider(facility).fetch(the(facility), tmp_path / "work", Selection())
    assert "an-old-token" not in str(caught.value)
    assert len(facility.downloads) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html></html>"),
        (200, b"{}"),
        (200, b'{"hits": 1, "items": [5]}'),
        (400, b'{"errors": ["no such parameter"]}'),
        (403, b"<html></html>"),
    ],
)
def test_nonsense_is_one_line_and_reported_to_nobody(
    facility: Facility, answer: tuple[int, bytes]
) -> None:
    facility.answers = [answer] * 5
    with pytest.raises(UserError) as caught:
        found(facility)
    assert str(caught.value).startswith(facility.host)
    assert "\n" not in str(caught.value)
    assert asf_search.REPORT_ERRORS is False
