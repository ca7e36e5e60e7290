"""Stored images: round trips, ranges, the form of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.sar.coding import (
    LOWEST_DB,
    NODATA,
    GrayMapping,
    decode,
    encode,
    read_backscatter,
    read_geometry,
    to_db,
    write_backscatter,
    write_geometry,
)

CRS = "EPSG:32633"
DECIBELS = arrays.arrays(
    np.float32, (4, 5), elements=st.floats(LOWEST_DB, 50, width=32) | st.just(np.nan)
)
#: Half a step, and what 32 bits round.
HALF_STEP_DB = 0.005 + 4e-6


def grid(rows: int, columns: int) -> Grid:
    return Grid.snapped(
        (400_000, 8_700_000, 400_000 + 20 * columns, 8_700_000 + 20 * rows), 20, CRS
    )


def made(rows: int = 700, columns: int = 900) -> np.ndarray:
    rng = np.random.default_rng(3)
    db = to_db(rng.gamma(4.4, 0.01, (rows, columns)).astype(np.float32))
    db[:, :30] = np.nan
    return db


@given(db=DECIBELS)
def test_a_code_is_within_half_a_step(db: np.ndarray) -> None:
    coded = encode(db)
    back = decode(coded.image)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(db))
    np.testing.assert_allclose(back, db, atol=HALF_STEP_DB, rtol=0)
    assert coded.clamped_px == 0


def test_values_beyond_the_range_are_clamped_and_counted() -> None:
    coded = encode(np.array([[-np.inf, -61, 0.004, 400, np.nan]], np.float32))
    np.testing.assert_array_equal(coded.image, [[-6000, -6000, 0, 32767, NODATA]])
    assert coded.clamped_px == 3
    assert to_db(np.array([0, 1, np.nan], np.float32)).tolist()[:2] == [-np.inf, 0]


def test_a_stored_image_returns_with_all_that_was_said(tmp_path: Path) -> None:
    """A12 of the specification."""
    db, where = made(), grid(700, 900)
    db[5, 100] = -np.inf
    facts = {"processor_version": "3.40", "orbit": None, "noise": {"applied": True}, "place": "Ø<&"}
    clamped = write_backscatter(tmp_path / "a" / "b.tif", db, where, name="sigma0", metadata=facts)
    image = read_backscatter(tmp_path / "a" / "b.tif")
    assert clamped == 1
    added = {"quantity": "sigma0", "lowest_db": LOWEST_DB, "clamped_px": 1}
    assert image.metadata == {**facts, **added}
    assert image.grid == where
    assert image.grid.is_north_up
    assert image.grid.left % 20 == image.grid.top % 20 == 0
    db[5, 100] = LOWEST_DB
    np.testing.assert_array_equal(np.isnan(image.db), np.isnan(db))
    np.testing.assert_allclose(image.db, db, atol=HALF_STEP_DB, rtol=0)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.tif"]


def test_a_stored_image_is_cloud_optimised_and_readable_by_others(tmp_path: Path) -> None:
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path in paths:
        write_backscatter(path, made(), grid(700, 900), name="gamma0", metadata={})
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"LAYOUT=IFDS_BEFORE_DATA" in paths[0].read_bytes()[:200]
    with rasterio.open(paths[0]) as file:
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG"
        assert (structure["COMPRESSION"], structure["PREDICTOR"]) == ("ZSTD", "2")
        assert file.profile["tiled"]
        assert file.overviews(1) == [2]
        assert (file.units, file.descriptions, file.scales) == (("dB",), ("gamma0",), (0.01,))
        masked = file.read(1, masked=True) * file.scales[0]
    np.testing.assert_allclose(masked.filled(np.nan), made(), atol=HALF_STEP_DB)


def test_the_geometry_of_an_image_returns(tmp_path: Path) -> None:
    rng, where = np.random.default_rng(4), grid(700, 900)
    angle = rng.uniform(0, 180, (700, 900)).astype(np.float32)
    angle[:3] = np.nan
    marks = rng.integers(0, 4, (700, 900), np.uint8)
    path = tmp_path / "a.tif"
    write_geometry(path, angle, marks, where, metadata={"product": "P"})
    back = read_geometry(path)
    np.testing.assert_array_equal(np.isnan(back.incidence_deg), np.isnan(angle))
    np.testing.assert_allclose(back.incidence_deg, angle, atol=0.00502)
    np.testing.assert_array_equal(back.layover_shadow, marks)
    assert (back.grid, back.metadata) == (where, {"product": "P"})
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.units, file.scales) == (("degree", None), (0.01, 1.0))
        assert file.descriptions == ("local incidence angle", "1 layover, 2 shadow, 3 both")
        # Overviews hold codes of the mask, not means of codes.
        assert set(np.unique(file.read(2, out_shape=(350, 450)))) == {0, 1, 2, 3}
    with pytest.raises(UserError, match="does not hold decibels"):
        read_backscatter(path)
    write_backscatter(path, made(), where, name="sigma0", metadata={})
    with pytest.raises(UserError, match="does not hold incidence angles and a mask"):
        read_geometry(path)


def test_an_image_without_any_measurement_is_stored(tmp_path: Path) -> None:
    db = np.full((600, 520), np.nan, np.float32)
    write_backscatter(tmp_path / "a.tif", db, grid(600, 520), name="sigma0", metadata={})
    assert np.isnan(read_backscatter(tmp_path / "a.tif").db).all()


@pytest.mark.parametrize("fault", ["shape", "south up", "not JSON"])
def test_what_cannot_be_stored_is_refused(tmp_path: Path, fault: str) -> None:
    where = grid(4, 6) if fault == "shape" else grid(4, 5)
    if fault == "south up":
        where = Grid(4, 5, (20, 0, 0, 0, 20, 0), CRS)
    facts = {"speed": float("nan")} if fault == "not JSON" else {}
    with pytest.raises(ValueError):
        write_backscatter(tmp_path / "a.tif", made(4, 5), where, name="sigma0", metadata=facts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("missing", "No such file"),
        ("cut off", "not a stored image"),
        ("float32", "does not hold decibels"),
        ("no tag", "its tag SSL4SAR is missing"),
        ("bad tag", "not JSON"),
    ],
)
def test_a_file_of_another_form_is_one_line(tmp_path: Path, fault: str, problem: str) -> None:
    path = tmp_path / "a.tif"
    if fault != "missing":
        write_backscatter(path, made(), grid(700, 900), name="sigma0", metadata={})
    if fault == "cut off":
        path.write_bytes(path.read_bytes()[:100_000])
    elif fault == "float32":
        write_geotiff(path, made()[None], grid(700, 900), tags={})
    elif fault in {"no tag", "bad tag"}:
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            file.update_tags(SSL4SAR="null" if fault == "no tag" else "{")
    with pytest.raises(UserError, match=problem) as caught:
        read_backscatter(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_grey_mapping_is_linear_and_recorded() -> None:
    mapping = GrayMapping(-25, 0.4)
    coded = mapping.encode(np.array([[np.nan, -np.inf, -25, -12.3, 0.4, 5]], np.float32))
    assert coded.image.dtype == np.uint8
    assert coded.image.tolist() == [[0, 1, 1, 128, 255, 255]]
    assert coded.clamped_px == 2
    assert mapping.to_json() == {
        "low_db": -25,
        "high_db": 0.4,
        "step_db": pytest.approx(0.1),
        "nodata": 0,
    }


@given(db=DECIBELS)
def test_grey_values_are_decibels_within_half_a_step(db: np.ndarray) -> None:
    mapping = GrayMapping()
    gray = mapping.encode(db).image
    back = mapping.low_db + (gray.astype(float) - 1) * mapping.step_db
    within = ~np.isnan(db)
    wanted = np.clip(db[within], mapping.low_db, mapping.high_db)
    np.testing.assert_allclose(back[within], wanted, atol=mapping.step_db / 2 + 1e-5)
    np.testing.assert_array_equal(gray == 0, np.isnan(db))


@pytest.mark.parametrize("window", [(0, 0), (1, 0), (float("nan"), 0), (0, float("inf"))])
def test_an_empty_window_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not a window"):
        GrayMapping(*window)
