from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from made_orbits import MadeCatalogue, at, orbit_name, poeorb, record, scene

from ssl4sar.acquire.orbits.choice import ORBIT_MARGIN, OrbitName, choose_orbits, orbit_filters
from ssl4sar.acquire.product import Product
from ssl4sar.core.errors import UserError

DAYS = [f"2021-03-{day:02}" for day in range(1, 32)]
MARCH = [record(poeorb(day)) for day in DAYS]


def resorb(start: str, created: str, hours: float = 3.28, platform: str = "S1A") -> str:
    begin = at(start)
    return orbit_name(
        begin, begin + timedelta(hours=hours), at(created), kind="RESORB", platform=platform
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "S1A_OPER_AUX_GNSSRD_POD__20171211T085403_V20140406T011619_20140406T235939",
        "S2A_OPER_AUX_POEORB_OPOD_20210301T134450_V20140408T225944_20140410T005944",
        "S1A_OPER_AUX_POEORB_OPOD_20210301T134450_V20140408T225944_20140410T005944.EOF.zip",
        "S1A_OPER_AUX_POEORB_OPOD_20210301T134450_V20140410T005944_20140408T225944",
        "S1A_OPER_AUX_POEORB_OPOD_20210301T134450_V20141308T225944_20141410T005944",
        "../S1A_OPER_AUX_POEORB_OPOD_20210301T134450_V20140408T225944_20140410T005944",
    ],
)
def test_what_is_no_orbit_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        OrbitName.parse(name)


def test_names_of_the_real_catalogue_are_read(test_data: Path) -> None:
    listed = [
        each
        for page in sorted((test_data / "cdse").glob("odata_page_*.json"))
        for each in json.loads(page.read_text())["value"]
    ]
    precise = [each for each in listed if "POEORB" in each["Name"]]
    assert len(precise) == 8
    for each in precise:
        reported = OrbitName.parse(each["Name"])
        assert reported.start == datetime.fromisoformat(each["ContentDate"]["Start"])
        assert reported.stop == datetime.fromisoformat(each["ContentDate"]["End"])
        kinds = {"Name": "productType", "Value": "AUX_POEORB"}
        assert kinds in [{k: a[k] for k in ("Name", "Value")} for a in each["Attributes"]]
    real = MadeCatalogue([{**each, "Attributes": [{"Value": "AUX_POEORB"}]} for each in precise])
    product = scene("2014-04-10 12:00")
    files, chosen = choose_orbits([product], real)
    assert [file.name for file in files] == [chosen[product.name]]
    assert files[0].name.endswith("_V20140409T225944_20140411T005944")
    assert files[0].size_bytes == 4410192
    assert files[0].checksums["md5"] == "53d1dbcf5a8aa2e73a5fc07513611856"
    assert set(files[0].checksums) == {"md5", "blake3"}


def test_a_scene_gets_the_precise_file_of_its_day() -> None:
    products = [scene("2021-03-05 04:31"), scene("2021-03-05 15:00"), scene("2021-03-17 04:31")]
    files, chosen = choose_orbits(products, MadeCatalogue(MARCH))
    assert chosen == {
        products[0].name: poeorb("2021-03-05"),
        products[1].name: poeorb("2021-03-05"),
        products[2].name: poeorb("2021-03-17"),
    }
    assert [file.name for file in files] == [poeorb("2021-03-05"), poeorb("2021-03-17")]
    first = files[0]
    assert (first.platform, first.product_type, first.provider) == ("S1A", "AUX_POEORB", "cdse")
    assert first.id == MARCH[4]["Id"]
    assert set(first.checksums) == {"md5"}
    assert first.as_row()["name"] == first.name


def test_of_several_precise_files_the_one_made_last_wins() -> None:
    late = [record(poeorb("2021-03-05", created="2021-09-01"))]
    product = scene("2021-03-05 04:31")
    for listed in ([*MARCH, *late], [*late, *MARCH]):
        _, chosen = choose_orbits([product], MadeCatalogue(listed))
        assert chosen[product.name] == poeorb("2021-03-05", created="2021-09-01")


@pytest.mark.parametrize(("spare_s", "covered"), [(60, True), (59, False), (-10, False)])
@pytest.mark.parametrize("end", ["start", "stop"])
def test_a_file_covers_a_scene_and_a_minute_around_it(
    spare_s: int, covered: bool, end: str
) -> None:
    product = scene("2021-03-05 04:31", s=25)
    wide, spare = timedelta(hours=5), timedelta(seconds=spare_s)
    start = product.start - (spare if end == "start" else wide)
    stop = product.stop + (spare if end == "stop" else wide)
    name = orbit_name(start, stop, at("2021-04-01"))
    _, chosen = choose_orbits([product], MadeCatalogue([record(name)]))
    assert (product.name in chosen) is covered
    assert timedelta(seconds=60) == ORBIT_MARGIN


def test_restituted_files_stand_in_and_the_farthest_reaching_wins() -> None:
    product = scene("2021-03-05 04:31")
    narrow = resorb("2021-03-05 04:20", "2021-03-05 09:00")
    middle = resorb("2021-03-05 02:50", "2021-03-05 07:00")
    middle_later = resorb("2021-03-05 02:50", "2021-03-05 08:00")
    listed = [record(name) for name in (narrow, middle, middle_later)]
    for order in (listed, listed[::-1]):
        files, chosen = choose_orbits([product], MadeCatalogue(order))
        assert chosen == {product.name: middle_later}
        assert [file.product_type for file in files] == ["AUX_RESORB"]
    precise = record(poeorb("2021-03-05"))
    _, chosen = choose_orbits([product], MadeCatalogue([*listed, precise]))
    assert chosen == {product.name: poeorb("2021-03-05")}


def test_each_satellite_has_its_own_files() -> None:
    both = [scene("2021-03-05 04:31"), scene("2021-03-05 04:31", platform="S1B")]
    listed = [record(poeorb("2021-03-05", platform=name)) for name in ("S1A", "S1B")]
    _, chosen = choose_orbits(both, MadeCatalogue(listed))
    assert [chosen[each.name][:3] for each in both] == ["S1A", "S1B"]
    _, chosen = choose_orbits(both, MadeCatalogue(listed[:1]))
    assert list(chosen) == [both[0].name]


def test_products_without_a_file_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    products = [scene(f"2021-05-0{day} 04:31") for day in range(1, 6)]
    assert choose_orbits(products, MadeCatalogue(MARCH)) == ([], {})
    reported = capsys.readouterr().err
    assert "no orbit file yet for 5 of 5 products" in reported
    assert "and 2 more" in reported


class Folder:
    """Orbit files on this machine."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def orbit_files(
        self, platform: str, kind: str, start: datetime, stop: datetime
    ) -> Iterator[Product]:
        for name in self._names:
            reported = OrbitName.parse(name)
            if (reported.platform, reported.kind) == (
                platform,
                kind,
            ) and start <= reported.start < stop:
                yield reported.product(provider="local", id=f"{name}.EOF", name=name)


def test_files_of_a_mirror_go_first_and_the_catalogue_is_asked_for_the_rest() -> None:
    scenes = [scene("2021-03-05 04:31"), scene("2021-03-06 04:31")]
    mirror = Folder(poeorb("2021-03-05"), resorb("2021-03-06 03:00", "2021-03-06 07:00"))
    catalogue = MadeCatalogue(MARCH)
    files, _ = choose_orbits(scenes[:1], catalogue, mirror)
    assert [(file.provider, file.id) for file in files] == [("local", f"{files[0].name}.EOF")]
    assert catalogue.asked == []
    files, chosen = choose_orbits(scenes, catalogue, mirror)
    assert [file.provider for file in files] == ["local", "cdse"]
    assert chosen[scenes[1].name] == poeorb("2021-03-06")
    files, chosen = choose_orbits(scenes, MadeCatalogue([]), mirror)
    assert [file.product_type for file in files] == ["AUX_POEORB", "AUX_RESORB"]


@pytest.mark.parametrize(
    "change", [{"Id": "\x1b[31m"}, {"ContentLength": 10**40}, {"Id": "x" * 5000}]
)
def test_a_strange_record_is_one_line(change: dict[str, object]) -> None:
    listed = [record(poeorb("2021-03-05"), **change)]
    with pytest.raises(UserError, match="a record of another form") as caught:
        choose_orbits([scene("2021-03-05 04:31")], MadeCatalogue(listed))
    assert len(str(caught.value)) < 400


def test_one_question_per_satellite_and_month() -> None:
    products = [scene(f"2021-03-{day:02} {hour:02}:31") for day in range(1, 31) for hour in (4, 16)]
    catalogue = MadeCatalogue(MARCH)
    files, chosen = choose_orbits(products, catalogue)
    assert len(chosen) == 60
    assert len(files) == 30
    assert [filters for filters, _, _ in catalogue.asked] == [tuple(orbit_filters("S1A", "POEORB"))]
    # With scenes of two satellites and two months, and one month without precise files:
    more = [scene("2021-03-05 05:00", "S1B"), scene("2021-04-10 05:00"), scene("2021-04-20 05:00")]
    catalogue = MadeCatalogue([*MARCH, record(resorb("2021-04-10 03:00", "2021-04-10 08:00"))])
    _, chosen = choose_orbits([*products, *more], catalogue)
    assert len(catalogue.asked) == 5  # three precise, two restituted
    assert more[1].name in chosen
    assert more[2].name not in chosen


def test_what_cannot_be_fetched_or_read_is_passed_over() -> None:
    product = scene("2021-03-05 04:31")
    good = record(poeorb("2021-03-05"))
    later = poeorb("2021-03-05", created="2022-01-01")
    bad = [
        record(later, Online=False),
        record(later, Id=None),
        {**record(later), "Name": later + ".EOF.zip"},
        {**record(later), "Name": 7, "ContentDate": good["ContentDate"]},
    ]
    catalogue = MadeCatalogue([each for each in [*bad, good] if isinstance(each["Name"], str)])
    _, chosen = choose_orbits([product], catalogue)
    assert chosen == {product.name: poeorb("2021-03-05")}
