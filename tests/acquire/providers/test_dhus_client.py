"""Messages without passwords, downloads that are counted."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from dhus_server import PASSWORD, USER, HubProduct, dhus_server

from ssl4sar.acquire.network.credentials import Credentials
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.providers.dhus_client import CountingAdapter, hidden, library_lines
from ssl4sar.core.address import parse_address

# Its tests start a server.
pytestmark = pytest.mark.slow

LOGIN = Credentials(USER, PASSWORD, "a test")


def test_password_is_hidden_in_every_form() -> None:
    header = "a2VubmV0aDp3aGF0IGlzIHRoZSBmcmVxdWVuY3k="
    text = f"plain {PASSWORD}, broken what is\nthe frequency, Basic {header} end"
    assert hidden(text, LOGIN) == "plain ***, broken ***, Basic *** end"


def test_lines_are_reported_without_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("sentinelsat.SentinelAPI")
    with library_lines(LOGIN):
        logger.debug("too much")
        try:
            raise ValueError(PASSWORD)
        except ValueError:
            logger.exception("There was an error")
        logger.error("id failed: Traceback (most recent call last):\n  File x\nValueError: y")
    logger.info("after")
    assert capsys.readouterr().err == "There was an error\nid failed: ValueError: y\n"


def test_downloads_of_one_account_wait_for_each_other(tmp_path: Path) -> None:
    product = HubProduct("one", "S1A", b"content", datetime(2020, 1, 1, tzinfo=UTC))
    with dhus_server([product]) as hub:
        hub.gate = threading.Event()

        def fetch() -> None:
            # A session each, as every process has its own.
            with requests.Session() as session:
                slots = Slots("a", 2, folder=tmp_path / "l")
                session.mount("http://", CountingAdapter(parse_address(hub.url), slots, 10))
                url = f"{hub.url}/odata/v1/Products('one')/$value"
                with session.get(url, auth=(USER, PASSWORD), stream=True) as response:
                    assert response.content == b"content"

        threads = [threading.Thread(target=fetch) for _ in range(5)]
        for thread in threads:
            thread.start()
        threading.Timer(0.3, hub.gate.set).start()
        for thread in threads:
            thread.join(10)
        assert hub.served == ["one"] * 5
        assert hub.most_downloads == 2
