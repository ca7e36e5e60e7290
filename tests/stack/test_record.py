"""What a stack says of itself, without any raw product."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from scipy import ndimage

from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.core.pair_layout import BANDS
from ssl4sar.report import coregistration
from ssl4sar.sar.coding import write_backscatter
from ssl4sar.stack.coregistration import TrackMedian, check_coregistration, track_median
from ssl4sar.stack.optical import optical_grid, read_optical
from ssl4sar.stack.pairs import GlacierImages, build_pairs
from ssl4sar.stack.record import (
    BatchRecord,
    StackedScene,
    StackRecord,
    geometry_path,
    merge_stacks,
)
from ssl4sar.stack.scene_files import write_scene

GRID = Grid.at(500_000, 7_700_000, 20, (8, 9), "EPSG:32622")


@pytest.mark.parametrize(("platform", "start"), [("S1X", "SYNTHETIC: Here"), ("S1A", "Here")])
def test_pictures_name_what_was_rendered(
    platform: str, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = StackedScene(product="a", problem="gone", facts={"platform": platform})
    stack = StackRecord(glacier="Here", grid=GRID.to_json(), scenes=(scene,))
    drawn: list[Figure] = []
    monkeypatch.setattr(coregistration, "save_figure", lambda figure, path: drawn.append(figure))
    nothing = np.full(GRID.shape, np.nan, np.float32)
    coregistration.draw_coregistration(tmp_path / "a.png", stack, nothing, np.isfinite(nothing))
    coregistration.draw_quick_looks(tmp_path / "b.png", stack, tmp_path / "stack.json")
    assert drawn[0].get_suptitle().startswith(start)
    assert drawn[1].texts[0].get_text().startswith(start)


def test_pixels_that_no_image_shows_have_no_median(tmp_path: Path) -> None:
    db = np.full(GRID.shape, -12, np.float32)
    db[:4] = np.nan
    paths = [tmp_path / f"{number}.tif" for number in range(3)]
    for path in paths:
        write_backscatter(path, db, GRID, name="sigma0", metadata={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        median = track_median(paths, GRID)
    np.testing.assert_array_equal(median, db)


def test_a_stack_is_merged_of_the_own_scenes_of_its_batches(tmp_path: Path) -> None:
    def write(batch: str, glacier: str, day: int, grid: Grid = GRID) -> Path:
        scenes = [
            StackedScene(product=f"{name} {day}", file=f"images/{name}/{day}.tif")
            for name in (glacier, "Other")
        ]
        stacks = tuple(
            StackRecord(glacier=name, grid=grid.to_json(), scenes=(scene,))
            for name, scene in zip((glacier, "Other"), scenes, strict=True)
        )
        record = tmp_path / batch / "stack.json"
        record.parent.mkdir(parents=True)
        BatchRecord(stacks=stacks).write(record)
        return record

    batches = [write("Before/000", "Here", 2), write("Here/000", "Here", 1)]
    merged = merge_stacks(batches, "Here", tmp_path / "Here/stack.json")
    assert [(scene.product, scene.file) for scene in merged.scenes] == [
        ("Here 1", "000/images/Here/1.tif"),
        ("Here 2", "../Before/000/images/Here/2.tif"),
    ]
    with pytest.raises(UserError, match="it has no scene of There"):
        merge_stacks(batches, "There", tmp_path / "stack.json")
    shifted = write("Here/001", "Here", 3, Grid.at(0, 0, 20, (8, 9), GRID.crs))
    with pytest.raises(UserError, match="on another grid"):
        merge_stacks([*batches, shifted], "Here", tmp_path / "stack.json")


def test_an_image_on_another_grid_is_refused(tmp_path: Path) -> None:
    north = Grid.at(500_000, 8_700_000, 20, GRID.shape, GRID.crs)
    moved = Grid.at(500_000, 8_700_080, 20, GRID.shape, GRID.crs)
    for name, grid in (("a", north), ("b", moved)):
        db = np.zeros(GRID.shape, np.float32)
        write_backscatter(tmp_path / f"{name}.tif", db, grid, name="sigma0", metadata={})
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    with pytest.raises(UserError, match=r"b\.tif: the image is up to 4 pixels off"):
        track_median(paths, north)
    bands = np.zeros((len(BANDS), *moved.shape), np.float32)
    write_geotiff(tmp_path / "s2.tif", bands, moved, tags={"SSL4SAR": f'{{"crs": "{moved.crs}"}}'})
    optical = read_optical(tmp_path / "s2.tif")
    assert optical_grid(optical) == moved
    stack = StackRecord(glacier="Here", grid=north.to_json(), scenes=())
    with pytest.raises(UserError, match=r"another grid .* up to 4 pixels off"):
        build_pairs([GlacierImages(stack, tmp_path / "stack.json", optical)], tmp_path / "pairs")


def test_a_scene_without_any_height_has_no_angle(tmp_path: Path) -> None:
    nothing = np.full(GRID.shape, np.nan, np.float32)
    image = xr.Dataset(
        {
            "backscatter": (("y", "x"), nothing - 12),
            "local_incidence_angle": (("y", "x"), nothing),
            "layover_shadow": (("y", "x"), np.zeros(GRID.shape, np.uint8)),
            "valid": (("y", "x"), np.zeros(GRID.shape, bool)),
        },
        attrs={
            "polarisation": "HH", "quantity": "sigma0", "start": "2018-05-12T10:05:06",
            "relative_orbit": 90, "orbit_pass": "ascending", "mode": "IW",
        },
    )  # fmt: skip
    scene = write_scene("a", image, GRID, tmp_path)
    assert scene.facts["incidence_deg"] is None
    assert geometry_path(tmp_path / "stack.json", scene).is_file()
    old = scene.model_copy(update={"geometry_file": None})
    with pytest.raises(UserError, match="a has no geometry; make the stack again"):
        geometry_path(tmp_path / "stack.json", old)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
def test_a_scene_is_not_in_its_own_reference(number: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(number)
    # Equal values, and pixels that few scenes show.
    images = rng.integers(-20, -14, (number, *GRID.shape)).astype(np.float32)
    images[rng.random(images.shape) < 0.3] = np.nan
    paths = [tmp_path / f"{index}.tif" for index in range(number)]
    for path, db in zip(paths, images, strict=True):
        write_backscatter(path, db, GRID, name="sigma0", metadata={})
    median = TrackMedian.of(paths, GRID)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_array_equal(median.whole, np.nanmedian(images, axis=0))
        for index in range(number):
            others = np.delete(images, index, axis=0)
            nothing = np.full(GRID.shape, np.nan)
            expected = np.nanmedian(others, axis=0) if number > 1 else nothing
            np.testing.assert_array_equal(median.without(index), expected)


def test_of_three_scenes_a_small_shift_is_found_whole(tmp_path: Path) -> None:
    grid = Grid.at(500_000, 7_700_000, 20, (256, 256), "EPSG:32622")
    rng = np.random.default_rng(4)
    ground = 8 * ndimage.gaussian_filter(rng.standard_normal(grid.shape), 2) - 12
    scenes = []
    for index, moved in enumerate((0.0, 0.7, 0.0)):
        # Scenes of much noise: a median with the scene in it follows the scene.
        noise = 10 * np.log10(rng.gamma(4.4, 1 / 4.4, grid.shape))
        db = ndimage.shift(ground, (0, moved), order=3, mode="nearest") + noise
        write_backscatter(
            tmp_path / f"{index}.tif", db.astype(np.float32), grid, name="sigma0", metadata={}
        )
        scenes.append(StackedScene(product=str(index), file=f"{index}.tif", track="one"))
    stack = StackRecord(glacier="Here", grid=grid.to_json(), scenes=tuple(scenes))
    checked = check_coregistration(stack, tmp_path / "stack.json", np.ones(grid.shape, bool))
    shift = checked.scenes[1].shift
    assert shift is not None
    assert shift.x_px == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("other", ["017 descending IW HH", "090 ascending EW HH"])
def test_tracks_and_modes_are_not_mixed(other: str, tmp_path: Path) -> None:
    grid = Grid.at(500_000, 7_700_000, 20, (128, 128), "EPSG:32622")
    rng = np.random.default_rng(5)
    first, second = (ndimage.gaussian_filter(rng.standard_normal(grid.shape), 2) for _ in range(2))
    # Seen from the other side the same ground is another picture, here also displaced as a whole.
    tracks = {"090 ascending IW HH": first, other: np.roll(second, 3, axis=1)}
    scenes = []
    for name, ground in tracks.items():
        for index in range(3):
            file = f"{name[4:16]}{index}.tif".replace(" ", "")
            noise = 10 * np.log10(rng.gamma(20, 1 / 20, grid.shape))
            db = (40 * ground - 12 + noise).astype(np.float32)
            write_backscatter(tmp_path / file, db, grid, name="sigma0", metadata={})
            scenes.append(StackedScene(product=file, file=file, track=name))
    stack = StackRecord(glacier="Here", grid=grid.to_json(), scenes=tuple(scenes))
    checked = check_coregistration(stack, tmp_path / "stack.json", np.ones(grid.shape, bool))
    for scene in checked.scenes:
        assert scene.shift is not None
        assert scene.shift.problem is None
        assert (scene.shift.x_px, scene.shift.y_px) == (
            pytest.approx(0, abs=0.1),
            pytest.approx(0, abs=0.1),
        )
