"""What a stack says of itself, without any raw product."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ssl4sar.core.grid import Grid
from ssl4sar.report import coregistration
from ssl4sar.sar.coding import write_backscatter
from ssl4sar.stack.coregistration import track_median
from ssl4sar.stack.record import StackedScene, StackRecord

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
