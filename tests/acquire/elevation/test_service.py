from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_elevation import FileService, file_service, tile_heights, write_tile

from ssl4sar.acquire.elevation.service import (
    TileRecord,
    fetch_tile,
    fetch_tile_list,
    read_tile_list,
)
from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.retry import Patience

# Its tests start a server.
pytestmark = pytest.mark.slow

KNOWN = Tile(78, 16)
LAND = Tile(78, 12)
SEA = Tile(78, 5)
QUICK = Patience(attempts=3, first_wait_s=0.01, timeout_s=5)
LIST = "\n".join(
    f"Copernicus_DSM_COG_10_{tile.latitude}_00_{tile.longitude}_00_DEM" for tile in (LAND, KNOWN)
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service() as running:
        for tile in (KNOWN, LAND):
            path = tmp_path / "made" / f"{tile.name}.tif"
            rng = np.random.default_rng(1)
            write_tile(path, tile, rng.uniform(0, 900, (150, 150)).astype(np.float32))
            running.files[path_of(tile)] = path.read_bytes()
        running.files["/tileList.txt"] = LIST.encode()
        yield running


def path_of(tile: Tile) -> str:
    return f"/dem_{tile.latitude}_00_{tile.longitude}_00/dem.tif"


def config(service: FileService, **changes: object) -> ElevationConfig:
    values = {
        "tile_url": service.url + "/dem_{lat}_00_{lon}_00/dem.tif",
        "tile_list_url": service.url + "/tileList.txt",
        "known_tile": KNOWN.name,
    }
    return ElevationConfig.model_validate({**values, **changes})


LISTED = frozenset({KNOWN, LAND})


def test_a_tile_is_fetched_checked_and_recorded(service: FileService, tmp_path: Path) -> None:
    folder = tmp_path / "tiles"
    record = fetch_tile(LAND, config(service), folder, LISTED, QUICK)
    raster = folder / "N78_E012.tif"
    assert raster.read_bytes() == service.files[path_of(LAND)]
    assert (record.sea, record.rows, record.columns, record.void_px) == (False, 150, 150, 0)
    assert record.sha256 == sha256_file(raster)
    assert record.bytes == raster.stat().st_size
    assert TileRecord.read(folder / "N78_E012.json") == record
    assert sorted(path.name for path in folder.iterdir()) == [
        ".N78_E012.tif.origin.json",
        "N78_E012.json",
        "N78_E012.tif",
    ]


def test_what_is_there_is_not_fetched_again(service: FileService, tmp_path: Path) -> None:
    first = fetch_tile(LAND, config(service), tmp_path, LISTED, QUICK)
    service.asked.clear()
    again = fetch_tile(LAND, config(service), tmp_path, LISTED, QUICK)
    assert again == first.model_copy(update={"evidence": "found and checked"})
    assert service.asked == []


def test_a_tile_that_is_not_listed_is_sea_without_a_question(
    service: FileService, tmp_path: Path
) -> None:
    record = fetch_tile(SEA, config(service), tmp_path, LISTED, QUICK)
    assert record.sea
    assert record.evidence == "not in the list of tiles"
    assert json.loads((tmp_path / "N78_E005.json").read_text())["sea"] is True
    assert not (tmp_path / "N78_E005.tif").exists()
    assert service.asked == []


def test_a_listed_tile_that_is_not_there_is_an_error(service: FileService, tmp_path: Path) -> None:
    wrong = config(service, tile_url=service.url + "/wrong/{lat}{lon}.tif")
    with pytest.raises(UserError, match="HTTP 404"):
        fetch_tile(LAND, wrong, tmp_path, LISTED, QUICK)
    assert list(tmp_path.glob("N78*")) == []


def test_sea_becomes_land_when_the_list_says_so(service: FileService, tmp_path: Path) -> None:
    assert fetch_tile(LAND, config(service), tmp_path, frozenset({KNOWN}), QUICK).sea
    assert not fetch_tile(LAND, config(service), tmp_path, LISTED, QUICK).sea
    assert fetch_tile(LAND, config(service), tmp_path, frozenset({KNOWN}), QUICK).sea
    assert not (tmp_path / "N78_E012.tif").exists()


@pytest.mark.parametrize("kind", ["another place", "truncated", "html", "another planet"])
def test_a_wrong_file_never_becomes_a_tile(service: FileService, tmp_path: Path, kind: str) -> None:
    good = service.files[path_of(LAND)]
    high = tmp_path / "high.tif"
    write_tile(high, LAND, tile_heights(LAND) + 20_000)
    service.files[path_of(LAND)] = {
        "another place": service.files[path_of(KNOWN)],
        "truncated": good[: len(good) // 2],
        "html": b"<html>sign in</html>",
        "another planet": high.read_bytes(),
    }[kind]
    folder = tmp_path / "tiles"
    reported = "a web page instead of the file" if kind == "html" else "^http"
    with pytest.raises(UserError, match=reported):
        fetch_tile(LAND, config(service), folder, LISTED, QUICK)
    assert list(folder.iterdir()) == []


def test_the_list_is_fetched_and_read(service: FileService, tmp_path: Path) -> None:
    path = tmp_path / "tileList.txt"
    service.files["/tileList.txt"] += b"\nN99_00_E001_00\nsomething else\n"
    assert fetch_tile_list(config(service), path, QUICK) == LISTED
    assert read_tile_list(path, config(service)) == LISTED
    assert [each.name for each in tmp_path.glob("tileList*")] == ["tileList.txt"]


def test_what_is_no_list_is_refused(service: FileService, tmp_path: Path) -> None:
    service.files["/tileList.txt"] = b"<html>welcome</html>"
    with pytest.raises(UserError, match="a web page instead of the file"):
        fetch_tile_list(config(service), tmp_path / "list.txt", QUICK)
    service.files["/tileList.txt"] = b"welcome"
    with pytest.raises(UserError, match=r"tileList\.txt: this is not a list.*N78_E016"):
        fetch_tile_list(config(service), tmp_path / "list.txt", QUICK)
    assert not list(tmp_path.glob("*list*"))
    with pytest.raises(UserError, match="cannot be read"):
        read_tile_list(tmp_path / "none.txt", config(service))
