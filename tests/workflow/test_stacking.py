"""From raw scenes to the pretraining dataset: what the rules ask for, and a real run."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from micro_study import PROJECT, micro, with_values
from project_copy import copy_project
from waiting import wait_until

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.catalogue.inventory import Inventory, read_inventory, write_inventory
from ssl4sar.acquire.catalogue.search import SearchConfig, search_glacier
from ssl4sar.acquire.fetch_record import ProductManifest
from ssl4sar.acquire.orbits.choice import OrbitName
from ssl4sar.acquire.providers.synthetic import Synthetic
from ssl4sar.core.errors import UserError
from ssl4sar.provenance.digest import source_files
from ssl4sar.stack.record import StackRecord
from ssl4sar.workflow.stacking import Stacking
from ssl4sar.workflow.study import Study, open_study

RAW = {
    "ssl4sar.source": "sentinel",
    "pair_scene": {"glaciers": 2, "train_images": 4, "val_images": 2, "extent_km": 3.0},
    "stack.batch_size": 2,
}
#: The fewest scenes of which a track has a median.
ONE_GLACIER = {"glaciers": 1, "train_images": 2, "val_images": 1, "extent_km": 3.0}
NAME, SECOND = "Synthetic01", "Synthetic02"
ORBIT = "S1A_OPER_AUX_POEORB_OPOD_20210305T121521_V20180318T225942_20180320T005942"
DATASET = "runs/micro/ssl4sar/dataset.json"


# What the rules ask for --------------------------------------------------------------------------


def study_of(**changes: object) -> Study:
    values = {name.replace("__", "."): value for name, value in changes.items()}
    return open_study(with_values(micro(), {**RAW, **values}), [], {}, PROJECT)


@pytest.fixture(scope="module")
def inventories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventories of the SYNTHETIC glaciers."""
    folder, study = tmp_path_factory.mktemp("inventory"), study_of()
    config, service = study.config, study.acquisition.search_service
    provider = Synthetic(config.pair_scene, raw=True)
    for feature in study.acquisition.features():
        glacier = Glacier.from_feature(feature)
        search_glacier(
            SearchConfig(config.sentinel, config.optical, service),
            glacier,
            sar=provider,
            optical=provider,
            searched_utc=datetime(2025, 1, 1, tzinfo=UTC),
        ).write(folder / glacier.name)
    return folder


@pytest.fixture
def searched(inventories: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the inventories."""
    shutil.copytree(inventories, tmp_path / "data/inventory")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_batch(batch: str, name: str = NAME) -> SimpleNamespace:
    return SimpleNamespace(glacier=name, batch=batch)


def test_a_glacier_for_validation_is_one_of_the_glaciers() -> None:
    with pytest.raises(SystemExit, match="Synthetic99 is not one of the glaciers"):
        study_of(stack__val_glaciers=["Synthetic02", "Synthetic99"]).stacking.records()


def test_snap_has_an_environment_memory_and_time_of_its_own() -> None:
    usual, snap = (study_of(stack__engine=name).stacking for name in ("builtin", "pyrosar"))
    assert (usual.geocoding_environment, usual.geocoding_mem_mb) == (None, 3000)
    assert (PROJECT / "workflow/rules" / str(snap.geocoding_environment)).is_file()
    assert snap.geocoding_mem_mb == 16_000
    # Code of SNAP counts only where it geocodes.
    script = PROJECT / "workflow/scripts/stack_scenes.py"
    counting = [source_files(script, modules=each.engine_modules()) for each in (usual, snap)]
    assert [
        {name for name in each if name.startswith("ssl4sar.sar.snap.")} for each in counting
    ] == [
        set(),
        {
            f"ssl4sar.sar.snap.{path.stem}"
            for path in (PROJECT / "src/ssl4sar/sar/snap").glob("[a-z]*.py")
        },
    ]
    with pytest.raises(UserError, match="beta0 is not made by the engine pyrosar"):
        study_of(stack__engine="pyrosar", stack__quantity="beta0")


def test_a_scene_that_is_left_out_changes_its_batch_alone(searched: Path) -> None:
    stacking = study_of().stacking
    assert [Path(path).parent.name for path in stacking.batch_records(of_batch(""))] == [
        "000",
        "001",
    ]
    first, second = stacking.batch_manifests(of_batch("000"))
    (third,) = stacking.batch_manifests(of_batch("001"))
    days = [Path(path).name.split("_")[4] for path in (first, second, third)]
    assert days == sorted(days)
    assert stacking.first_manifest(of_batch("")) == [first]
    unwanted = Path(first).name.removesuffix(".manifest.json")
    fewer = study_of(acquisition__leave_out=[unwanted]).stacking
    assert fewer.batch_manifests(of_batch("000")) == fewer.first_manifest(of_batch("")) == [second]
    assert fewer.batch_manifests(of_batch("001")) == [third]
    assert len(fewer.images()) == len(stacking.images()) == 4


def scenes_by_batch(stacking: Stacking) -> dict[str, list[str]]:
    """Return the scenes of all batches by ``GLACIER/BATCH``."""
    found = {}
    for path in map(Path, stacking.images()):
        batch = path.parent
        manifests = stacking.batch_manifests(of_batch(batch.name, batch.parent.name))
        names = [Path(manifest).name.removesuffix(".manifest.json") for manifest in manifests]
        found[f"{batch.parent.name}/{batch.name}"] = names
    return found


def test_a_scene_of_two_glaciers_is_in_one_batch(searched: Path) -> None:
    alone = scenes_by_batch(study_of().stacking)
    (one, shared), (other,) = alone[f"{NAME}/000"], alone[f"{NAME}/001"]
    paths = [searched / f"data/inventory/{name}/inventory.jsonl" for name in (NAME, SECOND)]
    first, second = map(read_inventory, paths)
    more = [product for product in first.products if product.name in {shared, other}]
    header = replace(second.header, counts={"found": 6, "kept": 6})
    write_inventory(paths[1], Inventory(header, (*second.products, *more)))

    stacking = study_of().stacking
    batches = scenes_by_batch(stacking)
    assert batches[f"{NAME}/000"] == [one, shared]
    assert batches[f"{NAME}/001"] == [other]
    assert sorted(chain(*batches.values())) == sorted(chain(*alone.values()))
    assert stacking.scenes_of(of_batch("000")) == {NAME: [one, shared], SECOND: [shared]}
    assert stacking.scenes_of(of_batch("001")) == {NAME: [other], SECOND: [other]}
    # SNAP may take its time for three images.
    snap = study_of(stack__engine="pyrosar").stacking
    assert snap.geocoding_min(of_batch("000")) == 3 * 60
    assert stacking.geocoding_min(of_batch("000")) == 120
    names = [each["properties"]["name"] for each in stacking.batch_glaciers(of_batch("001"))]
    assert names == [Path(path).stem for path in stacking.batch_elevations(of_batch("001"))]
    assert names == [NAME, SECOND]
    own = [f"data/stack/{NAME}/{batch}/stack.json" for batch in ("000", "001")]
    assert stacking.batch_records(of_batch("")) == own
    assert stacking.batch_images(of_batch("", SECOND)) == stacking.images()
    # The order in the configuration decides on nothing; what is left out changes its batch alone.
    assert scenes_by_batch(study_of(acquisition__glaciers=[SECOND, NAME]).stacking) == batches
    fewer = study_of(acquisition__leave_out=[shared]).stacking
    assert scenes_by_batch(fewer) == {**batches, f"{NAME}/000": [one]}
    assert own[0] not in fewer.batch_records(of_batch("", SECOND))


def test_one_optical_day_is_taken_and_orbits_only_where_they_are_wanted(searched: Path) -> None:
    stacking = study_of().stacking
    (image,) = stacking.optical_manifests(of_batch(""))
    assert Path(image).name.startswith("S2X_MSIL2A_")
    elevation = [f"data/elevation/synthetic/{NAME}.tif"]
    assert stacking.batch_elevations(of_batch("000")) == elevation
    assert stacking.batch_orbits(of_batch("000")) == []
    # The same scenes, but with orbit files.
    path = searched / f"data/inventory/{NAME}/inventory.jsonl"
    header, *rows = path.read_text().splitlines()
    product = Path(stacking.batch_manifests(of_batch("000"))[0]).name
    product = product.removesuffix(".manifest.json")
    orbit = OrbitName.parse(ORBIT).product(provider="cdse", id="1", name=ORBIT)
    known = {"orbits": [orbit.as_row()], "orbit_of": {product: ORBIT}}
    values = {**json.loads(header), **known}
    path.write_text("\n".join([json.dumps(values), *rows]) + "\n")
    assert study_of().stacking.batch_orbits(of_batch("000")) == []
    precise = study_of(sentinel__orbits="precise").stacking
    assert precise.batch_orbits(of_batch("000")) == [f"data/orbits/{ORBIT}.json"]
    assert precise.batch_orbits(of_batch("001")) == []
    assert precise.orbit_of(of_batch("000")) == {product: ORBIT}


def test_what_cannot_be_stacked_is_one_line(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        SystemExit, match=r"batch Synthetic01/007.* Synthetic01/000, Synthetic01/001;"
    ):
        study_of().stacking.batch_manifests(of_batch("007"))
    with pytest.raises(SystemExit, match="Nowhere: is not among those of this run"):
        study_of().stacking.batch_manifests(of_batch("000", "Nowhere"))
    stacking = study_of().stacking
    products = [
        Path(path).name.removesuffix(".manifest.json")
        for path in [
            *stacking.batch_manifests(of_batch("000")),
            *stacking.batch_manifests(of_batch("001")),
            *stacking.optical_manifests(of_batch("")),
        ]
    ]
    nothing = study_of(acquisition__leave_out=products).stacking
    with pytest.raises(SystemExit, match="no Sentinel-1 scene that is wanted"):
        nothing.batch_records(of_batch(""))
    removed = study_of(acquisition__keep_raw=False).acquisition
    with pytest.raises(SystemExit, match=r"keep_raw: is false.*target stack or dataset"):
        removed.scene_records()
    with pytest.raises(SystemExit, match="no optical image"):
        nothing.optical_manifests(of_batch(""))
    monkeypatch.chdir(searched / "data")
    with pytest.raises(SystemExit, match="make them first: snakemake"):
        study_of().stacking.records()
        study_of().stacking.images()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optical__count": 0}, r"optical\.count"),
        ({"optical__product_type": "S2MSI1C"}, r"optical\.product_type"),
        ({"ssl4sar__root": "somewhere"}, "root"),
        ({"stack__low_db": 3.0}, "low_db"),
        ({"stack__low_db": float("-inf")}, "low_db"),
        ({"stack__engine": "snap"}, r"stack\.engine"),
    ],
    ids=str,
)
def test_a_wrong_key_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        study_of(**changes)


# A real run --------------------------------------------------------------------------------------


def stacked_files(root: Path) -> dict[str, bytes]:
    """Return the products of the stacks without records of provenance, which hold times."""
    paths = (*(root / "data/stack").rglob("*"), *(root / "runs/micro/ssl4sar/built").rglob("*"))
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(paths)
        if path.is_file() and not path.name.endswith(".provenance.json")
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_raw_products_are_removed_after_use_and_fetched_again_only_if_needed(
    tmp_path: Path,
) -> None:
    house = copy_project(tmp_path / "house")
    values = {**RAW, "pair_scene": ONE_GLACIER, "acquisition.keep_raw": False}
    house.configure(values)
    text = house.build(target="dataset")
    assert text.count("Removing temporary output data/scenes/") == 4
    scenes = house.root / "data/scenes"
    assert [path.name for path in scenes.iterdir() if path.is_dir() and path.name[0] != "."] == []
    manifests = [ProductManifest.read(path) for path in scenes.glob("*.manifest.json")]
    assert len([each for each in manifests if each.files]) == 4
    assert house.planned(target="dataset") == set()
    done = house.python("-m", "ssl4sar.cli", "audit", DATASET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "temporary, deleted after use; their hashes are known" in done.stdout + done.stderr

    # What has to be made again fetches its products, and no others; what reads none fetches none.
    batch = ("--forcerun", f"data/stack/{NAME}/001/stack.json")
    assert house.planned_jobs(*batch, target="dataset")["fetch_scene"] == 1
    # Another choice repeats nothing.
    house.configure({**values, "acquisition.keep_raw": True})
    assert house.planned(target="dataset") == set()
    house.configure({**values, "acquisition.keep_raw": True, "stack.low_db": -30.0})
    again = house.planned(target="dataset")
    assert "check_stack" in again
    assert not again & {"fetch_scene", "stack_scenes", "optical_image"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_raw_products_become_the_dataset_of_the_pretraining(tmp_path: Path) -> None:
    house = copy_project(tmp_path / "house")
    house.configure({**RAW, "pair_scene": ONE_GLACIER})
    # One command: what there is to fetch is searched for on the way.
    house.build(target="dataset")
    root = house.root
    manifest = json.loads((root / DATASET).read_text())
    assert manifest["synthetic"] is True
    assert {image["split"] for image in manifest["sar"]} == {"train", "val"}
    assert [image["glacier"] for image in manifest["sar"]] == [NAME] * 3
    assert [image["glacier"] for image in manifest["optical"]] == [NAME]
    stack = StackRecord.read(root / f"data/stack/{NAME}/stack.json")
    assert len(stack.usable) == 3
    assert all((root / f"data/stack/{NAME}" / str(each.file)).is_file() for each in stack.usable)
    item = next((root / f"data/stack/{NAME}/stac").glob("S1X*.json"))
    asset = json.loads(item.read_text())["assets"]["backscatter"]["href"]
    assert (item.parent / asset).resolve().is_file()
    report = json.loads((root / "runs/micro/ssl4sar/validation.json").read_text())
    assert report["errors"] == 0
    assert not [each for each in report["problems"] if "none of the folders" in each["problem"]]
    assert house.planned(target="dataset") == set()

    # A kill while scenes are geocoded: the same bytes, and nothing of it stays behind.
    before = stacked_files(root)
    batch = root / f"data/stack/{NAME}/000"
    forced = ("--forcerun", "stack_scenes")
    house.target = "dataset"
    with house.running(*forced) as process:
        ended = lambda: process.poll() is not None  # noqa: E731
        wait_until(lambda: ended() or not (batch / "stack.json").exists(), "a new start")
        wait_until(lambda: ended() or any((batch / "images").rglob("*.tif")), "the first image")
        assert not ended()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (batch / "stack.json").exists()
    house.snakemake("--unlock", "--configfile", house.config)
    house.build(target="dataset")
    assert stacked_files(root) == before
    assert house.planned(target="dataset") == set()

    # A number of the dataset is traced to the raw products.
    audit = ["-m", "ssl4sar.cli", "audit", DATASET]
    done = house.python(*audit)
    assert done.returncode == 0, done.stdout + done.stderr
    product = stack.usable[0].product
    raw = next((root / "data/scenes" / product).rglob("*.tiff"))
    raw.write_bytes(b"x" * raw.stat().st_size)
    done = house.python(*audit)
    assert done.returncode == 1
    assert raw.name in done.stdout + done.stderr
    # What is not the product that was fetched becomes no image, and its batch is made all the same.
    house.build("--forcerun", "stack_scenes", target=f"data/stack/{NAME}/stack.json")
    stack = StackRecord.read(root / f"data/stack/{NAME}/stack.json")
    problems = {each.product: each.problem for each in stack.scenes if each.problem}
    assert list(problems) == [product]
    assert "not the file that was fetched" in problems[product]
    assert len(stack.usable) == 2
