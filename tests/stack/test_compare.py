"""``ssl4sar sar compare``: two images on one grid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from ssl4sar.cli import main
from ssl4sar.core.grid import Grid
from ssl4sar.sar.coding import write_backscatter

SIDE_PX = 200
GRID = Grid.at(500_000, 7_700_000, 20, (SIDE_PX, SIDE_PX), "EPSG:32622")


def texture() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 12, (SIDE_PX, SIDE_PX))
    return (gaussian_filter(noise, 2) - 12).astype(np.float32)


def write(path: Path, db: np.ndarray, grid: Grid = GRID, **facts: str) -> str:
    write_backscatter(path, db.astype(np.float32), grid, name="sigma0", metadata=facts)
    return str(path)


def test_the_differences_are_those_that_were_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = texture()
    moved = shift(db, (2.0, -1.0), order=3, mode="nearest") + 0.5
    db[:10], moved[:, :20], db[-10:, 20:] = np.nan, np.nan, -60
    one = write(tmp_path / "a.tif", db)
    other = write(tmp_path / "b.tif", moved, engine="pyroSAR 0.39.1")
    assert main(["sar", "compare", one, other, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["engines"] == ["builtin", "pyroSAR 0.39.1"]
    assert found["shift_x_px"] == pytest.approx(-1, abs=0.1)
    assert found["shift_y_px"] == pytest.approx(2, abs=0.1)
    shares = [found[f"{name}_share"] for name in ("only_first", "only_second", "lowest")]
    assert shares == pytest.approx([0.95 * 0.1, 0.05 * 0.9, 0.05 * 0.9])
    assert main(["sar", "compare", one, other]) == 0
    assert "px down" in capsys.readouterr().out

    plain = write(tmp_path / "c.tif", np.where(np.arange(SIDE_PX) % 2, db + 1, db - 2))
    assert main(["sar", "compare", one, plain, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bias_db"] == pytest.approx(-0.5, abs=0.01)
    assert found["rms_db"] == pytest.approx(np.sqrt(2.5), abs=0.01)
    assert found["percentiles_db"]["5"] == pytest.approx(-2, abs=0.02)
    assert found["percentiles_db"]["95"] == pytest.approx(1, abs=0.02)


def test_pixels_without_power_do_not_hide_a_shift(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = texture()
    moved = shift(db, (0.0, 1.5), order=3, mode="nearest")
    rows, columns = np.indices(db.shape) % 24
    files = []
    for name, image in (("a", db), ("b", moved)):
        image[(rows < 6) & (columns < 6)] = -60
        files.append(write(tmp_path / f"{name}.tif", image))
    assert main(["sar", "compare", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shift_x_px"] == pytest.approx(1.5, abs=0.1)
    assert found["shift_y_px"] == pytest.approx(0, abs=0.1)


def test_images_without_a_common_pixel_have_no_bias(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = texture()
    left, right = db.copy(), db.copy()
    left[:, 100:], right[:, :100] = np.nan, np.nan
    files = [write(tmp_path / f"{n}.tif", each) for n, each in enumerate((left, right))]
    assert main(["sar", "compare", *files]) == 0
    text = capsys.readouterr().out
    assert "0.0% compared, 50.00% only in the first, 50.00% only in the second" in text
    assert "shift: not measured" in text


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (GRID.crop(slice(0, 100), slice(0, 200)), "100x200 px"),
        (Grid.at(500_010, 7_700_000, 20, GRID.shape, GRID.crs), "up to 0.5 pixels off a.tif"),
        (Grid.at(500_000, 7_700_000, 20, GRID.shape, "EPSG:32623"), "EPSG:32623"),
    ],
)
def test_other_grids_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], grid: Grid, message: str
) -> None:
    one = write(tmp_path / "a.tif", texture())
    other = write(tmp_path / "b.tif", texture()[: grid.height, : grid.width], grid)
    assert main(["sar", "compare", one, other]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
