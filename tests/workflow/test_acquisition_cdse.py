"""The targets inventory and scenes against a Copernicus Data Space on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cdse_server import CdseServer, Fault, made_safe, record_of, serve_cdse
from config_values import with_values
from odata_catalogue import ODataAnswers
from project_copy import House, copy_project
from rerun_prediction import micro

from ssl4sar.acquire.areas import read_glaciers
from ssl4sar.acquire.catalogue.inventory import read_inventory
from ssl4sar.acquire.fetch import FetchRecord
from ssl4sar.core.hashing import sha256_file

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "pa ss/wörd&secret"
GLACIER = "Kronebreen"
SCENES = 6
FIRST = datetime(2020, 1, 1, 7, tzinfo=UTC)
SUMMARY = "runs/micro/sentinel/scenes.json"


def scene_name(number: int) -> str:
    start = FIRST + timedelta(days=12 * number)
    stop = start + timedelta(seconds=25)
    times = f"{start:%Y%m%dT%H%M%S}_{stop:%Y%m%dT%H%M%S}"
    return f"S1A_IW_GRDH_1SDH_{times}_{30600 + 175 * number:06d}_038000_ABC{number:X}"


@pytest.fixture
def cdse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CdseServer]:
    """The service with scenes of one glacier, and an account in the environment."""
    for name, variable in (("cache", "SSL4SAR_CACHE"), ("locks", "SSL4SAR_LOCKS")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    area = read_glaciers(PROJECT / "config" / "glaciers.geojson")[GLACIER].geojson
    with serve_cdse(password=PASSWORD) as server:
        server.token_life_s = 600.0
        answers = ODataAnswers(origin=f"http://localhost:{server.port}")
        for number in range(SCENES):
            served = server.add(made_safe(scene_name(number), size=400_000, seed=number))
            answers.records.append({**record_of(served), "GeoFootprint": area})
        server.catalogue = answers.answer
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def house(cdse: CdseServer, tmp_path: Path) -> House:
    """A copy of the project that acquires one glacier from the service."""
    house = copy_project(tmp_path / "house")
    config = with_values(
        micro(),
        {
            "acquisition.glaciers": [GLACIER],
            "sentinel.provider": "cdse",
            "sentinel.start": "2020-01-01",
            "sentinel.end": "2020-03-31",
            "optical.count": 0,
            **{f"cdse.{key}": value for key, value in cdse.config_values().items()},
        },
    )
    config["cdse"]["hosts"] = list(config["cdse"]["hosts"])
    (house.root / house.config).write_text(yaml.safe_dump(config))
    return House(house.root, house.config, "scenes", ("--cores", "8"))


def run(house: House, target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return house.snakemake("--configfile", house.config, *arguments, "--", target)


def made(house: House, target: str, *arguments: str) -> str:
    done = run(house, target, *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


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


def test_from_catalogue_to_verified_scenes(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    inventory = read_inventory(house.root / f"data/inventory/{GLACIER}/inventory.jsonl")
    assert [p.name for p in inventory.products] == [scene_name(n) for n in range(SCENES)]
    assert cdse.grants == {}  # the catalogue needs no account

    dry = made(house, "scenes", "-n")
    assert f"{SCENES} Sentinel-1 and 0 Sentinel-2 products of 1 glacier," in dry
    assert "days of the quota" in dry

    text = made(house, "scenes")
    assert files_of(house).keys() == expected_files(cdse)
    for served in cdse.products.values():
        for path, content in served.files.items():
            fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
            assert not fetched.exists() or fetched.read_bytes() == content
    # Six jobs, each a process: one login, and never more than the account may have.
    assert cdse.grants["password"] == 1
    assert cdse.most_sessions <= cdse.sessions
    assert cdse.foreign == []
    assert "missing" in text
    assert_no_secret_anywhere(house.root, cdse)

    asked = len(cdse.asked)
    assert "Nothing to be done" in made(house, "scenes")
    # A rerun for other reasons verifies what is there and asks nobody.
    made(house, "scenes", "--forcerun", "fetch_scene")
    assert len(cdse.asked) == asked


def test_killed_in_the_middle_and_run_again(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    cdse.pause_s = 0.15
    with house.running() as process:
        deadline = time.monotonic() + 120
        while cdse.active < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert cdse.active >= 2, (house.root / "snakemake.txt").read_text()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (house.root / SUMMARY).exists()
    cdse.pause_s = 0.0
    assert run(house, "scenes", "--unlock").returncode == 0
    made(house, "scenes")
    assert files_of(house).keys() == expected_files(cdse)
    for served in cdse.products.values():
        for path, content in served.files.items():
            fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
            assert not fetched.exists() or fetched.read_bytes() == content
    assert not list((house.root / "data/scenes").glob(".*.partial"))
    assert_no_secret_anywhere(house.root, cdse)


def test_products_that_are_gone_are_tolerated_up_to_a_number(
    house: House, cdse: CdseServer
) -> None:
    made(house, "inventory")
    lost = next(iter(cdse.products.values()))
    del cdse.products[lost.id]
    done = run(house, "scenes", "--keep-going")
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(told) == 1
    assert f"1 of {SCENES} products cannot be had ({scene_name(0)})" in told[0]
    record = FetchRecord.read(house.root / f"data/scenes/{scene_name(0)}.json")
    assert record.status == "missing"

    config = yaml.safe_load((house.root / house.config).read_text())
    config["acquisition"]["max_missing"] = 1
    (house.root / house.config).write_text(yaml.safe_dump(config))
    made(house, "scenes")
    summary = json.loads((house.root / SUMMARY).read_text())
    assert (summary["fetched"], list(summary["missing"])) == (SCENES - 1, [scene_name(0)])


def test_wrong_credentials_are_told_once_and_tried_once(
    house: House, cdse: CdseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(house, "inventory")
    monkeypatch.setenv("CDSE_PASSWORD", "another secret")
    done = run(house, "scenes", "--keep-going")
    assert done.returncode != 0
    told = {line for line in done.stderr.splitlines() if "ssl4sar: error:" in line}
    assert len(told) <= 2, told
    assert "Traceback" not in done.stderr
    assert "another secret" not in done.stdout + done.stderr
    # Six jobs must not lock an account with six wrong passwords.
    assert cdse.grants["refused"] == 1


def test_a_scene_that_breaks_and_lies_comes_right(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    faults = [
        Fault(cut_after=100_000),
        Fault(corrupt=True),
        Fault(ignore_range=True, cut_after=50_000),
        Fault(length_lie=-7),
    ]
    cdse.fault("measurement", *faults)
    made(house, "scenes")
    assert files_of(house).keys() == expected_files(cdse)
    for served in cdse.products.values():
        for path, content in served.files.items():
            fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
            assert not fetched.exists() or fetched.read_bytes() == content
