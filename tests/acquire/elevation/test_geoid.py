from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from made_elevation import FileService, file_service
from made_geoid import STEP, undulation, write_grid, write_gtx
from rasterio.transform import Affine

from ssl4sar.acquire.elevation.geoid import (
    GeoidGrid,
    check_geoid,
    fetch_geoid,
    read_geoid,
)
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.retry import Patience

QUICK = Patience(attempts=2, first_wait_s=0.01, timeout_s=5)
EGM96 = Path(os.environ.get("SSL4SAR_EGM96_GRID", "/usr/share/proj/egm96_15.gtx"))


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> list[GeoidGrid]:
    folder = tmp_path_factory.mktemp("geoid")
    write_grid(folder / "north.tif")
    write_grid(folder / "south.tif", north_up=False)
    write_grid(folder / "from_0.tif", first_lon=0.0)
    write_gtx(folder / "a.gtx")
    write_gtx(folder / "from_0.gtx", first_lon=0.0)
    return [read_geoid(path) for path in sorted(folder.iterdir())]


PLACES = st.tuples(st.floats(-540, 540), st.floats(-90, 90))


@given(PLACES)
def test_every_kind_of_grid_gives_the_known_function(
    grids: list[GeoidGrid], place: tuple[float, float]
) -> None:
    lon, lat = np.array(place[0]), np.array(place[1])
    for grid in grids:
        # Bilinear interpolation misses a smooth function by at most its curvature times step^2 / 4.
        assert grid.undulation_m(lon, lat) == pytest.approx(undulation(lon, lat), abs=0.02), (
            grid.source
        )


@given(st.floats(-1, 1), st.floats(-80, 80))
def test_columns_wrap_without_a_step(grids: list[GeoidGrid], off: float, lat: float) -> None:
    for grid in grids:
        here = grid.undulation_m(180.0 + off, lat)
        assert here == pytest.approx(grid.undulation_m(-180.0 + off, lat), abs=1e-5)
        assert here == pytest.approx(grid.undulation_m(180.0 + off + 1e-6, lat), abs=1e-4)


def test_a_grid_of_a_part_tells_where_it_ends(tmp_path: Path) -> None:
    write_grid(tmp_path / "part.tif", first_lon=10, columns=41, south=70, rows=21)
    grid = read_geoid(tmp_path / "part.tif")
    for corner in ((10, 70), (30, 80), (10, 80), (30, 70), (370, 75)):
        at = np.array(float(corner[0])), np.array(float(corner[1]))
        assert grid.undulation_m(*at) == pytest.approx(undulation(*at), abs=1e-4)
    for lon, lat in ((9.9, 75), (30.1, 75), (20, 69.9), (20, 80.1), (-150, 75)):
        with pytest.raises(UserError, match=rf"part\.tif: .*no value at {lon:.4f} E, {lat:.4f} N"):
            grid.undulation_m(np.array([20.0, lon]), np.array([75.0, lat]))


def test_a_gtx_file_is_known_by_its_content(tmp_path: Path) -> None:
    # The workflow keeps whatever it fetches as geoid.tif.
    write_gtx(tmp_path / "geoid.tif", void=(300, 100))
    grid = read_geoid(tmp_path / "geoid.tif")
    assert grid.undulation_m(12.5, 42.0) == pytest.approx(undulation(12.5, 42.0), abs=0.02)
    assert np.isnan(grid.undulations_m[300, 100])


@pytest.mark.parametrize(
    ("place", "lon", "lat", "expected_m"),
    [("Rome", 12.5, 42.0, 48.61), ("Jakobshavn", -49.8, 69.2, 29.16)],
)
def test_control_values_of_egm96(place: str, lon: float, lat: float, expected_m: float) -> None:
    if not EGM96.is_file():
        pytest.skip(f"no {EGM96}: install proj-data or set SSL4SAR_EGM96_GRID")
    grid = read_geoid(EGM96)
    check_geoid(grid)
    assert float(grid.undulation_m(lon, lat)) == pytest.approx(expected_m, abs=0.05), place


def test_a_grid_of_another_sign_or_place_is_found_out(tmp_path: Path) -> None:
    write_grid(tmp_path / "good.tif")
    check_geoid(read_geoid(tmp_path / "good.tif"))
    write_grid(tmp_path / "sign.tif", sign=-1)
    with pytest.raises(UserError, match=r"at 12\.5 E, 42 N is -.*expected about 49 m"):
        check_geoid(read_geoid(tmp_path / "sign.tif"))
    with rasterio.open(tmp_path / "good.tif", "r+") as file:
        file.transform = Affine(STEP, 0, -STEP / 2, 0, -STEP, 90 + STEP / 2)
    with pytest.raises(UserError, match="expected about"):
        check_geoid(read_geoid(tmp_path / "good.tif"))


def test_what_holds_no_undulations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_geoid(tmp_path / "none.tif")
    (tmp_path / "text.gtx").write_text("hello")
    with pytest.raises(UserError, match="not a complete raster"):
        read_geoid(tmp_path / "text.gtx")
    write_grid(tmp_path / "high.tif", sign=40)
    with pytest.raises(UserError, match="it holds no undulations"):
        read_geoid(tmp_path / "high.tif")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service() as running:
        write_grid(tmp_path / "made.tif")
        running.files["/geoid.tif"] = (tmp_path / "made.tif").read_bytes()
        write_grid(tmp_path / "made.tif", sign=-1)
        running.files["/sign.tif"] = (tmp_path / "made.tif").read_bytes()
        yield running


def test_a_grid_is_fetched_checked_recorded_and_kept(service: FileService, tmp_path: Path) -> None:
    target = tmp_path / "geoid" / "geoid.tif"
    config = ElevationConfig(geoid_url=f"{service.url}/geoid.tif")
    record = fetch_geoid(config, target, QUICK)
    assert json.loads((target.parent / "geoid.tif.json").read_text()) == {
        "schema": "ssl4sar.geoid/1",
        "model": "EGM2008",
        "url": config.geoid_url,
        "bytes": target.stat().st_size,
        "sha256": sha256_file(target),
    }
    service.asked.clear()
    assert fetch_geoid(config, target, QUICK) == record
    (target.parent / "geoid.tif.json").unlink()
    # What the user has put there is taken by its hash, wherever it came from.
    elsewhere = {"geoid_url": f"{service.url}/other.tif", "geoid_sha256": record.sha256}
    pinned = config.model_copy(update=elsewhere)
    assert fetch_geoid(pinned, target, QUICK).sha256 == record.sha256
    assert service.asked == []
    target.write_bytes(b"damaged")
    assert fetch_geoid(config, target, QUICK) == record
    assert sha256_file(target) == record.sha256


def test_a_wrong_grid_never_gets_the_name(service: FileService, tmp_path: Path) -> None:
    target = tmp_path / "geoid" / "geoid.tif"
    with pytest.raises(UserError, match=r"sign\.tif: the undulation at"):
        fetch_geoid(ElevationConfig(geoid_url=f"{service.url}/sign.tif"), target, QUICK)
    with pytest.raises(UserError, match="expected " + "0" * 64):
        fetch_geoid(
            ElevationConfig(geoid_url=f"{service.url}/geoid.tif", geoid_sha256="0" * 64),
            target,
            QUICK,
        )
    assert list(target.parent.iterdir()) == []
    with pytest.raises(UserError, match="is null"):
        fetch_geoid(ElevationConfig(geoid_url=None), target, QUICK)


def test_another_geoid_than_that_of_the_tiles_is_reported(
    service: FileService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ElevationConfig(geoid_url=f"{service.url}/geoid.tif", geoid_model="EGM96")
    assert fetch_geoid(config, tmp_path / "geoid.tif", QUICK).model == "EGM96"
    assert "the tiles refer to EGM2008" in capsys.readouterr().err
