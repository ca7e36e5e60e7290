from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from made_elevation import ROWS, glacier, put_tile, slope, tile_heights
from rasterio.transform import Affine

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.model import build_elevation
from ssl4sar.acquire.elevation.tiles import Tile, tiles_of_area
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file

CONFIG = ElevationConfig(margin_km=3.0, max_void_px=4)
HERE = glacier((10.3, 78.3, 11.6, 78.7))


def put_all(
    folder: Path, area: Glacier, changes: Mapping[str, np.ndarray | None] | None = None
) -> None:
    for tile in tiles_of_area(area.area, CONFIG.margin_km):
        put_tile(folder, tile, {tile.name: tile_heights(tile), **(changes or {})}[tile.name])


def write_geoid(path: Path, west: float = -180.0, columns: int = 360) -> None:
    """A geoid of 20 m plus a tenth of the latitude, the same at all longitudes."""
    values = np.repeat((20 + 0.1 * np.arange(90, -91, -1))[:, None], columns, 1)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=columns,
        height=181,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(1, 0, west - 0.5, 0, -1, 90.5),
    ) as file:
        file.write(values.astype(np.float32), 1)


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Return heights, flags, longitudes, latitudes and tags as any reader finds them."""
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 4326
        assert np.isnan(file.nodata)
        lon = file.transform.c + (np.arange(file.width) + 0.5) * file.transform.a
        lat = file.transform.f + (np.arange(file.height) + 0.5) * file.transform.e
        return file.read(1), file.read(2), lon, lat, file.tags()


def test_heights_stay_above_the_geoid_without_a_grid(tmp_path: Path) -> None:
    put_all(tmp_path, HERE)
    record = build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG)
    heights, flags, lon, lat, tags = read(tmp_path / "Made.tif")
    np.testing.assert_allclose(heights, slope(lon[None, :], lat[:, None]), atol=2e-3)
    assert (flags == 0).all()
    assert tags["HEIGHTS"] == record["heights"] == "orthometric"
    assert "above the geoid EGM2008" in tags["DATUM"]
    assert "not fit for the geometry of SAR" in tags["DATUM"]
    assert tags["GEOID_MODEL"] == "none"
    assert record["geoid"] is None


def test_with_a_geoid_heights_refer_to_the_ellipsoid(tmp_path: Path) -> None:
    put_all(tmp_path, HERE, {"N78_E011": None})
    write_geoid(tmp_path / "geoid.tif")
    record = build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG, tmp_path / "geoid.tif")
    heights, flags, lon, lat, tags = read(tmp_path / "Made.tif")
    geoid = np.broadcast_to(20 + 0.1 * lat[:, None], heights.shape)
    above = np.where(lon[None, :] > 11 - 1e-9, 0, slope(lon[None, :], lat[:, None]))
    np.testing.assert_allclose(heights, above + geoid, atol=3e-3)
    # Where a tile is missing there is sea, whose surface is the geoid.
    np.testing.assert_allclose(heights[flags == 1], geoid[flags == 1], atol=1e-4)
    assert (flags == np.where(lon[None, :] > 11 - 1e-9, 1, 0)).all()
    assert tags["HEIGHTS"] == "ellipsoidal"
    assert "ellipsoid WGS 84" in tags["DATUM"]
    assert tags["GEOID_MODEL"] == "EGM2008"
    assert tags["GEOID_SHA256"] == sha256_file(tmp_path / "geoid.tif")
    assert record["geoid"]["file"] == "geoid.tif"
    assert record["flags_px"]["sea tile, geoid height 0"] == int((flags == 1).sum())


def test_the_record_names_tiles_and_hashes(tmp_path: Path) -> None:
    put_all(tmp_path, HERE, {"N78_E011": None})
    record = build_elevation(HERE, tmp_path, tmp_path / "out" / "Made.tif", CONFIG)
    written = json.loads((tmp_path / "out" / "Made.json").read_text())
    assert written == record
    assert written["sha256"] == sha256_file(tmp_path / "out" / "Made.tif")
    assert [each["tile"] for each in written["tiles"]] == ["N78_E010", "N78_E011"]
    assert written["tiles"][0]["sha256"] == sha256_file(tmp_path / "N78_E010.tif")
    tags = read(tmp_path / "out" / "Made.tif")[4]
    assert json.loads(tags["TILES"]) == {
        "N78_E010": sha256_file(tmp_path / "N78_E010.tif"),
        "N78_E011": "sea",
    }
    assert "Copernicus DEM" in tags["ATTRIBUTION"]
    assert str(tmp_path) not in json.dumps([written, tags])


def test_small_voids_are_filled_and_large_ones_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heights = tile_heights(Tile(78, 10))
    heights[12:15, 17:20] = np.nan
    heights[14:27, 23:39] = np.nan
    put_all(tmp_path, HERE, {"N78_E010": heights})
    write_geoid(tmp_path / "geoid.tif")
    record = build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG, tmp_path / "geoid.tif")
    got, flags, lon, lat, _ = read(tmp_path / "Made.tif")
    truth = slope(lon[None, :], lat[:, None]) + 20 + 0.1 * lat[:, None]
    assert record["voids"] == {"filled": 1, "filled_px": 9, "left": 1, "left_px": 208}
    assert (flags == 2).sum() == 9
    assert (flags == 3).sum() == 208
    assert (np.isnan(got) == (flags == 3)).all()
    np.testing.assert_allclose(got[flags != 3], truth[flags != 3], atol=0.02)
    reported = capsys.readouterr().err
    assert "1 voids filled, 9 pixels" in reported
    assert "1 voids of 208 pixels are left" in reported


def test_a_void_across_tiles_is_one(tmp_path: Path) -> None:
    left, right = tile_heights(Tile(78, 10)), tile_heights(Tile(78, 11))
    left[20:23, ROWS - 2 :] = np.nan
    right[20:23, :2] = np.nan
    put_all(tmp_path, HERE, {"N78_E010": left, "N78_E011": right})
    record = build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG)
    assert record["voids"] == {"filled": 1, "filled_px": 12, "left": 0, "left_px": 0}
    heights, _, lon, lat, _ = read(tmp_path / "Made.tif")
    np.testing.assert_allclose(heights, slope(lon[None, :], lat[:, None]), atol=0.01)


def test_a_glacier_across_the_antimeridian(tmp_path: Path) -> None:
    area = glacier((179.4, 70.3, 180.0, 70.6), (-180.0, 70.3, -178.8, 70.6))
    put_all(tmp_path, area)
    write_geoid(tmp_path / "geoid.tif", west=0.0)
    build_elevation(area, tmp_path, tmp_path / "Made.tif", CONFIG, tmp_path / "geoid.tif")
    heights, _, lon, lat, _ = read(tmp_path / "Made.tif")
    assert 179.2 < lon[0] < 179.4
    assert 181.2 < lon[-1] < 181.4
    np.testing.assert_allclose(
        heights, slope(lon[None, :], lat[:, None]) + 20 + 0.1 * lat[:, None], atol=3e-3
    )


def test_a_geoid_that_does_not_cover_the_area_is_refused(tmp_path: Path) -> None:
    put_all(tmp_path, HERE)
    write_geoid(tmp_path / "geoid.tif", west=20.0, columns=30)
    with pytest.raises(UserError, match=r"geoid\.tif: the geoid grid has no value at 10\."):
        build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG, tmp_path / "geoid.tif")
    assert not (tmp_path / "Made.tif").exists()
    with pytest.raises(UserError, match="does not exist"):
        build_elevation(HERE, tmp_path, tmp_path / "Made.tif", CONFIG, tmp_path / "none.tif")
