"""``ssl4sar sar process``: one product to one image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from painted_grd import SHAPE, area, lon_lat, write_model, write_product

from ssl4sar.cli import main
from ssl4sar.core.errors import UserError
from ssl4sar.sar.coding import read_backscatter, read_geometry
from ssl4sar.sar.process import grid_of_bounds, grid_of_file

GRID = area(50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("process")
    write_product(base, np.full(SHAPE, 50, np.uint16))
    write_model(base / "dem.tif", GRID, HEIGHTS="ellipsoidal")
    write_model(base / "silent.tif", GRID)
    return base


def arguments(folder: Path, *more: str, dem: str = "dem.tif") -> list[str]:
    product = next(folder.glob("*.SAFE"))
    return ["sar", "process", str(product), "--dem", str(folder / dem), *more]


def test_an_image_is_made_on_bounds_and_again_on_its_own_grid(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lon, lat = lon_lat(GRID)
    bounds = [f"{each:.4f}" for each in (lon.min(), lat.min(), lon.max(), lat.max())]
    out, terrain, again = (tmp_path / name for name in ("a.tif", "terrain.tif", "b.tif"))
    where = ["--bounds", *bounds, "--spacing", "40", "--terrain-out", str(terrain)]
    assert main(arguments(folder, *where, "--out", str(out))) == 0
    text = capsys.readouterr().out
    assert "sigma0 of S1C_EW_GRDM" in text
    assert "valid 100.0%" in text
    image = read_backscatter(out)
    assert image.grid.crs == "EPSG:32633"
    assert image.grid.left % 40 == 0
    np.testing.assert_allclose(image.db, 20 * np.log10(50 / 100), atol=0.006)
    assert image.metadata["elevation"] == "dem.tif"
    seen = read_geometry(terrain)
    assert 25 < seen.incidence_deg.mean() < 45
    assert not seen.layover_shadow.any()
    assert main(arguments(folder, "--grid", str(out), "--out", str(again))) == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("dem", "more", "message"),
    [
        ("silent.tif", [], "does not say what its heights refer to"),
        ("silent.tif", ["--datum", "EGM96"], "there is no geoid grid"),
        ("none.tif", [], "the elevation model does not exist"),
        ("dem.tif", ["--polarisation", "VV"], "VV"),
        ("dem.tif", ["--orbit", "none.EOF"], "none.EOF"),
    ],
)
def test_mistakes_are_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dem: str,
    more: list[str],
    message: str,
) -> None:
    lon, lat = lon_lat(GRID)
    bounds = [f"{each:.4f}" for each in (lon.min(), lat.min(), lon.max(), lat.max())]
    out = tmp_path / "out.tif"
    code = main(arguments(folder, "--bounds", *bounds, *more, "--out", str(out), dem=dem))
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_two_images_do_not_share_a_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.tif")
    where = ["--bounds", "15", "70", "15.1", "70.1"]
    assert main(arguments(folder, *where, "--out", out, "--terrain-out", out)) == 2
    assert "--terrain-out: this is the file of --out" in capsys.readouterr().err


def test_bounds_across_the_antimeridian_are_one_area() -> None:
    grid = grid_of_bounds((179.5, 66.0, -179.5, 66.3), 20.0, None)
    assert grid.crs in ("EPSG:32660", "EPSG:32601")
    assert 22_000 < grid.width * 20 < 47_000


@pytest.mark.parametrize(
    ("bounds", "crs", "message"),
    [
        ((10.0, 50.0, 10.0, 51.0), None, "not an area"),
        ((10.0, 52.0, 11.0, 51.0), None, "not an area"),
        ((10.0, 50.0, 11.0, 51.0), "EPSG:99999", "EPSG:99999 is unknown"),
        ((10.0, 50.0, 11.0, 51.0), "EPSG:4326", "in degrees"),
        ((-60.0, -50.0, 60.0, 50.0), "EPSG:32633", "larger than a scene"),
    ],
)
def test_what_is_not_an_area_is_refused(
    bounds: tuple[float, float, float, float], crs: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        grid_of_bounds(bounds, 20.0, crs)


def test_a_grid_comes_from_a_file_in_metres(tmp_path: Path) -> None:
    model = write_model(tmp_path / "degrees.tif", GRID)
    with pytest.raises(UserError, match="in degrees"):
        grid_of_file(model)
    with pytest.raises(UserError, match="does not exist"):
        grid_of_file(tmp_path / "none.tif")
