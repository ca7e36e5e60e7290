"""Asking a catalogue: patient, never with credentials, never sent elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from odata_catalogue import ODataAnswers, serve_catalogue

from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess, RefusedError
from ssl4sar.core.errors import UserError


def test_what_netrc_holds_is_never_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    request = {}

    def send(_: object, prepared: object, **__: object) -> None:
        request["headers"] = dict(prepared.headers)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr("requests.Session.send", send)
    with pytest.raises(KeyboardInterrupt):
        CatalogueAccess("https://catalogue.example/odata/v1").json("https://catalogue.example/x")
    assert request["headers"]["Accept"] == "application/json"
    assert "Authorization" not in request["headers"]


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("3", 3.0, 3.75),
        ("100000", 600.0, 750.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 600.0, 750.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.1),
        ("soon", 0.0, 0.1),
    ],
)
def test_forms_of_the_wait_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str, least: float, most: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waits.append)
    answers = ODataAnswers(faults=["503"], headers={"Retry-After": asked})
    with serve_catalogue(answers) as url:
        CatalogueAccess(url, first_wait_s=0.01).json(f"{url}/Products")
    assert len(waits) == 1
    assert least <= waits[0] <= most


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://catalogue.example/odata/v1/Products?x", True),
        ("https://CATALOGUE.example/other", True),
        ("http://catalogue.example/odata/v1/Products", False),
        ("https://catalogue.example:8443/odata/v1/Products", False),
        ("https://catalogue.example.org/odata/v1/Products", False),
        ("https://catalogue.example@elsewhere.example/", False),
        ("//catalogue.example/x", False),
        ("/odata/v1/Products", False),
        ("https://catalogue.example:port/", False),
        ("", False),
    ],
)
def test_which_addresses_are_its_own(url: str, own: bool) -> None:
    assert CatalogueAccess("https://catalogue.example/odata/v1/").is_own(url) == own


def test_the_waits_double_and_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waits.append)
    answers = ODataAnswers(faults=["500"] * 6)
    with serve_catalogue(answers) as url:
        with pytest.raises(UserError, match="failed 6 times in a row"):
            CatalogueAccess(url, attempts=6, first_wait_s=1.0).json(f"{url}/Products")
    assert len(waits) == 5
    for number, wait_s in enumerate(waits):
        assert 2**number <= wait_s <= 1.25 * 2**number
    assert len(set(waits)) == 5


def test_an_outage_of_minutes_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waits.append)
    answers = ODataAnswers(faults=["503"] * 11)
    with serve_catalogue(answers) as url:
        CatalogueAccess(url).json(f"{url}/Products")
    assert sum(waits) > 6 * 60


def test_a_busy_catalogue_is_waited_for_without_counting_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waits.append)
    with serve_catalogue(ODataAnswers(faults=["429"] * 30)) as url:
        CatalogueAccess(url, attempts=2).json(f"{url}/Products")
    assert len(waits) == 30
    with serve_catalogue(ODataAnswers(faults=["429"] * 9999)) as url:
        with pytest.raises(UserError, match=r"busy for 1\.0 h \(it answered 429"):
            CatalogueAccess(url, attempts=2).json(f"{url}/Products")


def test_a_refusal_is_not_asked_again_and_tells_its_status() -> None:
    answers = ODataAnswers(faults=["422"])
    with serve_catalogue(answers) as url:
        with pytest.raises(RefusedError) as caught:
            CatalogueAccess(url, "my.key").json(f"{url}/Products")
    assert caught.value.status == 422
    assert "check my.key" in str(caught.value)
    assert len(answers.asked) == 1


def test_a_redirect_is_not_followed() -> None:
    target = ODataAnswers()
    with serve_catalogue(target) as elsewhere:
        answers = ODataAnswers(faults=["307"], headers={"Location": f"{elsewhere}/Products"})
        with serve_catalogue(answers) as url:
            with pytest.raises(RefusedError, match=r"sends to 127\.0\.0\.1; correct"):
                CatalogueAccess(url).json(f"{url}/Products")
    assert target.asked == []


def test_an_address_that_is_none() -> None:
    with pytest.raises(UserError, match="cannot be used: it is not an http or https address"):
        CatalogueAccess("no address")
