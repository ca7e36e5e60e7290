"""Searching for a glacier: months, filters, duplicates, choice, and counts that add up."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_products import made_product
from odata_catalogue import (
    ODataAnswers,
    archive,
    names,
    optical_record,
    sar_record,
    serve_catalogue,
    square,
)
from shapely.geometry import MultiPolygon, box, mapping, shape

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.inventory import inventory_text, read_inventory
from ssl4sar.acquire.catalogue.search import (
    SearchConfig,
    SearchOutcome,
    month_windows,
    search_glacier,
)
from ssl4sar.acquire.product import Mission, Product
from ssl4sar.acquire.providers.catalogue_access import CatalogueAccess
from ssl4sar.acquire.providers.odata import ODataCatalogue, product_of_record
from ssl4sar.acquire.query import LeftOut, Query, Selection
from ssl4sar.config.sentinel import OpticalConfig, SentinelConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

#: Within tile 33XVG.
TINY = Glacier("Tiny", "Tiny", "nowhere", MultiPolygon([box(12.5, 77.6, 13.5, 78.1)]), 32633)
WHOLE = square(13.0, 77.85, 1.0)
TILED = mapping(box(12.4, 77.5, 13.6, 78.2))
AWAY = square(40.0, 77.85)
START = datetime(2020, 7, 3, 4, 5, 6, 789, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Listed:
    """A provider that lists records whatever it is asked, within the time asked for."""

    records: list[dict[str, Any]] = field(default_factory=list)
    name: str = "listed"
    missions: frozenset[Mission] = frozenset({"sentinel-1", "sentinel-2"})
    honest: bool = True
    asked: list[Query] = field(default_factory=list)

    def search(self, query: Query) -> Iterator[Product]:
        self.asked.append(query)
        for record in self.records:
            mission: Mission = "sentinel-1" if record["Name"][1] == "1" else "sentinel-2"
            product = product_of_record(record, mission)
            if mission != query.mission:
                continue
            if not self.honest or query.start <= product.start < query.stop:
                yield product

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        raise NotImplementedError


def sar(number: int = 0, **values: Any) -> dict[str, Any]:
    values = {"datatake": f"{number:06X}", "footprint": WHOLE} | values
    return sar_record(START + timedelta(hours=number), **values)


def config(optical: dict[str, Any] | None = None, **sentinel: Any) -> SearchConfig:
    values = {"provider": "cdse", "start": date(2020, 5, 1), "end": date(2020, 8, 31)} | sentinel
    return SearchConfig(
        sentinel=SentinelConfig(**values),
        optical=OpticalConfig(**({"count": 0} | (optical or {}))),
    )


def searched(
    records: Iterable[dict[str, Any]], study: SearchConfig | None = None, **options: Any
) -> SearchOutcome:
    provider = Listed(list(records))
    return search_glacier(study or config(), TINY, provider, provider, searched_utc=NOW, **options)


def kept(outcome: SearchOutcome) -> set[str]:
    return {product.name for product in outcome.inventory.products}


def reasons(outcome: SearchOutcome) -> dict[str, str]:
    return {each.name: each.reason for each in outcome.left_out}


def test_each_month_is_asked_for_once() -> None:
    provider = Listed()
    search_glacier(config(end=date(2020, 6, 15)), TINY, provider, None, searched_utc=NOW)
    assert [(each.start, each.stop) for each in provider.asked] == [
        (datetime(2020, 5, 1, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)),
        (datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 6, 16, tzinfo=UTC)),
    ]


def test_the_future_is_not_searched_but_recorded() -> None:
    provider = Listed()
    study = config(start=date(2025, 12, 31), end=date(9999, 12, 31))
    outcome = search_glacier(study, TINY, provider, None, searched_utc=NOW)
    assert provider.asked[-1].stop == datetime(2026, 2, 3, tzinfo=UTC)
    assert outcome.inventory.header.query["sentinel.end"] == "9999-12-31"
    study = config(start=date(2030, 1, 1), end=date(2031, 1, 1))
    outcome = search_glacier(study, TINY, provider, None, searched_utc=NOW)
    assert outcome.inventory.products == ()


@pytest.mark.parametrize(
    ("missions", "told"),
    [
        ({"sentinel-2"}, "sentinel.provider: listed: it holds no sentinel-1"),
        ({"sentinel-1"}, "sentinel.optical_provider: listed: it holds no sentinel-2"),
    ],
)
def test_a_provider_without_the_mission(missions: set[Mission], told: str) -> None:
    provider = Listed(missions=frozenset(missions))
    with pytest.raises(UserError, match=told):
        search_glacier(config({"count": 1}), TINY, provider, provider, searched_utc=NOW)


def test_optical_images_are_only_asked_for_in_their_season() -> None:
    provider = Listed()
    study = config({"count": 1, "months": (7, 8)})
    search_glacier(study, TINY, provider, provider, searched_utc=NOW)
    optical = [each for each in provider.asked if each.mission == "sentinel-2"]
    assert [each.start.month for each in optical] == [7, 8]
    assert optical[0].max_cloud_percent == 20.0


@pytest.mark.parametrize(
    ("record", "sentinel", "reason"),
    [
        (sar(1, kind="EW_GRDM"), {}, "product_type"),
        (sar(1, polarisation="DV"), {"polarisation": "HH"}, "polarisation"),
        (sar(1, polarisation="SH"), {"polarisation": "HV"}, "polarisation"),
        (sar(1, direction="ASCENDING"), {"orbit_direction": "descending"}, "orbit_direction"),
        (sar(1, orbit=4455), {"relative_orbits": (7,)}, "relative_orbit"),
        (sar(1, footprint=AWAY), {}, "too_little_coverage"),
        (sar(1, footprint=AWAY), {"min_coverage_percent": 0}, "too_little_coverage"),
        (sar(1, footprint=square(14.45, 77.85)), {}, "too_little_coverage"),
        (sar(0, cog=True), {}, "cog_twin"),
    ],
)
def test_what_does_not_match_is_left_out_with_its_reason(
    record: dict[str, Any], sentinel: dict[str, Any], reason: str
) -> None:
    outcome = searched([sar(0), record], config(**{"min_coverage_percent": 6} | sentinel))
    assert reasons(outcome) == {record["Name"].removesuffix(".SAFE"): reason}
    counts = outcome.inventory.header.counts
    assert (counts["found"], counts["kept"], counts[reason]) == (2, 1, 1)


def test_a_provider_that_ignores_the_time_is_corrected() -> None:
    early, late = sar(0), sar(3) | {"ContentDate": {"Start": "2021-01-01", "End": "2021-01-01"}}
    provider = Listed([early, late], honest=False)
    outcome = search_glacier(config(), TINY, provider, None, searched_utc=NOW)
    # Two records in each of four months count once.
    assert outcome.inventory.header.counts["found"] == 2
    assert kept(outcome) == names([early])
    assert sum(each.reason == "outside_time" for each in outcome.left_out) == 1


NAMELESS = "S1A_IW_GRDH_SOMETHING.SAFE"


def without(record: dict[str, Any], *attributes: str) -> dict[str, Any]:
    """The record without what its name and these attributes say."""
    known = [each for each in record["Attributes"] if each["Name"] not in attributes]
    return record | {"Name": NAMELESS, "Attributes": known}


@pytest.mark.parametrize(
    ("record", "sentinel", "reason"),
    [
        (sar(1, GeoFootprint=None), {}, "footprint"),
        (sar(1, platform="S1C", direction=""), {"orbit_direction": "ascending"}, "orbit_direction"),
        (without(sar(1), "polarisationChannels"), {}, "polarisation"),
        (without(sar(1), "relativeOrbitNumber"), {"relative_orbits": (7,)}, "relative_orbit"),
    ],
)
def test_what_is_asked_for_and_unknown_is_left_out_with_its_reason(
    record: dict[str, Any], sentinel: dict[str, Any], reason: str
) -> None:
    outcome = searched([record], config(**sentinel))
    assert kept(outcome) == set()
    assert reasons(outcome) == {record["Name"].removesuffix(".SAFE"): reason}
    assert "know" in outcome.left_out[0].detail


def test_what_is_unknown_and_not_asked_for_is_kept() -> None:
    record = without(sar(1, direction="", platform="S1C"), "relativeOrbitNumber")
    assert kept(searched([record])) == {NAMELESS.removesuffix(".SAFE")}


def test_a_direction_that_is_only_stated_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    records = [sar(1, platform="S1C"), sar(2, platform="S1C", direction="ASCENDING")]
    outcome = searched(records, config(orbit_direction="descending"))
    assert kept(outcome) == names(records[:1])
    assert "that 1 scene are descending is only stated" in capsys.readouterr().err
    assert "as the catalogue states of its datatake" in outcome.left_out[0].detail
    (product,) = outcome.inventory.products
    assert product.as_row()["direction_stated"] is True
    assert Product.from_row(product.as_row()) == product


GLOBE = {
    "type": "Polygon",
    "coordinates": [
        [[-180, -41], [-90, -41], [0, -41], [90, -41], [180, -41], [180, -90], [90, -90], [0, -90],
         [-90, -90], [-180, -90], [-180, -41]]
    ],
}  # fmt: skip
CRANE = Glacier("Crane", "", "", MultiPolygon([box(-62.6, -65.44, -61.9, -65.2)]), 32720)


# Element84/earth-search#28 and #39: geometries of tiles at the dateline.
@pytest.mark.parametrize(
    "geometry", [GLOBE, square(-62.25, -65.32, 0.36), square(-62.3, -65.3, 3.0), None]
)
def test_a_tile_is_where_its_name_says(
    geometry: dict[str, Any] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    day = datetime(2020, 1, 3, 13, tzinfo=UTC)
    elsewhere = optical_record(day, tile="60CWS", cloud=2.0) | {"GeoFootprint": geometry}
    unknown = optical_record(day, tile="20DNN", cloud=12.0) | {"GeoFootprint": geometry}
    study = config({"count": 1}, start=date(2020, 1, 1), end=date(2020, 1, 31))
    provider = Listed([elsewhere, unknown])
    outcome = search_glacier(study, CRANE, provider, provider, searched_utc=NOW)
    assert kept(outcome) == names([unknown])
    (left_out,) = outcome.left_out
    assert left_out.reason == "too_little_coverage"
    assert ("listed footprint" in left_out.detail) is (geometry is not None)
    (product,) = outcome.inventory.products
    assert product.footprint is not None
    assert shape(dict(product.footprint)).area < 5
    told = capsys.readouterr().err
    assert ("not as the catalogue lists" in told) is (
        geometry in (GLOBE, square(-62.3, -65.3, 3.0))
    )


def test_a_sar_footprint_round_the_globe_is_unknown() -> None:
    outcome = searched([sar(1, footprint=GLOBE), sar(2)])
    assert kept(outcome) == names([sar(2)])
    assert outcome.left_out[0].reason == "footprint"
    assert "more than the product can" in outcome.left_out[0].detail


def test_a_product_of_several_tiles_is_refused() -> None:
    old = optical_record(START, footprint=TILED) | {
        "Name": "S2A_OPER_PRD_MSIL1C_PDMC_20160501T000000_R051_V20160501T000000.SAFE"
    }
    outcome = searched([old], config({"count": 1}))
    assert [each.reason for each in outcome.left_out] == ["several_tiles"]


def test_what_a_provider_does_not_recognise_is_listed_once_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    strange = LeftOut("s1/other.zip", "not_recognised", "its name is not official")

    class Strange(Listed):
        def search(self, query: Query) -> Iterator[Product | LeftOut]:  # type: ignore[override]
            yield strange
            yield from super().search(query)

    provider = Strange([sar(0)])
    outcome = search_glacier(config({"count": 1}), TINY, provider, provider, searched_utc=NOW)
    assert outcome.left_out == (strange,)
    counts = outcome.inventory.header.counts
    assert (counts["found"], counts["kept"], counts["not_recognised"]) == (2, 1, 1)
    told = capsys.readouterr().err
    assert "1 more item could not be used: left_out.csv says why" in told
    assert "widen" not in told


def test_an_optical_image_is_chosen_and_the_others_are_left_out() -> None:
    good = optical_record(START, footprint=TILED, cloud=1.0)
    bad = optical_record(START + timedelta(days=1), footprint=WHOLE, cloud=9.0)
    outcome = searched([sar(0), bad, good], config({"count": 1}))
    assert kept(outcome) == names([sar(0), good])
    assert reasons(outcome) == {bad["Name"].removesuffix(".SAFE"): "not_chosen"}
    assert [each.chosen for each in outcome.candidates] == [True, False]
    counts = outcome.inventory.header.counts
    assert (counts["sentinel_1"], counts["sentinel_2"], counts["found"]) == (1, 1, 3)


def test_a_missing_optical_image_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    cloudy = optical_record(START, footprint=WHOLE, cloud=90.0)
    outcome = searched([cloudy], config({"count": 1}))
    assert kept(outcome) == set()
    assert "Tiny: 0 of 1 optical images found among 1 products" in capsys.readouterr().err


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    records = [sar(number) for number in range(9)] + [sar(3, version="002.36")]
    records += [optical_record(START + timedelta(days=n), footprint=WHOLE) for n in range(3)]
    study = config({"count": 1})
    for folder, order in (("a", 1), ("b", -1)):
        searched(records[::order], study).write(tmp_path / folder)
    for name in ("inventory.jsonl", "left_out.csv", "optical_choice.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    later = searched(records, study)
    header = replace(later.inventory.header, searched_utc=NOW + timedelta(days=1))
    text = inventory_text(replace(later.inventory, header=header))
    before = (tmp_path / "a" / "inventory.jsonl").read_text()
    assert text.splitlines()[1:] == before.splitlines()[1:]
    assert text != before


def test_what_is_written_tells_the_search(tmp_path: Path) -> None:
    outcome = searched([sar(0), sar(1, footprint=AWAY)])
    outcome.write(tmp_path / "Tiny")
    inventory = read_inventory(tmp_path / "Tiny" / "inventory.jsonl")
    assert inventory.products == outcome.inventory.products
    header = json.loads((tmp_path / "Tiny" / "inventory.jsonl").read_text().splitlines()[0])
    assert header["schema"] == "ssl4sar.inventory/1"
    assert header["searched_utc"] == "2026-01-02T00:00:00Z"
    assert header["query"]["sentinel.start"] == "2020-05-01"
    assert header["query"]["optical.count"] == 0
    assert header["area"] == TINY.geojson
    with (tmp_path / "Tiny" / "left_out.csv").open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["too_little_coverage"]


ORBIT = made_product(7, name="S1A_OPER_AUX_POEORB")


def test_precise_orbits_are_chosen_for_the_sar_products() -> None:
    asked: list[str] = []

    def choose(products: Any) -> Any:
        asked.extend(product.name for product in products)
        return [ORBIT], {products[0].name: ORBIT.name}

    image = optical_record(START, footprint=WHOLE)
    study = config({"count": 1}, orbits="precise")
    outcome = searched([sar(0), image], study, choose_orbits=choose)
    assert set(asked) == names([sar(0)])
    assert outcome.inventory.header.orbits == [ORBIT.as_row()]
    assert outcome.inventory.header.orbit_of == dict.fromkeys(names([sar(0)]), ORBIT.name)
    with pytest.raises(ValueError, match="precise orbits"):
        searched([sar(0)], study)


@dataclass
class Catalogued(Listed):
    """A provider that asks a catalogue."""

    catalogue: ODataCatalogue | None = None

    def search(self, query: Query) -> Iterator[Product]:
        assert self.catalogue is not None
        return self.catalogue.products(query)


def test_a_search_in_a_catalogue_from_end_to_end() -> None:
    products = archive(200, START, timedelta(hours=6), footprint=WHOLE)
    twins = [sar_record(START, datatake="000001", footprint=WHOLE, cog=True)]
    old = [sar_record(START, datatake="000001", footprint=WHOLE, version="002.36")]
    away = archive(50, START, timedelta(hours=6), footprint=AWAY, platform="S1B")
    images = [
        optical_record(START + timedelta(days=n), footprint=WHOLE, cloud=10.0 * n) for n in range(5)
    ]
    answers = ODataAnswers(products + twins + old + away + images, faults=["500", "", "429"])
    with serve_catalogue(answers) as url:
        access = CatalogueAccess(url, Patience(12, 0.01))
        provider = Catalogued(catalogue=ODataCatalogue(url, 20, access=access))
        study = config({"count": 1})
        outcome = search_glacier(study, TINY, provider, provider, searched_utc=NOW)
    assert kept(outcome) == names([*products, images[0]])
    assert outcome.inventory.header.counts == {
        "found": 204,
        "kept": 201,
        "sentinel_1": 200,
        "sentinel_2": 1,
        "offline": 0,
        "duplicate": 1,
        "not_chosen": 2,
    }


def test_a_failing_catalogue_leaves_no_inventory(tmp_path: Path) -> None:
    answers = ODataAnswers([sar(0)], count_error=3)
    with serve_catalogue(answers) as url:
        provider = Catalogued(catalogue=ODataCatalogue(url))
        with pytest.raises(UserError, match="nothing was written"):
            search_glacier(config(), TINY, provider, None, searched_utc=NOW).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


DAYS = st.dates(date(2014, 1, 1), date(2030, 12, 31))


@given(DAYS, DAYS)
def test_windows_touch_and_cover_the_span(one: date, other: date) -> None:
    start, end = min(one, other), max(one, other)
    windows = list(month_windows(start, end))
    assert windows[0][0].date() == start
    assert windows[-1][1].date() == end + timedelta(days=1)
    for (_, stop), (start_of_next, _) in pairwise(windows):
        assert stop == start_of_next
    for first, stop in windows:
        assert first < stop
        last_day = (stop - timedelta(microseconds=1)).date()
        assert (first.year, first.month) == (last_day.year, last_day.month)
