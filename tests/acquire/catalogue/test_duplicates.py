"""Duplicates: one product per slice of a datatake, the one of the latest processor."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odata_catalogue import optical_record, sar_record, square
from odata_filter_reader import Record

from ssl4sar.acquire.catalogue.duplicates import collapse
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.odata import product_of_record
from ssl4sar.acquire.query import LeftOut

START = datetime(2015, 2, 3, 4, 31, 9, 215560, tzinfo=UTC)


def products(*records: Record, mission: Mission = "sentinel-1") -> list[Product]:
    return [product_of_record(record, mission) for record in records]


def fates(listed: list[Product]) -> tuple[list[str], dict[str, str]]:
    """Names of the kept products and reasons of the others, for several orders of the input."""
    kept, left_out = collapse(listed)
    for seed in range(4):
        again = collapse(random.Random(seed).sample(listed, len(listed)))
        assert ([each.id for each in again[0]], again[1]) == ([each.id for each in kept], left_out)
    assert len(kept) + len(left_out) == len(listed)
    return [each.name for each in kept], {each.name: each.reason for each in left_out}


def real_product(path: Path) -> Product:
    """A product as a catalogue would list it, from its manifest."""
    with ZipFile(path) as archive:
        name = next(each for each in archive.namelist() if each.endswith("/manifest.safe"))
        text = archive.read(name).decode()
    version = re.search(r'name="Sentinel-1 IPF" version="([\d.]+)"', text)
    times = [
        datetime.fromisoformat(time).replace(tzinfo=UTC)
        for time in re.findall(r"<safe:(?:start|stop)Time>([^<]+)", text)
    ]
    assert version is not None
    record = sar_record(times[0], version=version[1]) | {
        "Name": path.stem + ".SAFE",
        "ContentDate": {"Start": times[0].isoformat(), "End": times[1].isoformat()},
    }
    return product_of_record(record, "sentinel-1")


def test_the_real_pair_of_one_datatake(test_data: Path) -> None:
    folder = test_data / "sentinel1" / "grdh"
    listed = [real_product(path) for path in sorted(folder.glob("*.zip"))]
    assert len(listed) == 4
    kept, left_out = fates(listed)
    old = "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_FEC3"
    assert left_out == {old: "duplicate"}
    assert len(kept) == 3
    assert old.replace("FEC3", "6D00") in kept
    assert collapse(listed)[1] == [
        LeftOut(old, "duplicate", f"{old.replace('FEC3', '6D00')} has processor 2.70, here 2.36")
    ]


def test_copies_whose_times_fall_into_different_seconds() -> None:
    old = sar_record(START, version="002.36")
    new = sar_record(START + timedelta(seconds=0.9), version="002.70")
    assert old["Name"][:40] != new["Name"][:40]
    listed = products(old, new)
    assert fates(listed) == ([listed[1].name], {listed[0].name: "duplicate"})


def test_slices_of_one_datatake_stay() -> None:
    slices = [sar_record(START + number * timedelta(seconds=25)) for number in range(4)]
    listed = products(*slices)
    assert fates(listed) == ([each.name for each in listed], {})


@pytest.mark.parametrize(
    "versions", [("003.9", "003.40", "002.91"), ("9.99", "10.00", "4.03"), ("3.40", "003.51", "x")]
)
def test_versions_are_numbers_not_texts(versions: tuple[str, ...]) -> None:
    listed = [
        replace(product, processor_version=version)
        for version in versions
        for product in products(sar_record(START, version=version))
    ]
    assert fates(listed)[0] == [listed[1].name]


def test_equal_and_unknown_versions_have_one_survivor() -> None:
    listed = products(*(sar_record(START + timedelta(seconds=0.1 * i)) for i in range(3)))
    unknown = [replace(each, processor_version=None) for each in listed]
    assert len(fates(listed)[0]) == len(fates(unknown)[0]) == 1
    known = replace(listed[0], processor_version="2.36")
    assert fates([known, *unknown[1:]])[0] == [known.name]


def test_a_cloud_optimised_twin_gives_way_even_if_it_is_later() -> None:
    plain = sar_record(START, version="003.40")
    twin = sar_record(START, version="003.71", cog=True)
    listed = products(plain, twin)
    assert fates(listed) == ([listed[0].name], {listed[1].name: "cog_twin"})
    assert fates([listed[1]])[0] == [listed[1].name]


def test_a_product_listed_twice_is_kept_as_the_record_that_can_be_fetched() -> None:
    first, second = products(sar_record(START), sar_record(START, Id="0", Online=False))
    kept, left_out = collapse([second, first])
    assert kept == [first]
    assert left_out == [LeftOut(first.name, "listed_twice", f"kept as {first.id}")]


def test_the_latest_baseline_of_a_tile() -> None:
    records = [
        optical_record(START, baseline="02.14"),
        optical_record(START, baseline="05.10", made=START + timedelta(days=900)),
        optical_record(START, baseline="05.10", tile="33XVH"),
        optical_record(START + timedelta(days=3), baseline="02.14"),
    ]
    listed = products(*records, mission="sentinel-2")
    kept, left_out = fates(listed)
    assert left_out == {listed[0].name: "duplicate"}
    assert len(kept) == 3


def test_the_two_parts_of_a_tile_that_is_cut_between_strips_stay() -> None:
    north = optical_record(START, footprint=square(0.0, 1.0, 0.5))
    south = optical_record(
        START, made=START + timedelta(seconds=9), footprint=square(0.0, 0.0, 0.55)
    )
    listed = products(north, south, mission="sentinel-2")
    assert len(fates(listed)[0]) == 2
    older = optical_record(START, baseline="02.14", footprint=square(0.0, 0.0, 0.5))
    listed = products(north, south, older, mission="sentinel-2")
    assert fates(listed)[1] == {listed[2].name: "duplicate"}


# senbox-org/sen2like#23: Sen2Cor writes baseline 99.99 into the products of its users.
@given(
    official=st.integers(0, 98),
    home_made=st.integers(0, 99),
    minor=st.integers(0, 99),
    is_online=st.booleans(),
)
def test_what_was_made_at_home_ranks_below_every_official_baseline(
    official: int, home_made: int, minor: int, is_online: bool
) -> None:
    one = optical_record(START, baseline=f"{official:02}.{minor:02}", Online=is_online)
    other = optical_record(START, baseline=f"99.{home_made:02}")
    listed = products(one, other, mission="sentinel-2")
    assert fates(listed) == ([listed[0].name], {listed[1].name: "duplicate"})


@pytest.mark.parametrize("mark", ["999.99", "099.00"])
def test_marks_are_not_versions_of_sentinel_1_either(mark: str) -> None:
    listed = products(sar_record(START, version="003.40"), sar_record(START, version=mark))
    assert fates(listed)[0] == [listed[0].name]
