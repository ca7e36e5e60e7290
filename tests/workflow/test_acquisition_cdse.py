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
import yaml
from cdse_server import CdseServer, Fault, Served, made_up_name, serve_cdse
from config_values import with_values
from made_orbits import eof, poeorb, record
from project_copy import House, copy_project
from rerun_prediction import micro
from waiting import wait_until

from ssl4sar.acquire.areas import read_glaciers
from ssl4sar.acquire.catalogue.inventory import read_inventory
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.core.hashing import sha256_file

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "pa ss/wörd&secret"
GLACIER = "Kronebreen"
SCENES = 4
#: More jobs than the account may have connections.
CROWD = 6
SUMMARY = "runs/micro/sentinel/scenes.json"


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


@pytest.mark.parametrize("cdse", [CROWD], indirect=True)
def test_from_catalogue_to_verified_scenes(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    inventory = read_inventory(house.root / f"data/inventory/{GLACIER}/inventory.jsonl")
    assert [p.name for p in inventory.products] == [made_up_name(n) for n in range(CROWD)]
    assert cdse.grants == {}  # the catalogue needs no account

    dry = made(house, "scenes", "-n")
    assert f"{CROWD} Sentinel-1 and 0 Sentinel-2 products of 1 glacier," in dry
    assert "days of the quota" in dry

    text = made(house, "scenes")
    assert not [secret for secret in (PASSWORD, *cdse.tokens, *cdse.refreshes) if secret in text]
    assert files_of(house).keys() == expected_files(cdse)
    for served in cdse.products.values():
        for path, content in served.files.items():
            fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
            assert not fetched.exists() or fetched.read_bytes() == content
    # Each job is a process: one login, and never more than the account may have.
    assert cdse.grants["password"] == 1
    assert cdse.most_sessions <= cdse.sessions
    assert cdse.foreign == []
    assert f"{CROWD} products, " in text
    assert "verified; 0 missing" in text
    assert_no_secret_anywhere(house.root, cdse)

    asked = len(cdse.asked)
    assert "Nothing to be done" in made(house, "scenes")
    # A rerun for other reasons verifies what is there and asks nobody.
    records = sorted((house.root / "data/scenes").glob("S1A_*.json"))
    before = {path: path.read_bytes() for path in records if "provenance" not in path.name}
    made(house, "scenes", "--forcerun", "fetch_scene")
    assert len(cdse.asked) == asked
    assert {path: path.read_bytes() for path in before} == before
    # What was altered is noticed, and fetched anew.
    next((house.root / "data/scenes").glob("*/*.SAFE/measurement/*")).write_bytes(b"altered")
    text = made(house, "scenes", "--forcerun", "fetch_scene")
    assert text.count("have changed since they were fetched") == 1
    assert len(cdse.asked) > asked
    assert {path: path.read_bytes() for path in before} == before


def test_a_refresh_that_tells_more_of_products_fetches_nothing(
    house: House, cdse: CdseServer
) -> None:
    for each in cdse.answers.records:
        each["Checksum"], each["ContentLength"] = [], 0
    made(house, "inventory")
    made(house, "scenes")
    files, asked = files_of(house), len(cdse.asked)
    for each, served in zip(cdse.answers.records, cdse.products.values(), strict=True):
        each["Checksum"] = [{"Value": served.md5(), "Algorithm": "MD5", "ChecksumDate": ""}]
        each["ContentLength"] = len(served.value())
        each["Online"] = False
    made(house, "refresh")
    (product, *_) = read_inventory(
        house.root / f"data/inventory/{GLACIER}/inventory.jsonl"
    ).products
    assert "md5" in product.checksums
    text = made(house, "scenes")
    assert text.count("rule fetch_scene:") == SCENES
    assert "; 0 missing" in text
    assert (files_of(house), len(cdse.asked)) == (files, asked)


def test_a_second_polarisation_joins_the_first(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    made(house, "scenes")
    first = files_of(house)
    config = yaml.safe_load((house.root / house.config).read_text())
    config["sentinel"]["polarisation"] = "HV"
    (house.root / house.config).write_text(yaml.safe_dump(config))
    made(house, "inventory")
    made(house, "scenes")
    both = files_of(house)
    assert first.items() < both.items()
    assert sum("-hv-" in name for name in both) == sum("-hh-" in name for name in both)
    record = FetchRecord.read(house.root / f"data/scenes/{made_up_name(0)}.json")
    assert record.polarisations == ("HH", "HV")


def test_killed_in_the_middle_and_run_again(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    cdse.pause_s = 0.15
    with house.running() as process:
        wait_until(
            lambda: cdse.active >= 2 or process.poll() is not None, "two transfers", poll_s=0.05
        )
        assert process.poll() is None, house.said()[-3000:]
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
    records = cdse.answers.records
    cdse.answers.records = [each for each in records if each["Id"] != lost.id]
    done = run(house, "scenes", "--keep-going")
    assert done.returncode != 0
    told = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(told) == 1
    assert f"1 of {SCENES} products are unavailable ({made_up_name(0)})" in told[0]
    record = FetchRecord.read(house.root / f"data/scenes/{made_up_name(0)}.json")
    assert record.status == "missing"

    config = yaml.safe_load((house.root / house.config).read_text())
    config["acquisition"]["max_missing"] = 1
    (house.root / house.config).write_text(yaml.safe_dump(config))
    made(house, "scenes")
    summary = json.loads((house.root / SUMMARY).read_text())
    assert (summary["fetched"], list(summary["missing"])) == (SCENES - 1, [made_up_name(0)])


def test_wrong_credentials_are_told_once_and_tried_once(
    house: House, cdse: CdseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(house, "inventory")
    monkeypatch.setenv("CDSE_PASSWORD", "another secret")
    done = run(house, "scenes", "--keep-going")
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


def test_scenes_that_break_and_lie_come_right(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    faults = (
        [Fault(cut_after=100_000)],
        [Fault(corrupt=True)],
        [Fault(cut_after=50_000), Fault(ignore_range=True, cut_after=30_000)],
        [Fault(length_lie=-7)],
    )
    # To each scene its own: two wrong contents of one scene rightly count as damaged at source.
    for number, each in enumerate(faults):
        time_of = made_up_name(number).split("_")[4].lower()
        cdse.fault(f"/Nodes(measurement)/Nodes(s1a-iw-grd-hh-{time_of}", *each)
    made(house, "scenes")
    assert cdse.faults_left == 0
    assert files_of(house).keys() == expected_files(cdse)
    for served in cdse.products.values():
        for path, content in served.files.items():
            fetched = house.root / "data/scenes" / served.name[:-5] / served.name / path
            assert not fetched.exists() or fetched.read_bytes() == content


def test_a_scene_that_is_wrong_twice_is_damaged_at_source(house: House, cdse: CdseServer) -> None:
    made(house, "inventory")
    time_of = made_up_name(1).split("_")[4].lower()
    cdse.fault(
        f"/Nodes(measurement)/Nodes(s1a-iw-grd-hh-{time_of}",
        Fault(corrupt=True),
        Fault(length_lie=-7),
    )
    done = run(house, "scenes", "--keep-going")
    told = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert len(told) == 1, told
    assert f"1 of {SCENES} products are unavailable ({made_up_name(1)})" in told[0]
    record = FetchRecord.read(house.root / f"data/scenes/{made_up_name(1)}.json")
    assert record.status == "missing"
    assert record.reason is not None
    assert "damaged" in record.reason


def test_precise_orbits_come_with_the_scenes(house: House, cdse: CdseServer) -> None:
    name = poeorb("2020-01-01", "2020-01-22")
    content = eof(name).encode()
    served = cdse.add(Served(f"{name}.EOF", content=content, nodes=False))
    digest = {"Value": served.md5(), "Algorithm": "MD5", "ChecksumDate": ""}
    assert cdse.answers is not None
    cdse.answers.records.append(
        record(name, Id=served.id, ContentLength=len(content), Checksum=[digest])
    )
    config = yaml.safe_load((house.root / house.config).read_text())
    config["sentinel"] |= {"orbits": "precise", "end": "2020-01-05"}
    (house.root / house.config).write_text(yaml.safe_dump(config))
    made(house, "inventory")
    header = read_inventory(house.root / f"data/inventory/{GLACIER}/inventory.jsonl").header
    assert header.orbit_of == {made_up_name(0): name}
    made(house, "scenes")
    assert (house.root / f"data/orbits/{name}.EOF").read_bytes() == content
    asked = len(cdse.asked)
    made(house, "scenes", "--forcerun", "fetch_orbit")
    assert len(cdse.asked) == asked


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
