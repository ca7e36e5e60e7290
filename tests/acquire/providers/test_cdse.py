from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from cdse_server import CdseServer, Fault, Served, made_safe, packed, record_of
from odata_catalogue import ODataAnswers
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.acquire.query import MissingProductError, Query, Selection
from ssl4sar.config.services import CdseConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

#: Each starts a server; `test_contract.py` asks the same server in the quick tier.
pytestmark = pytest.mark.slow
SUPPORT = Path(__file__).parents[2] / "support"
NAME = "S1A_IW_GRDH_1SDH_20200101T070000_20200101T070025_030600_038000_ABCD"
#: A job of its own: addresses, folder and name of the product are its arguments.
JOB = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from ssl4sar.core.retry import Patience
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import Selection
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.config.services import CdseConfig

config, folder, *rows = sys.argv[1:]
provider = Cdse(CdseConfig(**json.loads(config)), patience=Patience(6, 0.02, 30.0))
for row in rows:
    product = Product.from_row(json.loads(row))
    provider.fetch(product, Path(folder) / product.name, Selection())
"""


def listed(served: Served, **changes: Any) -> Product:
    """Return a product as the catalogue lists it."""
    time = datetime(2020, 1, 1, 7, tzinfo=UTC)
    product = Product(
        provider="cdse",
        id=served.id,
        name=served.name.removesuffix(".SAFE"),
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=time,
        stop=time,
        size_bytes=len(served.value()),
        checksums={"md5": served.md5()},
    )
    return dataclasses.replace(product, **changes)


def provider(cdse: CdseServer, **changes: Any) -> Cdse:
    config = CdseConfig(**cdse.config_values() | changes)
    return Cdse(config, patience=Patience(3, 0.01, 5.0))


@pytest.fixture
def served(cdse: CdseServer) -> Served:
    cdse.token_life_s = 600.0
    return cdse.add(made_safe(NAME))


@dataclass
class Here:
    """The service with one product, and a folder to fetch it to."""

    cdse: CdseServer
    served: Served
    folder: Path

    def fetch(self, product: Product | None = None, **config: Any) -> Path:
        made = provider(self.cdse, **config)
        return made.fetch(product or listed(self.served), self.folder, Selection())


@pytest.fixture
def here(cdse: CdseServer, served: Served, tmp_path: Path) -> Here:
    return Here(cdse, served, tmp_path)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def wanted(served: Served, pol: str = "hh") -> dict[str, bytes]:
    return {
        path: content
        for path, content in served.files.items()
        if path == "manifest.safe" or (f"-{pol}-" in path and "rfi" not in path)
    }


def assert_fetched(safe: Path, served: Served, pol: str = "hh") -> None:
    expected = wanted(served, pol)
    assert names(safe) == set(expected)
    for path, content in expected.items():
        assert (safe / path).read_bytes() == content


@pytest.mark.parametrize(("polarisation", "taken"), [("copolar", "hh"), ("HV", "hv")])
def test_only_the_needed_files_are_fetched(here: Here, polarisation: str, taken: str) -> None:
    safe = provider(here.cdse).fetch(
        listed(here.served), here.folder / "x", Selection(polarisation)
    )
    assert safe == here.folder / "x" / f"{NAME}.SAFE"
    assert_fetched(safe, here.served, taken)
    with pytest.raises(MissingProductError, match=f"^{NAME}: .*VV"):
        provider(here.cdse).fetch(listed(here.served), here.folder / "y", Selection("VV"))
    paths = [each.path for each in here.cdse.asked if each.status == 200][:5]
    assert paths[0].endswith("/Nodes(manifest.safe)/$value")
    assert here.cdse.grants == {"password": 1}


def test_what_is_there_is_not_fetched_again(here: Here) -> None:
    safe = here.fetch()
    before = len(here.cdse.asked)
    damaged = next(safe.glob("annotation/*.xml"))
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    here.fetch()
    assert_fetched(safe, here.served)
    again = {each.path for each in here.cdse.asked[before:]}
    assert len(again) == 1
    assert damaged.name in again.pop()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(cut_after=70_000),
        Fault(length_lie=-10),
        Fault(length_lie=10),
        Fault(status=200, body=b"<error><message>no</message></error>"),
        Fault(status=200, body=b'{"detail": "no"}'),
        Fault(empty=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["manifest.safe", ".tiff"])
def test_faults_of_single_files_are_survived(here: Here, fault: Fault, place: str) -> None:
    here.cdse.fault(place, fault)
    assert_fetched(here.fetch(), here.served)


def test_a_manifest_with_a_wrong_digit_is_fetched_again(here: Here) -> None:
    path = next(name for name in wanted(here.served) if name.endswith(".tiff"))
    digest = hashlib.md5(here.served.files[path]).hexdigest().encode()
    bad = here.served.files["manifest.safe"].replace(digest, b"0" * 32)
    here.cdse.fault("manifest.safe", Fault(status=200, body=bad))
    assert_fetched(here.fetch(), here.served)


def test_a_product_without_single_files_is_fetched_whole(here: Here) -> None:
    here.served.nodes = False
    path = here.fetch()
    assert path == here.folder / f"{NAME}.zip"
    assert path.read_bytes() == here.served.value()


@pytest.mark.parametrize("longer", [0, 17])
def test_a_product_that_is_packed_again_is_proven_by_its_manifest(
    here: Here, capsys: pytest.CaptureFixture[str], longer: int
) -> None:
    here.served.packs_anew = longer
    path = here.fetch(whole_products=True)
    assert path.read_bytes() == here.served.packings[0] != here.served.value()
    assert len(here.served.packings) == 1
    told = capsys.readouterr().err
    assert told.count("warning") == 1
    assert "it is packed again: all 11 files agree with the manifest" in told
    here.fetch(whole_products=True)
    assert len(here.served.packings) == 1


def spoiled(served: Served, kind: str) -> Served:
    """Return a product under the name and identifier of another, not as its catalogue lists it."""
    files = dict(served.files)
    manifest = files["manifest.safe"]
    path = next(name for name in files if name.endswith(".tiff"))
    match kind:
        case "a changed file":
            files[path] = b"x" + files[path][1:]
        case "no checksum of one file":
            files["manifest.safe"] = re.sub(rb"<checksum.*?</checksum>", b"", manifest, count=1)
        case "another product":
            other = made_safe(NAME.replace("20200101T07", "20200113T07"))
            content = packed({f"{other.name}/{k}": v for k, v in other.files.items()})
            return Served(served.name, other.files, content)
    return Served(served.name, files, packs_anew=0)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("a changed file", r"measurement/.*its md5 is"),
        ("no checksum of one file", "not"),
        ("another product", "not"),
    ],
)
def test_an_archive_that_neither_catalogue_nor_manifest_proves_is_damaged(
    here: Here, kind: str, problem: str
) -> None:
    product = listed(here.served)
    broken = here.cdse.add(spoiled(here.served, kind))
    with pytest.raises(MissingProductError, match=f"damaged.*{problem}"):
        here.fetch(product, whole_products=True)
    assert broken.id == product.id
    assert [each.status for each in here.cdse.asked].count(200) == 2
    assert names(here.folder) == set()


def test_pieces_of_two_packings_are_never_put_together(here: Here) -> None:
    here.served.packs_anew = 0
    here.cdse.heeds_if_range = False
    here.cdse.fault("$value", Fault(cut_after=200_000), Fault(cut_after=100_000))
    path = here.fetch(whole_products=True)
    assert path.read_bytes() in here.served.packings
    assert names(here.folder) == {path.name}


@pytest.mark.parametrize("validators", [False, True])
def test_an_archive_that_stays_the_same_is_resumed(here: Here, validators: bool) -> None:
    here.cdse.validators = validators
    here.cdse.fault("$value", Fault(cut_after=200_000), Fault(cut_after=100_000))
    path = here.fetch(whole_products=True)
    assert path.read_bytes() == here.served.value()
    assert here.cdse.resumes == 2


def test_an_empty_checksum_leaves_the_manifest(here: Here) -> None:
    product = listed(here.served, checksums={}, size_bytes=0)
    # Damage that neither size nor checksum of the catalogue would tell.
    here.cdse.fault("$value", Fault(corrupt=True))
    path = here.fetch(product, whole_products=True)
    assert path.read_bytes() == here.served.value()
    assert [each.status for each in here.cdse.asked].count(200) == 2


def test_without_checksums_in_the_manifest_the_whole_product_is_compared_with_the_catalogue(
    here: Here,
) -> None:
    bare = re.sub(rb"<checksum.*?</checksum>", b"", here.served.files["manifest.safe"])
    silent = here.cdse.add(Served(here.served.name, here.served.files | {"manifest.safe": bare}))
    here.cdse.fault("measurement", Fault(corrupt=True))
    archive = here.fetch(listed(silent))
    assert archive == here.folder / f"{NAME}.zip"
    assert archive.read_bytes() == silent.value()
    assert names(here.folder) == {archive.name}


@pytest.mark.parametrize(
    ("online", "variable", "told"),
    [
        (False, "CDSE_TOTP", r"offline.*Data Workspace"),
        (True, "CDSE_USERNAME", r"CDSE_USERNAME.*machine 127\.0\.0\.1 login"),
    ],
)
def test_what_cannot_be_fetched_is_not_asked_for(
    here: Here, monkeypatch: pytest.MonkeyPatch, online: bool, variable: str, told: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("CDSE_PASSWORD")
    with pytest.raises(UserError, match=told):
        here.fetch(listed(here.served, online=online))
    assert here.cdse.asked == []
    assert here.cdse.grants == {}


@pytest.mark.parametrize(
    ("changed", "whole", "told"),
    [
        ({".tiff": b"other"}, False, f"^{NAME}: .*damaged"),
        ({".tiff": b"other"}, True, f"^{NAME}: .*damaged"),
        ({"manifest.safe": b"<x/>"}, False, "lists no files"),
    ],
    ids=["file", "file of an archive", "manifest"],
)
def test_a_product_that_is_broken_at_source_is_missing(
    here: Here, changed: dict[str, bytes], whole: bool, told: str
) -> None:
    ((ending, content),) = changed.items()
    path = next(each for each in here.served.files if each.endswith(ending))
    files = here.served.files | {path: content}
    broken = here.cdse.add(Served(here.served.name, files))
    with pytest.raises(MissingProductError, match=told):
        here.fetch(listed(broken), whole_products=whole)


def test_addresses_are_those_of_the_interface(cdse: CdseServer, served: Served) -> None:
    made, base = provider(cdse), f"{cdse.download_url}/Products(an%20id%2F)"
    product = listed(served, id="an id/")
    assert made.address(product) == f"{base}/$value"
    nodes = ("X.SAFE", "a b", "c.tiff")
    expected = f"{base}/Nodes(X.SAFE)/Nodes(a%20b)/Nodes(c.tiff)/$value"
    assert made.address(product, *nodes) == expected


def list_in_catalogue(cdse: CdseServer, *products: Served, **changes: Any) -> ODataAnswers:
    answers = ODataAnswers([{**record_of(each), **changes} for each in products])
    cdse.catalogue = answers.answer
    return answers


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("status", [404, 410])
def test_what_the_catalogue_still_lists_is_not_missing(
    here: Here, whole: bool, status: int
) -> None:
    answers = list_in_catalogue(here.cdse, here.served)
    answers.faults = ["503"]
    here.cdse.fault("$value", *[Fault(status=status)] * 9)
    with pytest.raises(UserError, match="though the catalogue lists it; rerun later") as caught:
        here.fetch(whole_products=whole)
    assert not isinstance(caught.value, MissingProductError)
    # Asked once for the single files, once for the archive, and again after the 503.
    assert answers.asked == [{}] * (2 if whole else 3)
    assert [each.status for each in here.cdse.asked].count(status) == (1 if whole else 6)


@pytest.mark.parametrize("place", ["manifest.safe", ".tiff"])
@pytest.mark.parametrize("is_listed", [True, False])
def test_the_archive_stands_in_for_a_file_that_stays_away(
    here: Here, place: str, is_listed: bool
) -> None:
    list_in_catalogue(here.cdse, *[here.served] * is_listed)
    here.cdse.fault(place, *[Fault(status=404)] * 99)
    path = here.fetch()
    assert path.read_bytes() == here.served.value()
    assert names(here.folder) == {f"{NAME}.zip"}
    # One that is not listed is not waited for.
    assert [each.status for each in here.cdse.asked].count(404) == (5 if is_listed else 1)


@pytest.mark.parametrize("is_listed", [False, True])
def test_what_has_gone_offline_or_from_the_catalogue_is_missing(
    here: Here, is_listed: bool
) -> None:
    list_in_catalogue(here.cdse, *[here.served] * is_listed, Online=False)
    here.cdse.products.clear()
    with pytest.raises(MissingProductError, match="does not have it any more"):
        here.fetch()


def test_a_single_file_is_fetched_and_verified(here: Here) -> None:
    orbit = here.cdse.add(
        Served("S1A_OPER_AUX_POEORB_X.EOF", content=b"<Earth_Explorer_File/>" * 99)
    )
    target = here.folder / "orbits" / "X.EOF"
    record = provider(here.cdse).fetch_file(listed(orbit), target)
    assert target.read_bytes() == orbit.value()
    assert record.sha256 == hashlib.sha256(orbit.value()).hexdigest()
    here.cdse.fault("$value", *[Fault(corrupt=True)] * 2)
    with pytest.raises(MissingProductError, match="damaged"):
        provider(here.cdse).fetch_file(listed(orbit), here.folder / "Y.EOF")


def job(cdse: CdseServer, folder: Path, *products: Product) -> subprocess.Popen[bytes]:
    rows = [json.dumps(product.as_row()) for product in products]
    config = json.dumps(cdse.config_values())
    with (folder / f"job-{products[0].name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", JOB, config, str(folder), *rows], stdout=log, stderr=log
        )


def test_a_killed_fetch_resumes_to_the_same_content(cdse: CdseServer, tmp_path: Path) -> None:
    """Acceptance test A14 for the fetch."""
    served = cdse.add(made_safe(NAME, size=3_000_000))
    cdse.pause_s = 0.02
    child = job(cdse, tmp_path, listed(served))
    deadline = time.monotonic() + 60
    while not any(p.stat().st_size > 500_000 for p in tmp_path.rglob("*.tiff.part")):
        assert time.monotonic() < deadline
        assert child.poll() is None, (tmp_path / f"job-{NAME}.log").read_text()
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (part,) = tmp_path.rglob("*.tiff.part")
    assert 500_000 < part.stat().st_size < 3_000_000
    cdse.pause_s = 0.0
    again = job(cdse, tmp_path, listed(served))
    assert again.wait(60) == 0
    assert_fetched(tmp_path / NAME / f"{NAME}.SAFE", served)
    assert cdse.resumes == 1
    assert cdse.grants["password"] == 1  # the second job took over the session of the first


def test_two_jobs_share_the_connections_of_the_account(cdse: CdseServer, tmp_path: Path) -> None:
    cdse.pause_s = 0.01
    cdse.token_life_s = 0.5
    pairs = []
    for number in range(6):
        name = NAME.replace("ABCD", f"AB{number:02}")
        pairs.append(cdse.add(made_safe(name, size=400_000)))
    products = [listed(each) for each in pairs]
    # Six processes for four connections; each fetches one product.
    children = [job(cdse, tmp_path, product) for product in products]
    assert [child.wait(120) for child in children] == [0] * 6
    for served, product in zip(pairs, products, strict=True):
        assert_fetched(tmp_path / product.name / served.name, served)
    assert 2 <= cdse.most_sessions <= 4
    assert cdse.busy == 0
    assert cdse.grants["password"] == 1


def test_nothing_that_a_run_leaves_holds_a_secret(
    cdse: CdseServer, own_folders: Path, tmp_path: Path
) -> None:
    served = cdse.add(made_safe(NAME))
    seen: set[str] = set()
    keep = cdse.grant

    def remember(kind: str) -> dict[str, Any]:
        granted = keep(kind)
        seen.update((granted["access_token"], granted["refresh_token"]))
        return granted

    cdse.grant = remember  # type: ignore[method-assign]
    cdse.fault(
        ".tiff",
        Fault(status=503),
        Fault(cut_after=100_000),
        Fault(status=200, body=b"<error/>"),
        Fault(redirect=f"{cdse.foreign_url}/x"),
    )
    assert job(cdse, tmp_path, listed(served)).wait(60) != 0
    log = (tmp_path / f"job-{NAME}.log").read_text()
    assert "not among the hosts" in log
    assert list(tmp_path.rglob("*.tiff.part.json"))
    cdse.forget_tokens()
    assert job(cdse, tmp_path, listed(served)).wait(60) == 0
    password = os.environ["CDSE_PASSWORD"]
    secrets = seen | {password, quote(password), quote_plus(password)}
    assert len(seen) >= 4
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    left += [path for path in (own_folders / "locks").iterdir() if path.is_file()]
    assert len(left) > 6
    for path in left:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
    # The shared file is the one place, and only its owner may read it.
    (shared,) = (own_folders / "cache").glob("*.json")
    assert any(secret in shared.read_text() for secret in seen)
    assert os.environ["CDSE_PASSWORD"] not in shared.read_text()
    assert shared.stat().st_mode & 0o777 == 0o600
    assert cdse.foreign == []


@pytest.fixture
def command_line(own_folders: Path, test_data: Path) -> Iterator[dict[str, str]]:
    """The server as a program of its own, serving the real samples."""
    root = test_data / "sentinel1" / "grdh"
    child = subprocess.Popen(
        [sys.executable, SUPPORT / "cdse_server.py", "--complete", "--port", "0", "--root", root],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines: list[str] = []
    while not (lines and lines[-1].startswith("CDSE_")):
        lines.append(child.stdout.readline())
        assert lines[-1], "the server ended"
    yield {"text": "".join(lines)}
    child.terminate()
    child.wait()


def test_search_and_fetch_from_the_server_as_a_program(
    command_line: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = command_line["text"]
    values = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for name, value in re.findall(r"(CDSE_\w+)=(\S+)", text):
        monkeypatch.setenv(name, value)
    made = Cdse(CdseConfig(**values["cdse"]), patience=Patience(3, 0.01, 10.0))
    area = MultiPolygon([box(12.0, 41.0, 14.0, 42.5)])
    glacier = Glacier("Nowhere", "Nowhere", "Italy", area, 32633)
    query = Query(
        glacier,
        "sentinel-1",
        "IW_GRDH_1S",
        datetime(2021, 1, 1, tzinfo=UTC),
        datetime(2022, 1, 1, tzinfo=UTC),
    )
    found = [product for product in made.search(query) if product.name.endswith("5371")]
    assert len(found) == 1
    safe = made.fetch(found[0], tmp_path, Selection())
    assert {path.split("/")[0] for path in names(safe)} == {
        "manifest.safe",
        "annotation",
        "measurement",
    }
    assert len(names(safe)) == 5
