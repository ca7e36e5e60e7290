"""The target elevation, really run: tiles, sea, geoid, model and picture of a glacier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_elevation import FileService, file_service, write_tile
from made_geoid import undulation, write_grid
from micro_study import PROJECT
from project_copy import House, copy_project

from ssl4sar.acquire.areas import read_glaciers
from ssl4sar.acquire.elevation.service import TileRecord
from ssl4sar.acquire.elevation.tiles import tiles_of_area

pytestmark = pytest.mark.slow

#: Of three tiles.
GLACIER = "Monacobreen"
MARGIN_KM = 5.0
HEIGHT_M = 250.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    """The tiles of a glacier of constant height, but the first, which is sea; and a geoid."""
    area = read_glaciers(PROJECT / "config" / "glaciers.geojson")[GLACIER].area
    _, *land = tiles_of_area(area, MARGIN_KM)
    with file_service() as running:
        names = []
        for tile in land:
            path = tmp_path / "made" / f"{tile.name}.tif"
            write_tile(path, tile, np.full((60, 60), HEIGHT_M, dtype=np.float32))
            running.files[f"/{tile.latitude}{tile.longitude}.tif"] = path.read_bytes()
            names.append(f"Copernicus_DSM_COG_10_{tile.latitude}_00_{tile.longitude}_00_DEM")
        running.files["/tileList.txt"] = "\n".join(names).encode()
        write_grid(tmp_path / "geoid.tif")
        running.files["/geoid.tif"] = (tmp_path / "geoid.tif").read_bytes()
        yield running


@pytest.fixture
def values(service: FileService) -> dict[str, object]:
    area = read_glaciers(PROJECT / "config" / "glaciers.geojson")[GLACIER].area
    return {
        "acquisition.glaciers": [GLACIER],
        "sentinel.provider": "cdse",
        "elevation.tile_url": service.url + "/{lat}{lon}.tif",
        "elevation.tile_list_url": service.url + "/tileList.txt",
        "elevation.known_tile": tiles_of_area(area, MARGIN_KM)[-1].name,
        "elevation.geoid_url": service.url + "/geoid.tif",
        "elevation.margin_km": MARGIN_KM,
    }


@pytest.fixture
def house(values: dict[str, object], tmp_path: Path) -> House:
    house = copy_project(tmp_path / "house")
    house.target = "elevation"
    house.configure(values)
    return house


def test_from_tiles_to_heights_over_the_ellipsoid(
    house: House, service: FileService, values: dict[str, object]
) -> None:
    service.break_after[next(iter(service.files))] = [10_000]
    house.build()
    records = sorted((house.root / "data/elevation/tiles").glob("N??_E???.json"))
    sea = [record for record in records if TileRecord.read(record).sea]
    assert len(sea) == 1
    assert not sea[0].with_suffix(".tif").exists()
    with rasterio.open(house.root / f"data/elevation/{GLACIER}.tif") as file:
        heights_m, flags = file.read()
        assert file.tags()["HEIGHTS"] == "ellipsoidal"
        rows, columns = np.nonzero(flags == 0)
        lon, lat = file.xy(rows, columns)
        geoid_m = undulation(np.asarray(lon), np.asarray(lat))
        np.testing.assert_allclose(heights_m[rows, columns], HEIGHT_M + geoid_m, atol=0.05)
        rows, columns = np.nonzero(flags == 1)
        assert rows.size > 0
        lon, lat = file.xy(rows, columns)
        geoid_m = undulation(np.asarray(lon), np.asarray(lat))
        np.testing.assert_allclose(heights_m[rows, columns], geoid_m, atol=0.05)
    assert (house.root / f"data/elevation/{GLACIER}.png").stat().st_size > 5_000
    record = json.loads((house.root / f"data/elevation/{GLACIER}.json").read_text())
    assert record["flags_px"]["sea tile, geoid height 0"] > 0

    asked = len(service.asked)
    assert house.planned() == set()
    # Tiles and grid are kept: another demand on the same tiles asks for nothing.
    house.configure({**values, "elevation.max_void_px": 3})
    text = house.build("--forcerun", "fetch_elevation_tile", "fetch_geoid")
    assert "rule mosaic_elevation:" in text
    assert service.asked[asked:] == []
    done = house.python("-m", "ssl4sar.cli", "audit", f"data/elevation/{GLACIER}.tif")
    assert done.returncode == 0, done.stdout + done.stderr

    # Without a geoid, heights say so.
    house.configure({**values, "elevation.geoid_url": None})
    house.build()
    with rasterio.open(house.root / f"data/elevation/{GLACIER}.tif") as file:
        assert file.tags()["HEIGHTS"] == "orthometric"
