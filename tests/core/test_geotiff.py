"""Written GeoTIFF files: what is read back, equal bytes, whole or absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid

rasterio = pytest.importorskip("rasterio")
GRID = Grid.at(-1200.0, 900.0, 60.0, (20, 30))


def image() -> np.ndarray:
    made = np.random.default_rng(0).normal(3000, 900, (3, 20, 30)).astype(np.float32)
    made[:, :4, :5] = np.nan
    return made


def write(path: Path, made: np.ndarray, **changes: object) -> Path:
    values = {"descriptions": ("B2", "B3", "SCL"), "tags": {"COMMENT": "SYNTHETIC"}}
    write_geotiff(path, made, replace(GRID, **changes), **values)
    return path


def test_values_bands_note_and_place_come_back(tmp_path: Path) -> None:
    made = image()
    with rasterio.open(write(tmp_path / "a.tif", made)) as file:
        np.testing.assert_array_equal(file.read(), made)
        assert file.descriptions == ("B2", "B3", "SCL")
        assert file.tags()["COMMENT"] == "SYNTHETIC"
        assert Grid.of_raster(file) == GRID
        assert np.isnan(file.nodata)
        assert file.crs is None
        valid = file.read_masks(1) > 0
    np.testing.assert_array_equal(valid, ~np.isnan(made[0]))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 20, 30)),
        np.zeros((20, 30), np.float32),
        np.zeros((2, 20, 30), np.float32),
        np.zeros((3, 20, 31), np.float32),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        write(tmp_path / "a.tif", wrong)
    assert not (tmp_path / "a.tif").exists()
