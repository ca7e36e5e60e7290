from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_elevation import ROWS, put_tile, slope, tile_heights

from ssl4sar.acquire.elevation.mosaic import (
    assemble,
    centres,
    choose_grid,
    per_degree,
    read_sources,
)
from ssl4sar.acquire.elevation.tiles import Bounds, Tile, tiles_of_bounds
from ssl4sar.acquire.elevation.voids import MEASURED, SEA, VOID
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid


def columns_of(tile: Tile) -> int:
    """Columns of a made-up tile: those of GLO-30, as coarse as its rows."""
    return tile.columns * ROWS // 3600 or 1


def put_all(folder: Path, bounds: Bounds, columns: int | None = None) -> None:
    for tile in tiles_of_bounds(bounds):
        put_tile(folder, tile, tile_heights(tile, columns or columns_of(tile)))


def mosaic(folder: Path, bounds: Bounds) -> tuple[Grid, np.ndarray, np.ndarray]:
    sources = read_sources(tiles_of_bounds(bounds), folder)
    grid = choose_grid("Made", bounds, sources)
    return grid, *assemble(grid, sources, "Made")


def truth(grid: Grid) -> np.ndarray:
    lon, lat = centres(grid)
    return slope(lon[None, :], lat[:, None])


@settings(max_examples=25)
@given(st.floats(-10, 5), st.floats(40, 47), st.floats(0.05, 2.4), st.floats(0.05, 1.6))
def test_every_height_is_at_its_place(
    tmp_path_factory: pytest.TempPathFactory, west: float, south: float, width: float, height: float
) -> None:
    folder = tmp_path_factory.mktemp("tiles")
    bounds = Bounds(west, south, west + width, south + height)
    for tile in tiles_of_bounds(bounds):
        put_tile(folder, tile, tile_heights(tile, terrain=lambda lon, lat: 10 * lon + 7 * lat))
    grid, heights, flags = mosaic(folder, bounds)
    lon, lat = centres(grid)
    np.testing.assert_allclose(heights, np.float32(10 * lon[None, :] + 7 * lat[:, None]), atol=1e-3)
    assert (flags == MEASURED).all()
    # The rectangle lies within the centres, except where tiles of 40 rows end before the rim.
    pixel = 1 / ROWS
    assert lon[0] <= west
    assert lon[-1] >= west + width - pixel
    assert lat[-1] <= south + pixel
    assert lat[0] >= south + height - pixel
    assert lon[0] > west - pixel - 1e-9
    assert lat[0] < south + height + pixel + 1e-9


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, ROWS - 1), (ROWS - 1, 0), (17, 23)])
@pytest.mark.parametrize("west", [10, -180, 179])
def test_a_spike_lands_on_its_coordinates(tmp_path: Path, west: int, row: int, column: int) -> None:
    tile = Tile(78, west)
    bounds = Bounds(west - 0.4, 77.7, west + 1.4, 79.3)
    for each in tiles_of_bounds(bounds):
        heights = np.zeros((ROWS, ROWS), np.float32)
        if each == tile:
            heights[row, column] = 1000
        put_tile(tmp_path, each, heights)
    grid, heights, _ = mosaic(tmp_path, bounds)
    ((found_row, found_column),) = np.argwhere(heights > 0)
    lon, lat = centres(grid)
    # The first height of a tile belongs to its north-western corner.
    assert lat[found_row] == pytest.approx(79 - row / ROWS)
    assert lon[found_column] == pytest.approx(west + column / ROWS)
    a, _, c, _, e, f = grid.transform
    assert c + (found_column + 0.5) * a == pytest.approx(west + column / ROWS)
    assert f + (found_row + 0.5) * e == pytest.approx(79 - row / ROWS)


@pytest.mark.parametrize("limit", [50, 60, 70, 80, -50, -60, -70])
def test_across_a_limit_of_longitude_spacing(tmp_path: Path, limit: int) -> None:
    bounds = Bounds(-20.3, limit - 0.6, -18.2, limit + 0.7)
    put_all(tmp_path, bounds)
    grid, heights, flags = mosaic(tmp_path, bounds)
    equatorward = limit - 1 if limit > 0 else limit
    poleward = limit if limit > 0 else limit - 1
    assert per_degree(grid)[1] == columns_of(Tile(equatorward, 0)) > columns_of(Tile(poleward, 0))
    # Linear along the rows: the slope survives, but for the eastern end without a neighbour.
    np.testing.assert_allclose(heights, truth(grid), atol=2e-3)
    assert (flags == MEASURED).all()


def test_a_coarse_tile_continues_into_its_eastern_neighbour(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 69.6, 11.8, 70.4)
    for tile in tiles_of_bounds(bounds):
        heights = tile_heights(tile, 40 if tile.south == 69 else 10, lambda lon, lat: 0 * lon + 100)
        if tile == Tile(70, 11):
            heights[:] = 200
        put_tile(tmp_path, tile, heights)
    grid, heights, _ = mosaic(tmp_path, bounds)
    lon, lat = centres(grid)
    row = int(np.argmin(np.abs(lat - 70.3)))
    at = {round(float(each) * 40): height for each, height in zip(lon, heights[row], strict=True)}
    assert [at[436 + step] for step in range(5)] == [100, 125, 150, 175, 200]


def test_sea_beside_a_coarse_tile(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 69.6, 11.8, 70.4)
    for tile in tiles_of_bounds(bounds):
        columns = 40 if tile.south == 69 else 10
        land = tile_heights(tile, columns, lambda lon, lat: 0 * lon + 80)
        put_tile(tmp_path, tile, None if tile == Tile(70, 11) else land)
    grid, heights, flags = mosaic(tmp_path, bounds)
    lon, lat = centres(grid)
    row = int(np.argmin(np.abs(lat - 70.3)))
    first_sea = int(np.argmin(np.abs(lon - 11)))
    assert heights[row, first_sea - 4 : first_sea + 1].tolist() == [80, 60, 40, 20, 0]
    assert (flags[row, :first_sea] == MEASURED).all()
    assert (flags[row, first_sea:] == SEA).all()


def test_longitudes_continue_across_the_antimeridian(tmp_path: Path) -> None:
    bounds = Bounds(179.3, 70.2, 181.4, 70.6)
    put_all(tmp_path, bounds, ROWS)
    grid, heights, _ = mosaic(tmp_path, bounds)
    lon, _ = centres(grid)
    assert lon[0] == pytest.approx(179.3, abs=1 / ROWS)
    assert lon[-1] == pytest.approx(181.4, abs=1 / ROWS)
    np.testing.assert_allclose(np.diff(lon), 1 / ROWS)
    np.testing.assert_allclose(heights, truth(grid), atol=2e-3)
    west = Bounds(-180.2, 70.2, -179.5, 70.6)
    assert [tile.name for tile in tiles_of_bounds(west)] == ["N70_E179", "N70_W180"]
    grid, heights, _ = mosaic(tmp_path, west)
    lon, _ = centres(grid)
    assert lon[0] == pytest.approx(-180.2, abs=1 / ROWS)
    np.testing.assert_allclose(heights, truth(grid), atol=2e-3)


def test_voids_and_sea_are_flagged(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 78.2, 11.8, 78.8)
    heights = tile_heights(Tile(78, 10))
    heights[15, 20] = -32767
    put_tile(tmp_path, Tile(78, 10), heights)
    put_tile(tmp_path, Tile(78, 11), None)
    grid, got, flags = mosaic(tmp_path, bounds)
    lon, lat = centres(grid)
    sea = np.broadcast_to(lon >= 11 - 1e-9, flags.shape)
    void = np.isnan(got)
    ((row, column),) = np.argwhere(void)
    assert lon[column] == pytest.approx(10.5)
    assert lat[row] == pytest.approx(79 - 15 / ROWS)
    assert (flags == np.where(void, VOID, np.where(sea, SEA, MEASURED))).all()
    assert (got[sea] == 0).all()


def test_an_area_of_sea_has_the_grid_of_its_latitude(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 74.21, 10.3, 74.22)
    put_tile(tmp_path, Tile(74, 10), None)
    grid, heights, flags = mosaic(tmp_path, bounds)
    assert per_degree(grid) == (3600, 1200)
    assert (heights == 0).all()
    assert (flags == SEA).all()


def test_tiles_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 78.2, 11.8, 78.8)
    put_tile(tmp_path, Tile(78, 10), tile_heights(Tile(78, 10), rows=40))
    put_tile(tmp_path, Tile(78, 11), tile_heights(Tile(78, 11), rows=50))
    with pytest.raises(UserError, match="tiles have 40 and 50 rows"):
        mosaic(tmp_path, bounds)


def test_a_missing_or_changed_tile_is_reported(tmp_path: Path) -> None:
    bounds = Bounds(10.2, 78.2, 10.8, 78.8)
    with pytest.raises(UserError, match=r"N78_E010\.json: the record of a tile is missing"):
        mosaic(tmp_path, bounds)
    put_tile(tmp_path, Tile(78, 10), tile_heights(Tile(78, 10)))
    raster = tmp_path / "N78_E010.tif"
    raster.write_bytes(raster.read_bytes() + b"x")
    with pytest.raises(UserError, match=r"N78_E010\.tif: is missing or not the file"):
        mosaic(tmp_path, bounds)
    raster.unlink()
    with pytest.raises(UserError, match="is missing"):
        mosaic(tmp_path, bounds)


def test_too_large_an_area_is_refused(tmp_path: Path) -> None:
    bounds = Bounds(0.0, 0.1, 30.0, 1.5)
    for tile in tiles_of_bounds(bounds):
        put_tile(tmp_path, tile, None)
    with pytest.raises(UserError, match="million pixels"):
        mosaic(tmp_path, bounds)
