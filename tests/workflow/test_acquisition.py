"""The targets inventory and scenes, really run: frozen lists, kept products, refreshes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from config_values import with_values
from project_copy import House, copy_project
from rerun_prediction import micro

from ssl4sar.acquire.catalogue.inventory import read_inventory
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.acquisition import Acquisition
from ssl4sar.workflow.study import open_study

PROJECT = Path(__file__).resolve().parents[2]
SUMMARY = "runs/micro/sentinel/scenes.json"


def run(house: House, *arguments: str, config: str | None = None):
    return house.snakemake("--configfile", config or house.config, *arguments)


def made(house: House, *arguments: str, config: str | None = None) -> str:
    done = run(house, *arguments, config=config)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The scenes of the micro run from the synthetic provider; do not change it."""
    house = copy_project(tmp_path_factory.mktemp("acquired") / "house")
    made(house, "--", "inventory")
    made(house, "--", "scenes")
    return house


@pytest.fixture
def house(acquired: House, tmp_path: Path) -> House:
    """A private copy of the finished acquisition."""
    shutil.copytree(acquired.root, tmp_path / "house", symlinks=True)
    return House(tmp_path / "house", acquired.config)


def with_config(house: House, **changes: object) -> str:
    """Write another configuration into a house; return its name."""
    name = "config/changed.yaml"
    (house.root / name).write_text(yaml.safe_dump(with_values(micro(), changes)))
    return name


def fetched_by(text: str) -> int:
    return text.count("rule fetch_scene:")


# A finished acquisition --------------------------------------------------------------------------


@pytest.mark.slow
def test_the_synthetic_provider_serves_the_images_of_the_pretraining(acquired: House) -> None:
    root = acquired.root
    names = ["Synthetic01", "Synthetic02"]
    inventories = [read_inventory(root / f"data/inventory/{n}/inventory.jsonl") for n in names]
    products = [product for inventory in inventories for product in inventory.products]
    # Six images of Sentinel-1 and one of Sentinel-2 per glacier, as `render_pairs` makes them.
    assert [p.mission for p in products].count("sentinel-1") == 6
    assert [p.mission for p in products].count("sentinel-2") == 2
    summary = json.loads((root / SUMMARY).read_text())
    assert sorted(summary["products"]) == sorted(p.name for p in products)
    assert summary["missing"] == {}
    for product in products:
        record = FetchRecord.read(root / f"data/scenes/{product.name}.json")
        assert record.status == "fetched"
        assert all((root / "data/scenes" / product.name / f).is_file() for f in record.files)
    assert (root / "runs/micro/sentinel/inventory.png").stat().st_size > 5_000
    assert (root / f"data/inventory/{names[0]}/optical_choice.csv").is_file()


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do(acquired: House) -> None:
    for target in ("inventory", "scenes"):
        assert "Nothing to be done" in made(acquired, "-n", "--", target)


@pytest.mark.slow
def test_the_chain_is_audited_down_to_every_image(house: House) -> None:
    audit = ["-m", "ssl4sar.cli", "audit", SUMMARY]
    done = house.python(*audit)
    assert done.returncode == 0, done.stdout + done.stderr
    image = next((house.root / "data/scenes").glob("*/*.png"))
    image.write_bytes(b"other")
    done = house.python(*audit)
    assert done.returncode == 1
    assert image.name in done.stdout + done.stderr


@pytest.mark.slow
def test_a_new_search_that_finds_the_same_changes_nothing(house: House) -> None:
    first = house.root / "data/inventory/Synthetic01/inventory.jsonl"
    header, *rows = first.read_text().splitlines()
    assert "rule search_scenes:" in made(house, "--", "refresh")
    assert first.read_text().splitlines()[1:] == rows
    assert first.read_text().splitlines()[0] != header  # of another time
    for target in ("inventory", "scenes"):
        assert "Nothing to be done" in made(house, "-n", "--", target)


@pytest.mark.slow
def test_a_change_of_the_program_keeps_the_frozen_inventories(house: House) -> None:
    folder = house.root / "data/inventory"
    before = {path: path.read_bytes() for path in folder.rglob("inventory.jsonl")}
    module = house.root / "src/ssl4sar/acquire/catalogue/search.py"
    module.write_text(module.read_text() + "\nUPGRADED = True\n")
    text = made(house, "--", "inventory")
    # Synthetic products depend on the code, so their searches run, and find what is frozen.
    assert text.count("is reused: `refresh` searches again") == 2
    assert {path: path.read_bytes() for path in before} == before
    assert "Nothing to be done" in made(house, "-n", "--", "inventory")


@pytest.mark.slow
def test_a_refresh_that_fails_keeps_the_frozen_inventory(house: House) -> None:
    folder = house.root / "data/inventory"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    script = house.root / "workflow/scripts/search_scenes.py"
    text = script.read_text()
    script.write_text(
        text.replace("    search_glacier(", "    raise OSError('no line')\n    dict(")
    )
    assert run(house, "--", "refresh").returncode != 0
    assert "no line" in (house.root / "logs/search_scenes/Synthetic01.log").read_text()
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert "Nothing to be done" in made(house, "-n", "--", "scenes")


@pytest.mark.slow
def test_the_build_follows_the_inventory_alone(house: House) -> None:
    # Another query makes a new inventory on demand; until then the frozen one counts.
    config = with_config(house, **{"sentinel.end": "2017-12-31"})
    text = made(house, "-n", "--", "scenes", config=config)
    assert "Nothing to be done" in text
    assert "answer another query (sentinel.end)" in text
    assert "rule search_scenes:" in made(house, "-n", "--", "inventory", config=config)
    # A product that the inventory lists with another size is fetched anew, and no other.
    path = house.root / "data/inventory/Synthetic01/inventory.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[1])
    lines[1] = json.dumps({**row, "size_bytes": 12345}, sort_keys=True, separators=(",", ":"))
    path.write_text("\n".join(lines) + "\n")
    assert fetched_by(made(house, "-n", "--", "scenes")) == 1


@pytest.mark.slow
def test_a_product_left_out_by_name_costs_a_new_list_only(house: House) -> None:
    before = json.loads((house.root / SUMMARY).read_text())
    unwanted = before["products"][0]
    config = with_config(house, **{"acquisition.leave_out": [f"{unwanted}.SAFE"]})
    assert "Nothing to be done" in made(house, "-n", "--", "inventory", config=config)
    text = made(house, "--", "scenes", config=config)
    assert fetched_by(text) == 0
    after = json.loads((house.root / SUMMARY).read_text())
    assert after["products"] == before["products"][1:]
    assert after["left_out"] == [unwanted]


@pytest.mark.slow
def test_services_and_limits_rerun_nothing_and_the_scene_model_does(house: House) -> None:
    config = with_config(
        house,
        **{
            "cdse.connections": 2,
            "acquisition.max_missing": 0,
            "dhus.offline_poll_s": 5.0,
            "asf.connections": 1,
        },
    )
    for target in ("inventory", "scenes"):
        assert "Nothing to be done" in made(house, "-n", "--", target, config=config)
    config = with_config(house, **{"pair_scene.seed": 7})
    assert fetched_by(made(house, "-n", "--", "scenes", config=config)) == 8


@pytest.mark.slow
def test_a_dry_run_tells_what_is_to_come(house: House) -> None:
    record = house.root / SUMMARY
    record.unlink()
    text = made(house, "-n", "--", "scenes")
    assert "micro: 6 Sentinel-1 and 2 Sentinel-2 products of 2 glaciers" in text
    assert "8 there; 0 B to come" in text
    assert " free on the disk" in text


@pytest.mark.slow
def test_the_report_shows_scenes_choices_and_areas(acquired: House, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    made(acquired, "--report", str(page), "--", "inventory", "scenes")
    text = page.read_text(encoding="utf-8")
    for label in ("products fetched and missing", "scenes over time", "choice of the optical"):
        assert label in text


# What is missing or wrong ------------------------------------------------------------------------


def told(done) -> str:
    lines = [line for line in done.stderr.splitlines() if "ssl4sar: error:" in line]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.slow
def test_scenes_without_inventories_say_what_comes_first(tmp_path: Path) -> None:
    house = copy_project(tmp_path / "house")
    line = told(run(house, "-n", "--", "scenes"))
    assert "data/inventory/Synthetic01/inventory.jsonl" in line
    assert "-- inventory" in line


@pytest.mark.slow
def test_an_unknown_glacier_is_told_with_the_known_ones(tmp_path: Path) -> None:
    house = copy_project(tmp_path / "house")
    config = with_config(house, **{"acquisition.glaciers": ["Nowhere"]})
    line = told(run(house, "-n", "--", "inventory", config=config))
    assert "acquisition.glaciers: Nowhere" in line
    assert "Synthetic01" in line


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
def test_a_wrong_key_is_told_by_its_name(changes: dict, named: str) -> None:
    with pytest.raises(UserError) as error:
        open_study(with_values(micro(), changes), [], {}, PROJECT)
    assert named in str(error.value)
    assert "secret" not in str(error.value)


def test_test_glaciers_of_the_benchmark_are_taken_by_name_only() -> None:
    def chosen(*names: str) -> set[str]:
        values = with_values(
            micro(),
            {
                "sentinel.provider": "cdse",
                "acquisition.glaciers": list(names),
                "acquisition.glaciers_file": str(PROJECT / "config/glaciers.geojson"),
            },
        )
        return set(Acquisition(open_study(values, [], {}, PROJECT).config).glaciers)

    assert {"COL", "Mapple"}.isdisjoint(chosen())
    assert len(chosen()) >= 14
    assert chosen("Mapple") == {"Mapple"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "is_new"),
    [
        (("--", "refresh"), True),
        (("--until", "refresh", "--", "refresh"), True),
        (("--until", "search_scenes", "--", "refresh"), True),
        (("-R", "refresh", "--", "inventory"), True),
        (("--", "inventory"), False),
        (("--default-resources", "tmpdir='refresh'", "--", "inventory"), False),
        (("--keep-storage-local-copies", "--benchmark-extended", "--", "inventory"), False),
        (("--shadow-prefix", "refresh", "--", "inventory"), False),
        (("-R", "inventory_overview", "--shadow-prefix", "refresh", "--", "inventory"), False),
    ],
)
def test_only_the_target_searches_again(
    house: House, arguments: tuple[str, ...], is_new: bool
) -> None:
    text = made(house, "-n", *arguments)
    assert ("rule search_scenes:" in text) is is_new, text
