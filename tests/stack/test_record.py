"""What a stack says of itself, without any raw product."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.report import coregistration
from ssl4sar.sar.coding import write_backscatter
from ssl4sar.stack.coregistration import track_median
from ssl4sar.stack.record import BatchRecord, StackedScene, StackRecord, merge_stacks

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
