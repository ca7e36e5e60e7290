"""What a dry run says of a fetch: counts, bytes, hours, days of the quota, free disk."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_products import made_product
from micro_study import micro, with_values

from ssl4sar.acquire.areas import Glacier, read_glaciers
from ssl4sar.acquire.catalogue.inventory import Inventory, InventoryHeader, write_inventory
from ssl4sar.acquire.catalogue.search import SearchConfig, query_values
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import Product
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.acquisition import INVENTORIES, Acquisition
from ssl4sar.workflow.forecast import SCENES

PROJECT = Path(__file__).resolve().parents[2]
GLACIERS = PROJECT / "config" / "glaciers.geojson"


@pytest.fixture
def workdir(tmp_path: Path):
    with chdir(tmp_path):
        yield tmp_path


def study_of(**changes: object) -> StudyConfig:
    values = with_values(
        micro(),
        {"sentinel.provider": "cdse", "acquisition.glaciers_file": str(GLACIERS), **changes},
    )
    return StudyConfig.model_validate(values)


def acquisition(**changes: object) -> Acquisition:
    return Acquisition(study_of(**changes))


def freeze(glacier: str, products: list[Product], days_later: int = 0) -> None:
    header = InventoryHeader(
        glacier=glacier,
        caffe_test=False,
        area={},
        providers={},
        query={},
        searched_utc=made_product().start + timedelta(days=days_later),
        counts={"kept": len(products)},
        orbits=[made_product(99, name="S1A_ORBIT").as_row()],
    )
    write_inventory(INVENTORIES / glacier / "inventory.jsonl", Inventory(header, tuple(products)))


def two_glaciers(shared: Product | None = None) -> list[str]:
    names = [g.name for g in read_glaciers(GLACIERS).values() if not g.is_test][:2]
    for index, name in enumerate(names):
        own = [
            made_product(10 * index + number, provider="cdse", size_bytes=2 * 10**12)
            for number in (1, 2)
        ]
        freeze(name, own + ([shared] if shared else []))
    return names


def test_products_of_two_glaciers_are_fetched_once(workdir: Path) -> None:
    names = two_glaciers(shared=made_product(77))
    plan = acquisition(**{"acquisition.glaciers": names})
    assert len(plan.scene_records()) == len(set(plan.scene_records())) == 5
    assert plan.orbit_records() == ["data/orbits/S1A_ORBIT.json"]


@pytest.mark.parametrize("newer", [0, 1])
def test_of_a_shared_product_the_newest_search_counts(workdir: Path, newer: int) -> None:
    names = [g.name for g in read_glaciers(GLACIERS).values() if not g.is_test][:2]
    today = made_product(1, checksums={"md5": "1" * 32})
    freeze(names[newer], [today], days_later=400)
    freeze(names[1 - newer], [replace(today, online=False, checksums={})])
    for order in (names, names[::-1]):
        plan = acquisition(**{"acquisition.glaciers": order})
        assert plan.products == {today.name: today}


def test_products_left_out_by_name_are_not_fetched(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = two_glaciers(shared=made_product(77))
    unwanted = made_product(77).name
    plan = acquisition(
        **{"acquisition.glaciers": names, "acquisition.leave_out": [f"{unwanted}.SAFE", "S1A_TYPO"]}
    )
    assert len(plan.scene_records()) == 4
    assert not [path for path in plan.scene_records() if unwanted in path]
    told = capsys.readouterr().err
    assert "acquisition.leave_out: S1A_TYPO: in no inventory of this run" in told
    assert unwanted not in told
    assert "; 2 left out" in plan.forecast()
    with pytest.raises(SystemExit, match=r"is left out; remove it from acquisition\.leave_out"):
        plan.product(SimpleNamespace(product=unwanted))


def test_one_polarisation_of_two_is_half_the_bytes(workdir: Path) -> None:
    names = two_glaciers()
    told = acquisition(**{"acquisition.glaciers": names}).forecast()
    assert "4 Sentinel-1 and 0 Sentinel-2 products of 2 glaciers, 1 orbit file, from cdse" in told
    assert "0 there; 4 TB to come" in told
    # 4 TB over 4 connections of 20 MB/s, and of 12 TB in 30 days.
    assert "at least 13.9 h" in told
    assert "10.0 days of the quota" in told
    whole = acquisition(**{"acquisition.glaciers": names, "cdse.whole_products": True}).forecast()
    assert "8 TB to come" in whole
    assert "20.0 days" in whole


def test_a_disk_that_is_too_small_is_reported_in_capitals(workdir: Path) -> None:
    names = two_glaciers()
    freeze(names[0], [made_product(n, size_bytes=10**15) for n in (1, 2)])
    assert "NOT ENOUGH" in acquisition(**{"acquisition.glaciers": names}).forecast()
    for index, name in enumerate(names):
        freeze(name, [made_product(index, size_bytes=10)])
    assert "NOT ENOUGH" not in acquisition(**{"acquisition.glaciers": names}).forecast()


def test_what_is_there_offline_or_of_unknown_size_is_counted_apart(workdir: Path) -> None:
    names = [g.name for g in read_glaciers(GLACIERS).values() if not g.is_test][:1]
    products = [
        made_product(1),
        made_product(2, online=False),
        made_product(3, size_bytes=None),
        made_product(4),
    ]
    freeze(names[0], products)
    record = SCENES / f"{products[0].name}.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    gone = made_product(5)
    freeze(names[0], [*products, gone])
    missing = FetchRecord(product=gone.as_row(), status="missing", polarisations=("HH",))
    missing.write(SCENES / f"{gone.name}.json")
    told = acquisition(**{"acquisition.glaciers": names}).forecast()
    assert "1 there; " in told
    assert "and 1 product of unknown size to come" in told
    assert "; 1 unavailable" in told
    assert "; 1 listed as offline" in told


def test_the_target_names_one_lost_record(workdir: Path) -> None:
    plan = acquisition(**{"acquisition.glaciers": two_glaciers()})
    records = [*plan.scene_records(), *plan.scene_raw(), *plan.orbit_records()]
    assert plan.lost_record() == records[:1]
    for record in records:
        Path(record).parent.mkdir(parents=True, exist_ok=True)
        Path(record).write_text("{}")
    assert plan.lost_record() == []
    Path(records[-1]).unlink()
    assert plan.lost_record() == records[-1:]


def test_a_missing_or_damaged_inventory_ends_snakemake_with_one_line(workdir: Path) -> None:
    names = two_glaciers()
    plan = acquisition(**{"acquisition.glaciers": names})
    path = INVENTORIES / names[1] / "inventory.jsonl"
    path.write_text("{}\n")
    with pytest.raises(SystemExit, match=r"^ssl4sar: error: .*inventory\.jsonl"):
        plan.scene_records()
    path.unlink()
    with pytest.raises(SystemExit, match="1 of 2 inventories do not exist yet"):
        acquisition(**{"acquisition.glaciers": names}).scene_records()
    with pytest.raises(UserError):
        _ = acquisition(**{"acquisition.glaciers": ["Nowhere"]}).glaciers


def searched_glacier() -> tuple[str, Acquisition, InventoryHeader]:
    """Freeze the inventory of one glacier as a search would have left it."""
    name = next(g.name for g in read_glaciers(GLACIERS).values() if not g.is_test)
    plan = acquisition(**{"acquisition.glaciers": [name]})
    config = study_of(**{"acquisition.glaciers": [name]})
    header = InventoryHeader(
        glacier=name,
        caffe_test=False,
        area=Glacier.from_feature(plan.glaciers[name].as_feature()).geojson,
        providers={"sentinel-1": "cdse", "sentinel-2": "cdse"},
        query=query_values(SearchConfig(config.sentinel, config.optical)),
        searched_utc=made_product().start,
        counts={"kept": 1},
    )
    path = INVENTORIES / name / "inventory.jsonl"
    write_inventory(path, Inventory(header, (made_product(1),)))
    return name, plan, header


@pytest.mark.parametrize(
    ("asked", "is_refresh"),
    [
        ({"targets": {"refresh"}}, True),
        ({"targets": {"refresh"}, "until": {"search_scenes"}}, True),
        ({"targets": {"refresh"}, "until": {"refresh"}}, True),
        ({"targets": {"inventory"}, "forcerun": {"refresh"}}, True),
        # Words of the command line that are values of other options do not count.
        ({"targets": {"inventory"}, "forcerun": {"inventory_overview"}}, False),
        ({"targets": {"inventory"}}, False),
        ({"targets": set()}, False),
    ],
)
def test_only_the_target_searches_again(
    workdir: Path, asked: dict[str, set[str]], is_refresh: bool
) -> None:
    name, plan, header = searched_glacier()
    settings = {"targets": set(), "forcerun": set(), "until": set(), **asked}
    plan.follow(SimpleNamespace(dag_settings=SimpleNamespace(**settings)))
    searched = plan.searched_utc(SimpleNamespace(glacier=name))
    assert (searched == header.searched_text) is not is_refresh


def test_inventories_of_another_query_are_reported_and_used(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, plan, _ = searched_glacier()
    assert len(plan.scene_records()) == 1
    assert capsys.readouterr().err == ""

    changes = {"sentinel.end": "2019-01-01", "sentinel.provider": "stac"}
    other = acquisition(**{"acquisition.glaciers": [name], **changes})
    assert len(other.scene_records()) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"warning: the inventories of {name} answer another query (sentinel.end")
    assert "sentinel.provider" in told
    assert told.count("\n") == 1


def test_glaciers_are_parameters_that_read_back(workdir: Path) -> None:
    plan = acquisition()
    for feature in plan.features():
        glacier = Glacier.from_feature(feature)
        assert glacier.as_feature() == feature
        assert glacier.area.equals(plan.glaciers[glacier.name].area)
    assert plan.elevation_files()
    assert acquisition(**{"sentinel.provider": "synthetic"}).elevation_files() == []


@pytest.mark.parametrize(
    ("method", "wildcard", "name"),
    [
        ("glacier", "glacier", "Kronebren"),
        ("tile_records", "glacier", "Kronebren"),
        ("product", "product", "S1A_NOPE"),
        ("orbit", "orbit", "S1A_NOPE"),
    ],
)
def test_a_file_that_is_asked_for_by_a_wrong_name_ends_with_one_line(
    workdir: Path, method: str, wildcard: str, name: str
) -> None:
    plan = acquisition(**{"acquisition.glaciers": two_glaciers()})
    with pytest.raises(SystemExit, match=rf"^ssl4sar: error: (glacier )?{name}: is "):
        getattr(plan, method)(SimpleNamespace(**{wildcard: name}))
