"""The targets inventory and scenes, really run: frozen lists, kept products, refreshes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dry_runs import Change, differences
from micro_study import PROJECT, SCENES, micro, with_values
from project_copy import House, copy_project

from ssl4sar.acquire.catalogue.inventory import read_inventory
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.acquisition import Acquisition
from ssl4sar.workflow.study import open_study

NAMES = ("Synthetic01", "Synthetic02")


def inventory(house: House, name: str = NAMES[0]) -> Path:
    return house.root / f"data/inventory/{name}/inventory.jsonl"


@pytest.fixture(scope="module")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The scenes of the smallest study from the synthetic provider; do not change it."""
    house = copy_project(tmp_path_factory.mktemp("acquired") / "house")
    assert "search_scenes" in house.planned(target="scenes")
    line = house.fail("-n", target="data/scenes/anything.json")
    assert "data/inventory/Synthetic01/inventory.jsonl" in line
    assert "-- inventory" in line
    house.build(target="inventory")
    said = house.build(target="scenes")
    assert "micro: 6 Sentinel-1 and 2 Sentinel-2 products of 2 glaciers" in said
    assert "8 there; 0 B to come" in said
    assert " free on the disk" in said
    return house


@pytest.fixture
def house(acquired: House, tmp_path: Path) -> House:
    """A private copy of the finished acquisition."""
    return acquired.copy(tmp_path / "house")


def with_config(house: House, **changes: object) -> dict[str, str]:
    """Return another configuration as an edit of a house; two underscores stand for a dot."""
    values = {name.replace("__", "."): value for name, value in changes.items()}
    return {house.config: json.dumps(with_values(micro(), values))}


# A finished acquisition --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_synthetic_provider_serves_the_images_of_the_pretraining(
    house: House, tmp_path: Path
) -> None:
    root = house.root
    products = [p for name in NAMES for p in read_inventory(inventory(house, name)).products]
    # Six images of Sentinel-1 and one of Sentinel-2 per glacier, as `render_pairs` makes them.
    assert [p.mission for p in products].count("sentinel-1") == 6
    assert [p.mission for p in products].count("sentinel-2") == 2
    summary = json.loads((root / SCENES).read_text())
    assert sorted(summary["products"]) == sorted(p.name for p in products)
    assert summary["missing"] == {}
    for product in products:
        record = FetchRecord.read(root / f"data/scenes/{product.name}.json")
        assert record.status == "fetched"
        assert all((root / "data/scenes" / product.name / f).is_file() for f in record.files)
    assert (root / "runs/micro/sentinel/inventory.png").stat().st_size > 5_000
    assert (root / f"data/inventory/{NAMES[0]}/optical_choice.csv").is_file()

    page = tmp_path / "report.html"
    house.build("--report", str(page), target="inventory scenes")
    text = page.read_text(encoding="utf-8")
    for label in ("products fetched and missing", "scenes over time", "choice of the optical"):
        assert label in text

    audit = ["-m", "ssl4sar.cli", "audit", SCENES]
    done = house.python(*audit)
    assert done.returncode == 0, done.stdout + done.stderr
    image = next((root / "data/scenes").glob("*/*.png"))
    image.write_bytes(b"other")
    done = house.python(*audit)
    assert done.returncode == 1
    assert image.name in done.stdout + done.stderr


@pytest.mark.slow
def test_a_change_searches_or_fetches_what_it_concerns_alone(house: House) -> None:
    lines = inventory(house).read_text().splitlines()
    row = json.dumps({**json.loads(lines[1]), "size_bytes": 12345}, sort_keys=True)
    resized = "\n".join([lines[0], row.replace(", ", ",").replace(": ", ":"), *lines[2:]]) + "\n"
    services = with_config(
        house,
        cdse__connections=2,
        acquisition__max_missing=0,
        dhus__offline_poll_s=5.0,
        asf__connections=1,
    )
    name = inventory(house).relative_to(house.root).as_posix()
    other_query = with_config(house, sentinel__end="2017-12-31")
    unwanted = json.loads((house.root / SCENES).read_text())["products"][0]
    summary = {"scenes_report", "scenes"}
    of_scenes = [
        Change("nothing", set()),
        Change("services and limits", set(), services),
        # Another query makes a new inventory on demand; until then the frozen one counts.
        Change("another query", set(), other_query),
        # A product that the inventory lists with another size is fetched again, and no other.
        Change("another size", {"fetch_scene", *summary}, {name: resized}),
        Change(
            "a product left out", summary, with_config(house, acquisition__leave_out=[unwanted])
        ),
        Change(
            "the scene model", {"fetch_scene", *summary}, with_config(house, pair_scene__seed=7)
        ),
    ]
    arguments = ("--configfile", house.config, "--")
    assert differences(house.root, of_scenes, *arguments, "scenes") == []
    searched = {"search_scenes", "inventory_overview", "inventory"}
    of_inventory = [
        Change("nothing", set()),
        Change("services and limits", set(), services),
        Change("another query", searched, other_query),
        Change("a product left out", set(), with_config(house, acquisition__leave_out=[unwanted])),
    ]
    assert differences(house.root, of_inventory, *arguments, "inventory") == []


@pytest.mark.slow
def test_frozen_inventories_change_by_a_refresh_alone(house: House) -> None:
    path = inventory(house)
    frozen = {p: p.read_bytes() for p in (house.root / "data/inventory").rglob("*.*")}
    inventories = [p for p in frozen if p.name == "inventory.jsonl"]
    # Synthetic products depend on the code, so their searches run, and find what is frozen.
    module = house.root / "src/ssl4sar/acquire/catalogue/search.py"
    module.write_text(module.read_text() + "\nUPGRADED = True\n")
    text = house.build(target="inventory")
    assert text.count("is reused: `refresh` searches again") == 2
    assert [p for p in inventories if p.read_bytes() != frozen[p]] == []
    assert house.planned(target="inventory") == set()

    # A refresh that fails leaves it as it is.
    frozen = {p: p.read_bytes() for p in (house.root / "data/inventory").rglob("*.*")}
    script = house.root / "workflow/scripts/search_scenes.py"
    working = script.read_text()
    failing = "    raise OSError('no line')\n    dict("
    script.write_text(working.replace("    search_glacier(", failing))
    assert house.snakemake("--configfile", house.config, "--", "refresh").returncode != 0
    assert "no line" in (house.root / "logs/search_scenes/Synthetic01.log").read_text()
    assert {p: p.read_bytes() for p in (house.root / "data/inventory").rglob("*.*")} == frozen
    assert house.planned(target="scenes") == set()
    script.write_text(working)

    # One that finds the same changes nothing.
    header, *rows = path.read_text().splitlines()
    assert "checkpoint search_scenes:" in house.build(target="refresh")
    assert path.read_text().splitlines()[1:] == rows
    assert path.read_text().splitlines()[0] != header  # of another time
    assert house.planned(target="inventory scenes") == set()


@pytest.mark.slow
def test_a_product_left_out_by_name_costs_a_new_list_only(house: House) -> None:
    before = json.loads((house.root / SCENES).read_text())
    unwanted = before["products"][0]
    house.configure({"acquisition.leave_out": [f"{unwanted}.SAFE"]})
    assert "rule fetch_scene:" not in house.build(target="scenes")
    after = json.loads((house.root / SCENES).read_text())
    assert after["products"] == before["products"][1:]
    assert after["left_out"] == [unwanted]


# What is asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sentinel.end": "2014-01-01"}, "sentinel"),
        ({"sentinel.provider": "asf"}, "sentinel.optical_provider"),
        ({"sentinel.provider": "local"}, "root"),
        ({"sentinel.root": "somewhere"}, "root"),
        ({"sentinel.optical_provider": "stac"}, "optical_provider"),
        ({"optical.months": [13]}, "months"),
        ({"sentinel.polarisation": "HX"}, "sentinel.polarisation"),
        ({"cdse.catalogue_url": "https://me:secret@host"}, "cdse.catalogue_url"),
    ],
    ids=str,
)
def test_a_wrong_key_is_named(changes: dict, named: str) -> None:
    with pytest.raises(UserError) as error:
        open_study(with_values(micro(), changes), [], {}, PROJECT)
    assert named in str(error.value)
    assert "secret" not in str(error.value)


def chosen(*names: str, **changes: object) -> set[str]:
    values = {"acquisition.glaciers": list(names), **changes}
    study = open_study(with_values(micro(), values), [], {}, PROJECT)
    return set(Acquisition(study.config).glaciers)


def test_glaciers_are_chosen_by_name_and_test_glaciers_of_the_benchmark_by_name_only() -> None:
    with pytest.raises(UserError, match=r"acquisition\.glaciers: Nowhere.*Synthetic01"):
        chosen("Nowhere")
    real = {
        "sentinel.provider": "cdse",
        "acquisition.glaciers_file": str(PROJECT / "config/glaciers.geojson"),
    }
    assert {"COL", "Mapple"}.isdisjoint(chosen(**real))
    assert len(chosen(**real)) >= 14
    assert chosen("Mapple", **real) == {"Mapple"}
