from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from made_orbits import at, eof, orbit_name, poeorb

from ssl4sar.acquire.orbits.file import (
    OrbitRecord,
    check_orbit,
    fetch_orbit,
    read_orbit,
    write_missing_orbit,
)
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import MissingProductError
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file

START = at("2021-03-05 03:00")
NAME = orbit_name(START, START + timedelta(minutes=30), at("2021-04-01"))
OTHER_TIME = orbit_name(START + timedelta(hours=1), START + timedelta(minutes=90), at("2021-04-01"))


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_file_of_26_hours_is_read(tmp_path: Path) -> None:
    name = poeorb("2021-03-05")
    facts = check_orbit(write(tmp_path / "a.EOF", eof(name)), f"{name}.EOF")
    assert (facts.platform, facts.file_type) == ("S1A", "AUX_POEORB")
    assert facts.vectors == 26 * 360 + 1
    assert (facts.start, facts.stop) == (at("2021-03-04 22:59:42"), at("2021-03-06 00:59:42"))
    assert (facts.first_vector, facts.last_vector) == (facts.start, facts.stop)


@pytest.mark.parametrize("mission", ["Sentinel-1A", "SENTINEL-1A", "Sentinel1A"])
def test_the_satellite_is_known_however_it_is_written(tmp_path: Path, mission: str) -> None:
    assert check_orbit(write(tmp_path / "a", eof(NAME, mission=mission)), NAME).platform == "S1A"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (eof(NAME.replace("S1A", "S1B")), "AUX_POEORB of S1B, its name says AUX_POEORB of S1A"),
        (eof(NAME, mission="Sentinel-3A"), "of S3A, its name says"),
        (eof(NAME.replace("POEORB", "RESORB")), "AUX_RESORB of S1A"),
        (eof(OTHER_TIME), "valid from 2021-03-05 04:00:00 to 2021-03-05 04:30:00"),
        (eof(NAME)[:5000], "it is not XML"),
        ("", "it is not XML"),
        ("<html><body>sign in</body></html>", "there is no list of state vectors"),
        ("PK\x03\x04zip", "it is not XML"),
        (eof(NAME, vectors=90), "do not cover its validity"),
        (eof(NAME, announced=9361), "9361 state vectors announced, 181 there"),
        (eof(NAME, announced=0, vectors=0), "0 state vectors announced"),
        (eof(NAME, step_s=60), "gap between its state vectors"),
        (eof(NAME).replace(' count="181"', ""), "no list of state vectors"),
        (eof(NAME).replace("UTC=2021-03-05T03:10:00", "UTC=noon"), "not a valid orbit file"),
        (eof(NAME).replace("03:10:00.0", "03:09:40.0"), "out of order"),
        (
            '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>' + eof(NAME).split("?>")[1],
            "declares a document type",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, content: str, problem: str
) -> None:
    path = write(tmp_path / "a.EOF", content)
    with pytest.raises(UserError, match=r"a\.EOF") as caught:
        check_orbit(path, NAME)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; fetch it first"):
        read_orbit(tmp_path / "none.EOF")


def orbit() -> Product:
    return Product(
        provider="cdse",
        id="1",
        name=NAME,
        mission="sentinel-1",
        platform="S1A",
        product_type="AUX_POEORB",
        start=START,
        stop=START + timedelta(minutes=30),
    )


def test_a_file_is_fetched_checked_and_recorded_once(tmp_path: Path) -> None:
    asked = []

    def fetch(product: Product, target: Path) -> None:
        asked.append(product.name)
        target.write_text(eof(NAME))

    target = tmp_path / f"{NAME}.EOF"
    record = fetch_orbit(orbit(), target, fetch)
    assert target.read_text() == eof(NAME)
    assert record.sha256 == sha256_file(target)
    assert (record.platform, record.vectors) == ("S1A", 181)
    assert record.start == "2021-03-05T03:00:00+00:00"
    plain = json.loads((tmp_path / f"{NAME}.json").read_text())
    assert (plain["schema"], "missing" in plain) == ("ssl4sar.orbit/1", False)
    (tmp_path / f"{NAME}.json").unlink()
    assert fetch_orbit(orbit(), target, fetch, tmp_path / "record.json") == record
    assert OrbitRecord.read(tmp_path / "record.json") == record
    assert asked == [NAME]
    target.write_text(eof(NAME)[:4000])
    assert fetch_orbit(orbit(), target, fetch) == record
    assert asked == [NAME] * 2


def test_a_wrong_file_never_gets_the_name(tmp_path: Path) -> None:
    def fetch(_: Product, target: Path) -> None:
        target.write_text(eof(NAME.replace("S1A", "S1B")))

    with pytest.raises(UserError, match=rf"^{NAME}: it holds AUX_POEORB of S1B"):
        fetch_orbit(orbit(), tmp_path / f"{NAME}.EOF", fetch)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("listed", [{}, {"md5": "0" * 32}, {"md5": "abc"}, {"crc": "1"}])
def test_a_wrong_file_that_no_checksum_vouches_for_is_worth_another_try(
    tmp_path: Path, listed: dict[str, str]
) -> None:
    product = replace(orbit(), checksums=listed)
    with pytest.raises(UserError, match="rerun to fetch it again") as caught:
        fetch_orbit(product, tmp_path / "x.EOF", lambda _, path: path.write_text("<x/>"))
    assert not isinstance(caught.value, MissingProductError)


def test_a_file_as_listed_that_is_no_usable_orbit_is_missing(tmp_path: Path) -> None:
    gap = eof(NAME, step_s=60)
    product = replace(orbit(), checksums={"md5": hashlib.md5(gap.encode()).hexdigest()})
    with pytest.raises(MissingProductError, match=f"^{NAME}: .*gap between its state") as caught:
        fetch_orbit(product, tmp_path / f"{NAME}.EOF", lambda _, path: path.write_text(gap))
    assert list(tmp_path.iterdir()) == []
    write_missing_orbit(product, caught.value, tmp_path / "record.json")
    record = OrbitRecord.read(tmp_path / "record.json")
    assert record.name == NAME
    assert "gap between its state vectors" in str(record.missing)
