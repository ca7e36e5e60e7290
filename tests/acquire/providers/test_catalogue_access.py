"""Asking a catalogue: patient, never with credentials, never sent elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from odata_catalogue import ODataAnswers, serve_catalogue

from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess, RefusedError
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that were asked for instead of made."""
    waits: list[float] = []
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", waits.append)
    return waits


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


def test_an_outage_of_minutes_is_survived(waits: list[float]) -> None:
    with serve_catalogue(ODataAnswers(faults=["503"] * 11)) as url:
        CatalogueAccess(url).json(f"{url}/Products")
    assert sum(waits) > 6 * 60
    with serve_catalogue(ODataAnswers(faults=["503"] * 12)) as url:
        with pytest.raises(UserError, match="failed 12 times in a row"):
            CatalogueAccess(url).json(f"{url}/Products")


def test_a_busy_catalogue_is_waited_for_without_counting_tries(waits: list[float]) -> None:
    with serve_catalogue(ODataAnswers(faults=["429"] * 30)) as url:
        CatalogueAccess(url, Patience(2)).json(f"{url}/Products")
    assert len(waits) == 30
    with serve_catalogue(ODataAnswers(faults=["429"] * 9999)) as url:
        with pytest.raises(UserError, match=r"busy for 1\.0 h \(it answered 429"):
            CatalogueAccess(url, Patience(2)).json(f"{url}/Products")


def test_a_refusal_is_not_asked_again_and_has_its_status() -> None:
    answers = ODataAnswers(faults=["422"])
    with serve_catalogue(answers) as url:
        with pytest.raises(RefusedError, match=r"correct cdse\.catalogue_url") as caught:
            CatalogueAccess(url).json(f"{url}/Products")
    assert caught.value.status == 422
    assert len(answers.asked) == 1


def test_a_redirect_is_not_followed() -> None:
    target = ODataAnswers()
    with serve_catalogue(target) as elsewhere:
        answers = ODataAnswers(faults=["307"], headers={"Location": f"{elsewhere}/Products"})
        with serve_catalogue(answers) as url:
            with pytest.raises(RefusedError, match="refuses the question: 307"):
                CatalogueAccess(url).json(f"{url}/Products")
    assert target.asked == []
