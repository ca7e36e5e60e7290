"""The targets inventory and scenes against a Copernicus Data Space on this machine."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cdse_server import CdseServer, Fault, Served, serve_cdse, synthetic_name
from made_orbits import eof, poeorb, record
from micro_study import PROJECT
from micro_study import SCENES as ACQUIRED
from project_copy import House, copy_project
from waiting import wait_until

from ssl4sar.acquire.areas import read_glaciers
from ssl4sar.acquire.catalogue.inventory import Inventory, read_inventory
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.core.hashing import sha256_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PASSWORD = "pa ss/wörd&secret"
GLACIER = "Kronebreen"
SCENES = 3
#: More jobs than the account may have connections.
CROWD = 5


@pytest.fixture
def cdse(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CdseServer]:
    """The service with scenes of one glacier, and an account in the environment."""
    for name, variable in (("cache", "SSL4SAR_CACHE"), ("locks", "SSL4SAR_LOCKS")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    area = read_glaciers(PROJECT / "config" / "glaciers.geojson")[GLACIER].geojson
    with serve_cdse(password=PASSWORD) as server:
        server.token_life_s = 600.0
        server.make_up(area, getattr(request, "param", SCENES))
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def house(cdse: CdseServer, tmp_path: Path) -> House:
    """A copy of the project that acquires one glacier from the service."""
    house = copy_project(tmp_path / "house")
    house.target, house.execution = "scenes", ("--cores", "8")
    configure(house, cdse)
    return house


def configure(house: House, cdse: CdseServer, **changes: object) -> None:
    """Write the configuration of a house; two underscores stand for a dot."""
    values = {
        "acquisition.glaciers": [GLACIER],
        "sentinel.provider": "cdse",
        "sentinel.start": "2020-01-01",
        "sentinel.end": "2020-03-31",
        "optical.count": 0,
        **{f"cdse.{key}": value for key, value in cdse.config_values().items()},
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    house.configure({**values, "cdse.hosts": list(values["cdse.hosts"])})


def inventory(house: House) -> Inventory:
    return read_inventory(house.root / f"data/inventory/{GLACIER}/inventory.jsonl")


def files_of(house: House) -> dict[str, str]:
    folder = house.root / "data" / "scenes"
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*.SAFE/**/*"))
        if path.is_file() and ".partial/" not in path.as_posix()
    }


def expected_files(cdse: CdseServer) -> set[str]:
    return {
        f"{served.name.removesuffix('.SAFE')}/{served.name}/{path}"
        for served in cdse.products.values()
        for path in served.files
        if path == "manifest.safe" or ("-hh-" in path and "/rfi/" not in path)
    }


def assert_no_secret_anywhere(folder: Path, cdse: CdseServer) -> None:
    secrets = [PASSWORD, *cdse.tokens, *cdse.refreshes]
    searched = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            searched += 1
            assert not [path for secret in secrets if secret.encode() in content]
    assert searched > 50


def assert_all_fetched(house: House, cdse: CdseServer, damaged: str | None = None) -> None:
    """Compare all scenes with what the service has, but one that is damaged there."""
    expected = {path for path in expected_files(cdse) if path.partition("/")[0] != damaged}
    assert files_of(house).keys() == expected
    for served in cdse.products.values():
        if served.nodes:
            for path, content in served.files.items():
                fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
                assert not fetched.exists() or fetched.read_bytes() == content


def measurement_of(number: int) -> str:
    """Return the address at which the image of a scene begins."""
    time_of = synthetic_name(number).split("_")[4].lower()
    return f"/Nodes(measurement)/Nodes(s1a-iw-grd-hh-{time_of}"


@pytest.mark.parametrize("cdse", [CROWD], indirect=True)
def test_from_catalogue_to_verified_scenes_through_broken_answers(
    house: House, cdse: CdseServer
) -> None:
    house.build(target="inventory")
    assert [p.name for p in inventory(house).products] == [synthetic_name(n) for n in range(CROWD)]
    assert cdse.grants == {}  # the catalogue needs no account

    dry = house.build("-n")
    assert f"{CROWD} Sentinel-1 and 0 Sentinel-2 products of 1 glacier," in dry
    assert "days of the quota" in dry

    # To each scene its own: two wrong contents of one scene rightly count as damaged at source.
    faults = (
        [Fault(cut_after=100_000)],
        [Fault(corrupt=True)],
        [Fault(cut_after=50_000), Fault(ignore_range=True, cut_after=30_000)],
        [Fault(length_lie=-7)],
    )
    for number, each in enumerate(faults):
        cdse.fault(measurement_of(number), *each)
    text = house.build()
    assert cdse.faults_left == 0
    assert not [secret for secret in (PASSWORD, *cdse.tokens, *cdse.refreshes) if secret in text]
    assert_all_fetched(house, cdse)
    # Each job is a process: one login, and never more than the account may have.
    assert cdse.grants["password"] == 1
    assert cdse.most_sessions <= cdse.sessions
    assert cdse.foreign == []
    assert f"{CROWD} products, " in text
    assert "verified; 0 missing" in text
    assert_no_secret_anywhere(house.root, cdse)

    asked = len(cdse.asked)
    assert "Nothing to be done" in house.build()
    # What was altered is noticed when its job runs for other reasons, and fetched again; of the
    # others nobody is asked.
    records = sorted((house.root / "data/scenes").glob("S1A_*.json"))
    before = {path: path.read_bytes() for path in records if "provenance" not in path.name}
    altered = next((house.root / "data/scenes").glob("*/*.SAFE/measurement/*"))
    altered.write_bytes(b"altered")
    text = house.build("--forcerun", "fetch_scene")
    assert text.count("have changed since they were fetched") == 1
    assert len(cdse.asked) > asked
    assert {path: path.read_bytes() for path in before} == before
    assert_all_fetched(house, cdse)


def test_another_search_fetches_what_is_new_alone(house: House, cdse: CdseServer) -> None:
    name = poeorb("2020-01-01", "2020-01-22")
    content = eof(name).encode()
    served = cdse.add(Served(f"{name}.EOF", content=content, nodes=False))
    digest = {"Value": served.md5(), "Algorithm": "MD5", "ChecksumDate": ""}
    listed = record(name, Id=served.id, ContentLength=len(content), Checksum=[digest])
    for each in cdse.answers.records:
        each["Checksum"], each["ContentLength"] = [], 0
    cdse.answers.records.append(listed)
    configure(house, cdse, sentinel__orbits="precise", sentinel__end="2020-01-05")
    house.build(target="inventory")
    assert inventory(house).header.orbit_of == {synthetic_name(0): name}
    house.build()
    assert (house.root / f"data/orbits/{name}.EOF").read_bytes() == content
    first, asked = files_of(house), len(cdse.asked)

    # The service tells more of the product now: it is compared, and nobody is asked.
    scenes = [each for each in cdse.products.values() if each.nodes]
    for each, scene in zip(cdse.answers.records, scenes, strict=False):
        each["Checksum"] = [{"Value": scene.md5(), "Algorithm": "MD5", "ChecksumDate": ""}]
        each["ContentLength"] = len(scene.value())
        each["Online"] = False
    house.build(target="refresh")
    assert "md5" in inventory(house).products[0].checksums
    text = house.build("--forcerun", "fetch_orbit")
    assert text.count("rule fetch_scene:") == 1
    assert "; 0 missing" in text
    assert (files_of(house), len(cdse.asked)) == (first, asked)

    # A second polarisation joins the first, once the product is online.
    for each in cdse.answers.records:
        each["Online"] = True
    changes = {"sentinel__orbits": "precise", "sentinel__end": "2020-01-05"}
    configure(house, cdse, sentinel__polarisation="HV", **changes)
    house.build(target="inventory")
    house.build()
    both = files_of(house)
    assert first.items() < both.items()
    assert sum("-hv-" in name for name in both) == sum("-hh-" in name for name in both)
    fetched = FetchRecord.read(house.root / f"data/scenes/{synthetic_name(0)}.json")
    assert fetched.polarisations == ("HH", "HV")


def test_refused_then_killed_then_run_again_with_products_gone_and_damaged(
    house: House, cdse: CdseServer
) -> None:
    house.build(target="inventory")
    house.variables = {"CDSE_PASSWORD": "another secret"}
    done = house.snakemake("--configfile", house.config, "--keep-going", "--", "scenes")
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    # One line per job, the same for all but the first; what Snakemake adds is bounded too.
    assert 1 <= len(told) <= SCENES, told
    assert all("user name or password from CDSE_USERNAME" in line for line in told)
    assert all("were refused" in line for line in told)
    assert len(set(told)) <= 2, told
    assert len(done.stderr.splitlines()) < 40 * SCENES
    assert "Traceback" not in done.stderr
    assert "another secret" not in done.stdout + done.stderr
    # Several jobs must not lock an account with as many wrong passwords.
    assert cdse.grants["refused"] == 1

    house.variables = {}
    cdse.pause_s = 0.15
    with house.running() as process:
        wait_until(
            lambda: cdse.active >= 2 or process.poll() is not None, "two transfers", poll_s=0.05
        )
        assert process.poll() is None, house.said()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (house.root / ACQUIRED).exists()
    cdse.pause_s = 0.0
    assert house.snakemake("--configfile", house.config, "--unlock").returncode == 0

    # Products that are gone or damaged are tolerated up to a number.
    lost = next(iter(cdse.products.values()))
    del cdse.products[lost.id]
    records = cdse.answers.records
    cdse.answers.records = [each for each in records if each["Id"] != lost.id]
    # One that is wrong twice is damaged at its source.
    cdse.fault(measurement_of(1), Fault(corrupt=True), Fault(length_lie=-7))
    line = house.fail("--keep-going")
    assert f"2 of {SCENES} products " in line
    assert f"({synthetic_name(0)}, {synthetic_name(1)})" in line
    found = [
        FetchRecord.read(house.root / f"data/scenes/{synthetic_name(number)}.json")
        for number in (0, 1)
    ]
    assert [each.status for each in found] == ["missing", "missing"]
    assert "damaged" in (found[1].reason or "")

    configure(house, cdse, acquisition__max_missing=2)
    house.build()
    summary = json.loads((house.root / ACQUIRED).read_text())
    assert summary["fetched"] == SCENES - 2
    assert sorted(summary["missing"]) == [synthetic_name(0), synthetic_name(1)]
    assert_all_fetched(house, cdse, damaged=synthetic_name(1))
    assert not list((house.root / "data/scenes").glob(".*.partial"))
    assert_no_secret_anywhere(house.root, cdse)


def test_the_trial_of_the_readme_works_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    block = readme.split("<!-- trial without an account -->")[1].split("```")[1]
    serve, export, *runs = block.removeprefix("bash\n").strip().splitlines()
    assert serve.endswith("&")
    assert len(runs) == 3
    for name in ("cache", "locks"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"SSL4SAR_{name.upper()}", str(tmp_path / name))
    for pair in export.split("#")[0].split()[1:]:
        monkeypatch.setenv(*pair.split("="))
    house = copy_project(tmp_path / "house")
    command = [sys.executable, *shlex.split(serve.removesuffix("&"))[1:]]
    command[command.index("--port") + 1] = "0"
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            told = "".join(iter(server.stdout.readline, "}\n"))
            port = json.loads(told[told.index("{") :] + "}")["cdse"]["hosts"][0].split(":")[1]
            config = house.root / "config" / "trial.yaml"
            config.write_text(config.read_text().replace("8123", port))
            for line in runs:
                words = shlex.split(line, comments=True)
                assert words[0] == "snakemake"
                done = subprocess.run(
                    [sys.executable, "-m", *words],
                    cwd=house.root,
                    env=house.environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr[-3000:]
        finally:
            server.kill()
    summary = json.loads((house.root / "runs/trial/sentinel/scenes.json").read_text())
    assert summary["fetched"] == 12
