"""Products of known numbers come back on another grid, whatever their zone and baseline."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from ssl4sar.acquire.query import Selection
from ssl4sar.acquire.safe.manifest import needed_files, read_manifest
from ssl4sar.acquire.safe.verification import file_problem
from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.core.pair_layout import BANDS
from ssl4sar.stack.optical import open_optical, optical_facts, optical_image
from ssl4sar.synthetic.sentinel2_product import write_optical_product

GRID = Grid.at(500_000.0, 7_700_040.0, 20.0, (60, 66), "EPSG:32622")
TAKEN = datetime(2019, 8, 1, 15, 9, 1, tzinfo=UTC)


def numbers(grid: Grid = GRID) -> np.ndarray:
    """Reflectances that rise from west to east, classes in two halves."""
    east = (grid.x() - GRID.left) / 20.0 + 0 * grid.y()
    image = np.stack([500.0 + 40 * east + 10 * number for number in range(len(BANDS))])
    image[BANDS.index("SCL")] = np.where(east < 30, 6, 5)
    return image.astype(np.float32)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_optical_product(tmp_path_factory.mktemp("s2"), numbers(), GRID, TAKEN, "22WEB")


def test_a_product_has_a_manifest_that_holds(product: Path) -> None:
    listed = read_manifest(product / "manifest.safe")
    assert [file_problem(product / file.path, file) for file in listed] == [None] * len(listed)
    needed = needed_files(listed, "sentinel-2", Selection(), product)
    assert len(needed) == 1 + len(BANDS) - 1


def test_numbers_return_on_the_same_grid(product: Path) -> None:
    image = optical_image([open_optical(product)], GRID)
    inside = np.s_[:, 6:-6, 6:-6]
    np.testing.assert_allclose(image.values[inside], numbers()[inside], atol=1.0)
    assert list(image["band"].values) == list(BANDS)
    facts = optical_facts(image)
    assert (facts["day"], facts["covered_percent"], facts["note"]) == ("2019-08-01", 100.0, None)


def test_saturated_pixels_do_not_brighten_their_neighbours(product: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(product, tmp_path / product.name)
    path = next(copy.rglob("*_B03_10m.jp2"))
    with rasterio.open(path) as file:
        pixels, profile = file.read(), file.profile
    # Pixels of 10 m: a quarter of one of the grid, and all of another.
    pixels[0, 40, 40] = pixels[0, 60:62, 60:62] = 65_535
    path.unlink()
    with rasterio.open(path, "w", **profile, QUALITY="100", REVERSIBLE="YES") as file:
        file.write(pixels)
    grid = GRID.crop(slice(12, 40), slice(12, 40))
    band = optical_image([open_optical(copy)], grid).sel(band="B3").values
    expected = numbers(grid)[BANDS.index("B3")]
    assert np.isnan(band[18, 18])
    expected[18, 18] = np.nan
    np.testing.assert_allclose(band, expected, atol=1.0)


def test_a_zip_and_another_zone_give_the_same_place(product: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / product.stem), "zip", product.parent))
    other = Grid.snapped((265_000.0, 7_707_000.0, 267_000.0, 7_709_000.0), 20.0, "EPSG:32623")
    from rasterio.warp import transform

    west, north = (each[0] for each in transform(GRID.crs, other.crs, [500_600.0], [7_699_400.0]))
    grid = Grid.snapped((west - 200, north - 200, west + 200, north + 200), 20.0, other.crs)
    image = optical_image([open_optical(packed)], grid)
    xs, ys = np.meshgrid(grid.x()[0], grid.y()[:, 0])
    back = np.array(transform(grid.crs, GRID.crs, xs.ravel(), ys.ravel())[0]).reshape(grid.shape)
    expected = 500 + 40 * (back - GRID.left) / 20.0 + 10 * BANDS.index("B4")
    np.testing.assert_allclose(image.sel(band="B4").values, expected, atol=25)


def test_before_baseline_4_there_is_no_offset(product: Path, tmp_path: Path) -> None:
    old = shutil.copytree(product, tmp_path / product.name)
    metadata = old / "MTD_MSIL2A.xml"
    text = metadata.read_text().replace("05.09", "02.11")
    metadata.write_text(
        re.sub("<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "", text)
    )
    image = optical_image([open_optical(old)], GRID)
    inside = np.s_[6:-6, 6:-6]
    new = optical_image([open_optical(product)], GRID)
    difference = (image - new).sel(band="B3").values[inside]
    np.testing.assert_allclose(difference, 1000.0, atol=1e-2)
    both = optical_image([open_optical(product), open_optical(old)], GRID)
    assert "2 baselines" in both.attrs["note"]


def test_tiles_fill_what_is_missing_in_those_before_them(product: Path, tmp_path: Path) -> None:
    beside = GRID.crop(slice(0, 60), slice(30, 96))
    second = write_optical_product(tmp_path, numbers(beside), beside, TAKEN, "22WEC")
    grid = GRID.crop(slice(6, 54), slice(6, 90))
    image = optical_image([open_optical(product), open_optical(second)], grid)
    assert optical_facts(image)["covered_percent"] == 100.0
    np.testing.assert_allclose(image.values[:12], numbers(grid)[:12], atol=45.0)


def test_the_band_that_nobody_reads_may_be_missing(product: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(product, tmp_path / product.name)
    for file in copy.rglob("*_AOT_*"):
        file.unlink()
    image = optical_image([open_optical(copy)], GRID)
    assert np.isnan(image.sel(band="AOT")).all()
    assert optical_facts(image)["covered_percent"] == 100.0


def damaged(product: Path, tmp_path: Path, what: str) -> Path:
    copy = shutil.copytree(product, tmp_path / product.name)
    metadata = copy / "MTD_MSIL2A.xml"
    if what == "no metadata":
        metadata.unlink()
    elif what == "no offsets":
        metadata.write_text(re.sub("<BOA_ADD_OFFSET .*</BOA_ADD_OFFSET>", "", metadata.read_text()))
    elif what == "unknown band":
        metadata.write_text(metadata.read_text().replace('band_id="12"', 'band_id="13"'))
    elif what == "no number":
        metadata.write_text(metadata.read_text().replace(">10000<", ">nan<"))
    elif what == "entities":
        metadata.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    elif what == "no band":
        for file in copy.rglob("*_B8A_*"):
            file.unlink()
    elif what == "two tiles":
        granule = next((copy / "GRANULE").iterdir())
        shutil.copytree(granule, granule.with_name("L2A_T22WEC_A000000_20190801T150901"))
    return copy


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no metadata", "no MTD_MSIL2A.xml"),
        ("no offsets", "baseline 05.09 without BOA_ADD_OFFSET"),
        ("unknown band", r"damaged \(13\)"),
        ("no number", "quantification value is not positive"),
        ("entities", "declares a document type"),
        ("no band", "B8A are missing"),
        ("two tiles", "2 tiles"),
    ],
)
def test_a_damaged_product_is_refused(product: Path, tmp_path: Path, what: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        open_optical(damaged(product, tmp_path, what))
    assert product.name in str(raised.value)


def test_a_missing_and_a_truncated_file_are_refused(product: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        open_optical(tmp_path / "nothing.SAFE")
    copy = shutil.copytree(product, tmp_path / product.name)
    image = next(copy.rglob("*_B02_10m.jp2"))
    image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(UserError, match="B02_10m"):
        optical_image([open_optical(copy)], GRID)


def test_products_elsewhere_or_of_two_days_are_refused(product: Path, tmp_path: Path) -> None:
    far = GRID.crop(slice(1000, 1010), slice(1000, 1010))
    with pytest.raises(UserError, match="none covers the area"):
        optical_image([open_optical(product)], far)
    part = GRID.crop(slice(0, 60), slice(40, 106))
    with pytest.raises(UserError, match=r"they cover only 3\d\.\d% .*acquisition\.leave_out"):
        optical_image([open_optical(product)], part)
    most = optical_image([open_optical(product)], GRID.crop(slice(0, 60), slice(10, 76)))
    assert re.fullmatch(r"8\d\.\d% of the area is covered", most.attrs["note"])
    later = write_optical_product(tmp_path, numbers(), GRID, TAKEN.replace(month=9), "22WEB")
    with pytest.raises(UserError, match="2 days"):
        optical_image([open_optical(product), open_optical(later)], GRID)
