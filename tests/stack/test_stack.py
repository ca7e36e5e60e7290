"""From SYNTHETIC raw products, whose ground is known, to a stack and a dataset."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pystac.validation import validate_dict
from raw_glacier import INCIDENCE_DEG, RawGlacier, Stacked
from scipy import ndimage

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, read_text
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.pair_layout import MANIFEST_NAME
from ssl4sar.core.seeding import generator
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_validation import validate_pairs
from ssl4sar.report.dataset_card import card_text
from ssl4sar.sar import product as product_module
from ssl4sar.sar.coding import (
    GrayMapping,
    read_backscatter,
    read_geometry,
    write_backscatter,
    write_geometry,
)
from ssl4sar.sar.geocode import GeocodeOptions, geocode
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation
from ssl4sar.stack import scenes as scenes_module
from ssl4sar.stack.coregistration import (
    check_coregistration,
    stable_terrain,
    track_median,
    write_shift_table,
)
from ssl4sar.stack.pairs import GlacierImages, PairOptions, build_pairs
from ssl4sar.stack.record import (
    SceneShift,
    StackedScene,
    StackRecord,
    geometry_path,
    image_path,
    merge_stacks,
)
from ssl4sar.stack.scenes import GlacierScenes, RawScene, stack_batch, stack_scenes
from ssl4sar.stack.shift import measure_shift
from ssl4sar.stack.stac import area_in_degrees, item_problems, scene_item, write_stac
from ssl4sar.synthetic.environment import environment_on
from ssl4sar.synthetic.raw_scenes import (
    RawPlace,
    plan_place_pass,
    write_elevation,
    write_raw_sar,
)
from ssl4sar.synthetic.sar import Viewing, Visibility, backscatter_db, draw_levels
from ssl4sar.synthetic.sensors import SENSORS
from ssl4sar.synthetic.world import glacier_world

pytestmark = pytest.mark.slow


def true_db(raw: RawGlacier, number: int) -> np.ndarray:
    """Mean sigma nought of the ground on the grid of the stack, without terrain and speckle."""
    place, day = raw.place, raw.days[number].date()
    plane = Grid.centred(raw.grid.width * 20.0, raw.grid.height * 20.0, 20.0)
    weather = environment_on(place.seed, place.world.place, northern=True, day=day)
    rng = generator(place.seed, "raw levels", place.world.place, day.isoformat())
    levels = draw_levels(rng, SENSORS["S1"].band, weather.wind_m_s, INCIDENCE_DEG, 1.0)
    flat = Visibility(np.zeros(plane.shape, bool), np.zeros(plane.shape, np.float32))
    viewing = Viewing(INCIDENCE_DEG, math.radians(12.0))
    return backscatter_db(place.world.sample(plane, day), flat, viewing, levels)


def test_scenes_show_the_ground_where_it_is(stacked: Stacked) -> None:
    raw = stacked.raw
    for number, scene in enumerate(stacked.stack.usable):
        db = read_backscatter(image_path(stacked.record, scene)).db
        truth = true_db(raw, number)
        found = measure_shift(truth, db, np.ones(db.shape, bool))
        assert found.length_px == pytest.approx(0.0, abs=0.15)
        # Terrain changes slopes; the sea stays level but where mountains are laid over it.
        sea = (
            raw.place.world.sample(
                Grid.centred(raw.grid.width * 20.0, raw.grid.height * 20.0, 20.0),
                raw.days[number].date(),
            ).elevation_m
            == 0
        )
        assert np.median((db - truth)[sea]) == pytest.approx(0.0, abs=0.5)


def test_a_stack_lists_its_scenes_by_time(stacked: Stacked) -> None:
    stack = StackRecord.read(stacked.record)
    assert stack == stacked.stack
    assert stack.pixels == stacked.raw.grid
    assert [scene.day for scene in stack.scenes] == ["2018-05-12", "2018-06-12", "2018-07-12"]
    assert {scene.track for scene in stack.scenes} == {"090 ascending IW HH"}
    assert all(scene.valid_percent == 100.0 and scene.problem is None for scene in stack.scenes)


def test_a_scene_that_fails_is_recorded_and_the_others_are_made(
    raw_glacier: RawGlacier, tmp_path: Path
) -> None:
    first, second, _ = raw_glacier.scenes
    broken = shutil.copytree(first.path, tmp_path / first.path.name)
    image = next(broken.glob("measurement/*"))
    image.write_bytes(image.read_bytes()[:1000])
    empty = tmp_path / "S1X_IW_GRDH_NOTHING.SAFE"
    empty.mkdir()
    record = tmp_path / "stack.json"
    stack = stack_scenes(
        [RawScene(broken), RawScene(empty), second],
        "Synthetic01",
        raw_glacier.grid,
        raw_glacier.elevation,
        record,
    )
    assert [scene.problem is None for scene in stack.scenes] == [True, False, False]
    problems = {scene.product: scene.problem for scene in stack.scenes}
    assert "manifest.safe" in str(problems["S1X_IW_GRDH_NOTHING"])
    assert image.name in str(problems[broken.stem])
    with pytest.raises(UserError, match=r"nothing\.tif"):
        stack_scenes([second], "S", raw_glacier.grid, Elevation(tmp_path / "nothing.tif"), record)


def test_one_scene_for_several_glaciers_is_read_once(
    raw_glacier: RawGlacier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two glaciers beside each other, which share ground, and one elsewhere."""
    whole = raw_glacier.grid
    grids = {
        "West": Grid.at(whole.left, whole.top, 20, (120, 90), whole.crs),
        "East": Grid.at(whole.left + 1200, whole.top, 20, (120, 90), whole.crs),
        "Far": Grid.at(whole.left + 50_000, whole.top, 20, (20, 20), whole.crs),
    }
    first, second, _ = raw_glacier.scenes
    far = replace(raw_glacier.place, grid=grids["Far"])
    write_elevation(far, raw_glacier.days[0].date(), tmp_path / "far.tif")
    heights = {"Far": Elevation(tmp_path / "far.tif")}
    alone = {
        name: stack_scenes(
            [first, second],
            name,
            grids[name],
            raw_glacier.elevation,
            tmp_path / name / "stack.json",
        )
        for name in ("West", "East")
    }
    calls: list[str] = []
    for module, name in (
        (scenes_module, "open_product"),
        (product_module, "read_annotation"),
        (product_module, "read_calibration"),
        (product_module, "read_noise"),
    ):
        true = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *given, name=name, true=true: calls.append(name) or true(*given)
        )
    shared, own = RawScene(first.path), RawScene(second.path)
    gone = StackedScene(product="gone", problem="it is missing")
    record, images = tmp_path / "West/000/stack.json", tmp_path / "West/000/images"
    listed = {"West": [shared, own, gone], "East": [shared, gone], "Far": [shared]}
    batch = stack_batch(
        [
            GlacierScenes(name, grids[name], heights.get(name, raw_glacier.elevation), scenes)
            for name, scenes in listed.items()
        ],
        record,
        images,
    )
    assert sorted(set(calls)) == [
        "open_product",
        "read_annotation",
        "read_calibration",
        "read_noise",
    ]
    assert all(calls.count(name) == 2 for name in calls)
    for name, count in (("West", 2), ("East", 1)):
        merged = merge_stacks([record], name, tmp_path / name / "stack.json")
        assert [scene.sha256 for scene in merged.usable] == [
            scene.sha256 for scene in alone[name].usable[:count]
        ]
        for scene in merged.usable:
            path = image_path(tmp_path / name / "stack.json", scene).resolve()
            assert path.parent == images / name
            assert path.read_bytes() == (tmp_path / name / path.name).read_bytes()
        assert merged.scenes[-1] == gone
    (outside,) = batch.stacks[2].scenes
    assert "the area is not in the scene" in str(outside.problem)


def test_how_a_scene_was_seen_is_beside_it(stacked: Stacked) -> None:
    for number, scene in enumerate(stacked.stack.usable):
        path = geometry_path(stacked.record, scene)
        assert sha256_file(path) == scene.geometry_sha256
        raw, seen = stacked.raw, read_geometry(path)
        product = open_product(raw.scenes[number].path)
        image = geocode(product, "HH", raw.grid, raw.elevation)
        angle = image["local_incidence_angle"].values
        np.testing.assert_allclose(seen.incidence_deg, angle, atol=0.00502)
        np.testing.assert_array_equal(seen.layover_shadow, image["layover_shadow"].values)
        assert seen.grid == raw.grid
        assert scene.facts["layover_shadow_percent"] == round(
            100 * (seen.layover_shadow > 0).mean(), 2
        )


def test_making_a_stack_again_gives_the_same_bytes(stacked: Stacked, tmp_path: Path) -> None:
    raw = stacked.raw
    again = stack_scenes(
        raw.scenes[:1], "Synthetic01", raw.grid, raw.elevation, tmp_path / "stack.json"
    )
    assert again.scenes[0] == stacked.stack.scenes[0]


def test_a_stack_with_terrain_flattening_has_less_of_the_slopes(
    stacked: Stacked, tmp_path: Path
) -> None:
    raw, record = stacked.raw, tmp_path / "stack.json"
    options = GeocodeOptions("gamma0_rtc")
    stack = stack_scenes(
        raw.scenes[:1], "Synthetic01", raw.grid, raw.elevation, record, options=options
    )
    (flattened,) = stack.usable
    assert flattened.facts["quantity"] == "gamma0_rtc"
    truth = true_db(raw, 0)
    scene = next(each for each in stacked.stack.usable if each.product == flattened.product)
    spread = [
        np.nanstd(read_backscatter(path).db - truth)
        for path in (image_path(record, flattened), image_path(stacked.record, scene))
    ]
    assert spread[0] < spread[1]


@pytest.fixture(scope="module")
def checked(stacked: Stacked) -> StackRecord:
    stable = stable_terrain(stacked.raw.optical.sel(band="SCL").values)
    assert 0.02 < stable.mean() < 0.9
    return check_coregistration(stacked.stack, stacked.record, stable)


def test_scenes_of_one_geometry_are_not_shifted(checked: StackRecord, tmp_path: Path) -> None:
    for scene in checked.scenes:
        assert scene.shift is not None
        assert scene.shift.problem is None
        assert scene.shift.x_m == pytest.approx(0.0, abs=4.0)
    write_shift_table(checked, tmp_path / "shifts.csv")
    lines = (tmp_path / "shifts.csv").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("product,day,track,valid_percent,x_px")


def test_a_displaced_scene_is_flagged_and_nothing_is_warped(
    stacked: Stacked, tmp_path: Path
) -> None:
    record = shutil.copytree(stacked.record.parent, tmp_path / "copy") / "stack.json"
    first, second, third = (image_path(record, scene) for scene in stacked.stack.scenes)
    # Three times the same ground, once displaced.
    shutil.copy(first, third)
    image = read_backscatter(first)
    power = ndimage.shift(10 ** (image.db / 10), (0.0, 1.5), order=3, mode="nearest")
    db = (10 * np.log10(np.maximum(power, 1e-4))).astype(np.float32)
    write_backscatter(second, db, image.grid, name="sigma0", metadata={})
    before = second.read_bytes()
    checked = check_coregistration(stacked.stack, record, np.ones(db.shape, bool))
    shift = checked.scenes[1].shift
    assert shift is not None
    assert (shift.x_px, shift.y_px) == (pytest.approx(1.5, abs=0.1), pytest.approx(0, abs=0.1))
    assert (shift.x_m, shift.y_m) == (pytest.approx(30, abs=2), pytest.approx(0, abs=2))
    assert shift.problem is not None
    assert second.read_bytes() == before


def test_too_few_scenes_of_a_track_are_said_to_be(stacked: Stacked) -> None:
    two = stacked.stack.model_copy(update={"scenes": stacked.stack.scenes[:2]})
    checked = check_coregistration(two, stacked.record, np.ones(two.pixels.shape, bool))
    assert [each.shift.problem for each in checked.scenes if each.shift] == [
        "its track has 2 scenes, 3 are needed"
    ] * 2


def test_the_median_is_that_of_numpy(stacked: Stacked) -> None:
    paths = [image_path(stacked.record, scene) for scene in stacked.stack.scenes]
    expected = np.nanmedian([read_backscatter(path).db for path in paths], axis=0)
    np.testing.assert_allclose(
        track_median(paths, stacked.raw.grid, workers=2), expected, atol=1e-4
    )


def test_items_hold_what_catalogues_ask_for(checked: StackRecord, stacked: Stacked) -> None:
    collection = write_stac(checked, stacked.record)
    document = json.loads(collection.read_text())
    assert [link["rel"] for link in document["links"]] == ["item"] * 3
    item = json.loads((collection.parent / document["links"][0]["href"]).read_text())
    assert item_problems(item) == []
    # The schema of STAC comes with the library; those of the extensions are on the network.
    validate_dict({**item, "stac_extensions": []})
    validate_dict(document)
    assert item["properties"]["proj:code"] == "EPSG:32622"
    assert item["properties"]["sat:relative_orbit"] == 90
    assert item["properties"]["ssl4sar:geolocation"] == "within limits"
    assert item["assets"]["backscatter"]["file:checksum"].startswith("1220")
    geometry = item["assets"]["geometry"]
    assert {"local-incidence-angle", "terrain-shadow"} < set(geometry["roles"])
    assert [band["name"] for band in geometry["bands"]] == [
        "local_incidence_angle",
        "layover_shadow",
    ]
    assert geometry["bands"][0]["raster:scale"] == 0.01
    stored = (collection.parent / geometry["href"]).read_bytes()
    assert geometry["file:checksum"] == "1220" + hashlib.sha256(stored).hexdigest()
    assert geometry["file:size"] == len(stored)
    assert "SYNTHETIC" in item["properties"]["description"]


def test_items_name_the_engine_that_geocoded(stacked: Stacked) -> None:
    scene = stacked.stack.scenes[0]
    ours = scene_item(stacked.stack, scene, stacked.record).properties
    assert set(ours["processing:software"]) == {"ssl4sar", "Sentinel-1 IPF"}
    assert "terrain-corrected by range and Doppler with" in ours["processing:lineage"]
    by_snap = {"engine": "pyrosar", "engine_versions": "pyroSAR 0.39.1, SNAP microwavetbx 12.0.1"}
    scene = scene.model_copy(update={"facts": {**scene.facts, **by_snap}})
    theirs = scene_item(stacked.stack, scene, stacked.record).properties
    software = theirs["processing:software"]
    assert software == {
        **ours["processing:software"],
        "pyroSAR": "0.39.1",
        "SNAP microwavetbx": "12.0.1",
    }
    assert "terrain-corrected by pyroSAR 0.39.1, SNAP microw" in theirs["processing:lineage"]


def test_a_scene_has_a_thumbnail_in_the_grey_of_the_dataset(
    stacked: Stacked, tmp_path: Path
) -> None:
    scene = stacked.stack.scenes[0]
    path = image_path(stacked.record, scene)
    image = read_backscatter(path)
    db, grid = np.kron(image.db, np.ones((4, 6), np.float32)), image.grid
    db[:40] = np.nan
    large = Grid.at(grid.left, grid.top, 20.0, db.shape, grid.crs)
    record = shutil.copytree(stacked.record.parent, tmp_path / "copy") / "stack.json"
    write_backscatter(image_path(record, scene), db, large, name="sigma0", metadata={})
    one = stacked.stack.model_copy(update={"scenes": (scene,)})
    mapping = GrayMapping(-30, -5)
    write_stac(one, record, tmp_path / "stac", mapping)
    item = json.loads((tmp_path / "stac" / f"{path.stem}.json").read_text())
    asset = item["assets"]["thumbnail"]
    assert (asset["type"], asset["roles"]) == ("image/png", ["thumbnail"])
    picture = tmp_path / "stac" / asset["href"]
    gray = read_gray(picture)
    assert max(gray.shape) == 256
    assert gray.shape[0] == pytest.approx(256 * db.shape[0] / db.shape[1], abs=1)
    rows = gray.shape[0] * 40 // db.shape[0]
    assert not gray[: rows - 1].any()
    assert gray[rows + 1 :].all()
    # Means of decibels: blocks of equal pixels, so that clipping before and after hardly differ.
    expected = np.nanmean(np.clip((db + 30) / mapping.step_db + 1, 1, 255))
    assert gray[rows + 1 :].mean() == pytest.approx(expected, abs=4)
    assert "SYNTHETIC" in read_text(picture)["Comment"]


def test_places_are_degrees_also_across_the_antimeridian(stacked: Stacked) -> None:
    across = Grid.at(300_000.0, 7_700_000.0, 200.0, (100, 1000), "EPSG:32601")
    assert area_in_degrees(across).geom_type == "MultiPolygon"
    moved = stacked.stack.model_copy(update={"grid": across.to_json()})
    item = scene_item(moved, stacked.stack.scenes[0], stacked.record).to_dict()
    west, _, east, _ = item["bbox"]
    assert east < 0 < west
    assert item_problems(item) == []
    assert item_problems({**item, "bbox": [5e5, 7e6, 6e5, 8e6]}) != []


def test_a_glacier_across_the_antimeridian_is_stacked(tmp_path: Path) -> None:
    # 180 degrees east at 69.4 north.
    grid = Grid.at(616_760.0, 7_702_860.0, 20, (100, 100), "EPSG:32660")
    world = glacier_world(20250711, "Synthetic01", 9000.0, northern=True)
    place = RawPlace(world, grid, seed=7)
    write_elevation(place, date(2018, 7, 1), tmp_path / "elevation.tif")
    radar = plan_place_pass(grid, INCIDENCE_DEG, ascending=True)
    taken = datetime(2018, 6, 12, 10, 5, 6, tzinfo=UTC)
    product = write_raw_sar(
        place, radar, taken, tmp_path, incidence_deg=INCIDENCE_DEG, relative_orbit=90
    )
    record = tmp_path / "stack.json"
    elevation = Elevation(tmp_path / "elevation.tif")
    stack = stack_scenes([RawScene(product)], "Synthetic01", grid, elevation, record)
    (scene,) = stack.scenes
    assert scene.problem is None
    assert scene.valid_percent is not None
    # The highest ground may be seen before the first pixel.
    assert scene.valid_percent > 99
    west, _, east, _ = scene_item(stack, scene, record).to_dict()["bbox"]
    assert 179.9 < west < 180
    assert -180 < east < -179.9
    raw = RawGlacier(place, grid, elevation, (), (taken,), xr.DataArray())
    db = read_backscatter(image_path(record, scene)).db
    shift = measure_shift(true_db(raw, 0), db, np.ones(db.shape, bool))
    assert shift.length_px == pytest.approx(0.0, abs=0.15)


def test_the_dataset_is_one_that_the_pretraining_reads(
    checked: StackRecord, stacked: Stacked, tmp_path: Path
) -> None:
    images = GlacierImages(checked, stacked.record, stacked.raw.optical)
    manifest = build_pairs([images], tmp_path / "pairs", PairOptions(val_fraction=0.3))
    assert manifest.facts()["images"] == {"train": 2, "val": 1}
    assert manifest.synthetic
    assert manifest.sar[-1].date == "2018-07-12"
    mapping = manifest.sar[0].processing["mapping"]  # type: ignore[index]
    assert (mapping["low_db"], mapping["high_db"]) == (-25.0, 0.0)
    report = validate_pairs(tmp_path / "pairs", PairRules(source="built", test_glaciers=()))
    assert [each for each in report.problems if each.severity == "error"] == []
    assert PairManifest.read(tmp_path / "pairs" / MANIFEST_NAME) == manifest


def flagged(stack: StackRecord) -> StackRecord:
    shift = SceneShift(
        x_px=3.0, y_px=0.0, x_m=60.0, y_m=0.0, spread_px=0.1, peak_to_noise=9.0, windows=9,
        problem="shifted by 3.00 px",
    )  # fmt: skip
    first, *others = stack.scenes
    return stack.model_copy(update={"scenes": (first.model_copy(update={"shift": shift}), *others)})


def test_flagged_scenes_are_left_out_or_moved_only_as_asked(
    stacked: Stacked, tmp_path: Path
) -> None:
    gone = StackedScene(product="S1X_GONE", problem="it is missing")
    stack = flagged(stacked.stack)
    stack = stack.model_copy(update={"scenes": (*stack.scenes, gone)})
    images = GlacierImages(stack, stacked.record, stacked.raw.optical)
    without = build_pairs([images], tmp_path / "a")
    assert len(without.sar) == 2
    failed, left_out = without.left_out
    assert failed.model_dump() == {
        "file": "S1X_GONE",
        "why": "no image of Synthetic01: it is missing",
    }
    assert "| left out | 2 scenes" in card_text(without)
    assert left_out.why.endswith(": shifted by 3.00 px")
    assert left_out.file.startswith("unlabeled_data_raw_train/")
    assert "20180512" in left_out.file
    late = build_pairs([images], tmp_path / "late", PairOptions(val_glaciers=("Synthetic01",)))
    assert late.left_out[1].file.startswith("unlabeled_data_raw_val/")
    unmoved = build_pairs([images], tmp_path / "b", PairOptions(leave_out_flagged=False))
    moved = build_pairs(
        [images], tmp_path / "c", PairOptions(leave_out_flagged=False, apply_shift=True)
    )
    assert unmoved.sar[0].processing["moved_px"] is None  # type: ignore[index]
    assert moved.sar[0].processing["moved_px"] == [0.0, -3.0]  # type: ignore[index]
    assert unmoved.sar[0].sha256 != moved.sar[0].sha256
    assert unmoved.sar[1].sha256 == moved.sar[1].sha256


def test_layover_and_shadow_are_left_out_only_as_asked(stacked: Stacked, tmp_path: Path) -> None:
    record = shutil.copytree(stacked.record.parent, tmp_path / "copy") / "stack.json"
    scene = stacked.stack.scenes[0]
    seen = read_geometry(geometry_path(record, scene))
    marks = np.zeros_like(seen.layover_shadow)
    marks[10:20, 30:50], marks[40:45] = 1, 2
    path = geometry_path(record, scene)
    write_geometry(path, seen.incidence_deg, marks, seen.grid, metadata=seen.metadata)
    images = GlacierImages(stacked.stack, record, stacked.raw.optical)
    plain = build_pairs([images], tmp_path / "a", PairOptions(val_fraction=0))
    masked = build_pairs(
        [images], tmp_path / "b", PairOptions(val_fraction=0, mask_layover_shadow=True)
    )
    whole, cut = (
        read_gray(tmp_path / folder / each.sar[0].file)
        for folder, each in (("a", plain), ("b", masked))
    )
    np.testing.assert_array_equal(cut, np.where(marks > 0, 0, whole))
    assert plain.sar[0].processing["masked_px"] is None  # type: ignore[index]
    assert masked.sar[0].processing["masked_px"] == (marks > 0).sum()  # type: ignore[index]


def test_what_must_not_be_in_a_dataset_is_refused(stacked: Stacked, tmp_path: Path) -> None:
    images = GlacierImages(stacked.stack, stacked.record, stacked.raw.optical)
    columbia = replace(images, stack=stacked.stack.model_copy(update={"glacier": "Columbia"}))
    with pytest.raises(UserError, match="test set"):
        build_pairs([columbia], tmp_path / "a")
    assert build_pairs(
        [columbia], tmp_path / "b", PairOptions(allow_test_glaciers=True)
    ).included_test_glaciers == ("Columbia",)
    other = replace(
        images, optical=stacked.raw.optical.assign_coords(x=stacked.raw.optical["x"] + 20)
    )
    with pytest.raises(UserError, match="another grid"):
        build_pairs([other], tmp_path / "c")
    with pytest.raises(UserError, match="it is there twice"):
        build_pairs([images, images], tmp_path / "e")
    nothing = replace(images, stack=stacked.stack.model_copy(update={"scenes": ()}))
    with pytest.raises(UserError, match="no image is left"):
        build_pairs([nothing], tmp_path / "d")
