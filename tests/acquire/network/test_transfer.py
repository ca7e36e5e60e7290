"""Downloads from a service with login, limits and faults: what a free account meets."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from cdse_server import CdseServer, Fault, Served

from ssl4sar.acquire.network import download as module
from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.download import (
    DownloadRecord,
    WrongContentError,
    download,
)
from ssl4sar.acquire.network.slots import Slots
from ssl4sar.acquire.network.token import TokenSource
from ssl4sar.acquire.providers.cdse import account
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import Checksum
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

XML_ERROR = b'<?xml version="1.0"?><error><message>no stream, token hunter2</message></error>'
JSON_ERROR = b'{"detail": "Max session number 4 exceeded."}'


@dataclass
class Client:
    """What a job has: its own tokens and access, shared with others by files only."""

    server: CdseServer

    def __post_init__(self) -> None:
        config = CdseConfig(**self.server.config_values())
        self.tokens = TokenSource(
            config.token_url, account(config), config.client_id, patience=Patience(3, 0.01, 5.0)
        )
        slots = Slots(self.server.user, 4, poll_s=0.005)
        self.access = Access(config.hosts, self.tokens, slots)

    def get(
        self,
        product: Served,
        target: Path,
        *,
        checked: bool = True,
        sized: bool = True,
        attempts: int = 4,
        timeout_s: float = 5.0,
    ) -> DownloadRecord:
        return download(
            self.server.url(product),
            target,
            [Checksum("md5", product.md5())] if checked else None,
            access=self.access,
            size_bytes=len(product.value()) if sized else None,
            patience=Patience(attempts, 0.01, timeout_s),
        )


@pytest.fixture
def client(cdse: CdseServer) -> Client:
    cdse.token_life_s = 600.0
    return Client(cdse)


@pytest.fixture
def product(cdse: CdseServer) -> Served:
    content = b"PK" + random.Random(1).randbytes(400_000)
    return cdse.add(Served("S1A_X.SAFE", content=content))


def right(path: Path, product: Served) -> bool:
    return path.read_bytes() == product.value()


@pytest.mark.slow
def test_a_busy_account_with_a_bad_line_gets_every_file_right(
    cdse: CdseServer, tmp_path: Path
) -> None:
    """Acceptance test A1: short tokens, four sessions, every connection cut after 0.7 of 3 MB."""
    cdse.token_life_s, cdse.cut_after = 0.5, 700_000
    cdse.pause_s = 0.002
    rng = random.Random(0)
    products = [
        cdse.add(Served(f"S1A_{n}.SAFE", content=rng.randbytes(3_000_000))) for n in range(12)
    ]
    client = Client(cdse)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: client.get(each, tmp_path / f"{each.name}.zip"), products))
    assert all(right(tmp_path / f"{each.name}.zip", each) for each in products)
    assert cdse.most_sessions == 4
    assert cdse.busy == 0
    assert cdse.grants["password"] == 1
    assert cdse.grants["refresh"] >= 1
    assert cdse.resumes >= 12 * 4
    assert cdse.foreign == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{each.name}.zip" for each in products
    )
    print(
        f"A1: {len(products)}/12 files equal, {len(cdse.asked)} requests, {cdse.resumes} resumed, "
        f"most sessions {cdse.most_sessions}, status 429 {cdse.busy}, logins {dict(cdse.grants)}"
    )


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(status=500),
        Fault(status=408),
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        Fault(cut_after=100_000),
        Fault(cut_after=0),
        Fault(length_lie=1000),
        Fault(length_lie=-1000),
        Fault(corrupt=True),
        Fault(empty=True),
        Fault(status=200, body=XML_ERROR),
        Fault(status=200, body=JSON_ERROR),
        Fault(status=200, body=b"<!DOCTYPE html><html>proxy</html>"),
    ],
    ids=str,
)
def test_a_fault_that_passes_is_survived(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path, fault: Fault
) -> None:
    cdse.fault("$value", fault)
    client.get(product, tmp_path / "x.zip")
    assert right(tmp_path / "x.zip", product)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_server_that_ignores_range_starts_again(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path
) -> None:
    cdse.fault("$value", Fault(cut_after=200_000), Fault(ignore_range=True))
    client.get(product, tmp_path / "x.zip")
    assert right(tmp_path / "x.zip", product)
    assert cdse.resumes == 0


def test_without_a_validator_size_and_checksum_allow_to_resume(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path
) -> None:
    cdse.validators = False
    cdse.fault("$value", Fault(cut_after=200_000), Fault(cut_after=200_000))
    client.get(product, tmp_path / "x.zip")
    assert right(tmp_path / "x.zip", product)
    assert cdse.resumes == 2
    cdse.fault("$value", Fault(cut_after=200_000))
    client.get(product, tmp_path / "y.zip", checked=False)
    assert right(tmp_path / "y.zip", product)
    assert cdse.resumes == 2


def test_wrong_content_is_downloaded_twice_and_refused(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path
) -> None:
    cdse.fault("$value", *[Fault(corrupt=True)] * 9)
    with pytest.raises(WrongContentError, match="has MD5"):
        client.get(product, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []
    assert [each.status for each in cdse.asked].count(200) == 2


def test_what_is_listed_need_not_bind(client: Client, product: Served, tmp_path: Path) -> None:
    url, wrong = client.server.url(product), Checksum("md5", "0" * 32)
    got = download(
        url, tmp_path / "x", wrong, access=client.access, size_bytes=17, is_binding=False
    )
    assert right(tmp_path / "x", product)
    assert got.bytes == len(product.value())
    assert [each.status for each in client.server.asked].count(200) == 1


def test_all_checksums_must_hold(client: Client, product: Served, tmp_path: Path) -> None:
    content = product.value()
    good = [
        Checksum("md5", hashlib.md5(content).hexdigest()),
        Checksum("sha3-256", hashlib.sha3_256(content).hexdigest()),
        Checksum("sha512", hashlib.sha512(content).hexdigest()),
    ]
    url = client.server.url(product)
    # A size of 0 is how catalogues say that they do not know it.
    got = download(url, tmp_path / "x", good, access=client.access, size_bytes=0)
    assert got.bytes == len(content)
    for bad in ([*good, Checksum("sha256", "0" * 64)], [Checksum("md5", "0" * 32), *good]):
        with pytest.raises(WrongContentError):
            download(url, tmp_path / "y", bad, access=client.access)


def test_an_error_message_that_stays_is_reported_without_its_text(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path
) -> None:
    cdse.fault("$value", *[Fault(status=200, body=XML_ERROR)] * 9)
    with pytest.raises(UserError, match="sent an XML error message instead") as caught:
        client.get(product, tmp_path / "x.zip", checked=False, sized=False)
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_wrong_credentials_end_all_downloads_after_one_login(
    cdse: CdseServer, product: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDSE_PASSWORD", "hunter2")

    def attempt(number: int) -> str:
        with pytest.raises(UserError, match="refused") as caught:
            Client(cdse).get(product, tmp_path / f"{number}.zip")
        return str(caught.value)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(attempt, range(8)))
    assert all("hunter2" not in line and "\n" not in line for line in told)
    assert cdse.grants == {"refused": 1}


def test_a_full_disk_keeps_the_part(
    cdse: CdseServer,
    client: Client,
    product: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = module._Part.append

    def until_full(part: module._Part, content: bytes) -> None:
        if part.size + len(content) > 150_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(part, content)

    monkeypatch.setattr(module._Part, "append", until_full)
    with pytest.raises(UserError, match="no space left"):
        client.get(product, tmp_path / "x.zip")
    assert (tmp_path / "x.zip.part").stat().st_size >= 90_000


def test_a_proxy_that_cuts_and_signs_in_is_survived(
    cdse: CdseServer, client: Client, product: Served, tmp_path: Path
) -> None:
    page = b"<!DOCTYPE html><html><body>University network: sign in</body></html>"
    cdse.fault(
        "$value",
        Fault(cut_after=150_000),
        Fault(status=200, body=page),
        Fault(cut_after=70_000),
        Fault(cut_after=70_000),
        Fault(status=502, body=page),
    )
    client.get(product, tmp_path / "x.zip")
    assert right(tmp_path / "x.zip", product)
