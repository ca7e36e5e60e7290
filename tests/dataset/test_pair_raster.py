"""Grids and pixels of the images of a pretraining dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pair_folder import PairFolder

from ssl4sar.core.errors import UserError
from ssl4sar.dataset.pair_raster import (
    Grid,
    decode_sar,
    optical_header,
    read_channels,
    sar_grid,
)

UTM = Grid(40, 50, "EPSG:32622", (20.0, 0.0, 500000.0, 0.0, -20.0, 7600000.0), 20.0)


@pytest.fixture
def folder(tmp_path: Path) -> PairFolder:
    return PairFolder(tmp_path)


def test_a_raster_tells_its_grid_and_bands(folder: PairFolder) -> None:
    import rasterio

    transform = rasterio.Affine(*UTM.transform)
    path = folder.raster(
        "A.tif", folder.reflectance("A"), crs=UTM.crs, transform=transform, names=("B1", "B2")
    )
    header = optical_header(path)
    assert header.grid == UTM
    assert header.bands == 15
    assert header.names == ("B1", "B2", *([""] * 13))
    assert header.dtype == "float32"


def test_angles_are_no_metres(folder: PairFolder) -> None:
    import rasterio

    transform = rasterio.Affine(0.001, 0, -50, 0, -0.001, 70)
    path = folder.raster("A.tif", np.ones((15, 4, 5), "u1"), crs="EPSG:4326", transform=transform)
    grid = optical_header(path).grid
    assert (grid.crs, grid.spacing_m) == ("EPSG:4326", None)
    assert grid.transform == (0.001, 0, -50, 0, -0.001, 70)


def test_no_data_is_what_is_not_finite_or_marked(folder: PairFolder) -> None:
    values = np.ones((15, 2, 3), np.float32)
    values[12, 0, 0] = np.nan  # the aerosol band, which is not used
    values[0, 0, 1] = np.nan
    values[13, 1, 0] = np.inf
    values[14, 1, 2] = -9999
    channels = read_channels(folder.raster("A.tif", values, nodata=-9999))
    assert channels.values.shape == (14, 2, 3)
    assert np.argwhere(~channels.known).tolist() == [[0, 0, 1], [12, 1, 0], [13, 1, 2]]
    assert channels.valid.tolist() == [[True, False, True], [False, True, False]]


def test_channels_are_bands_1_to_12_14_and_15(folder: PairFolder) -> None:
    values = np.arange(1, 21, dtype=np.uint16)[:, None, None] * np.ones((1, 2, 2), np.uint16)
    channels = read_channels(folder.raster("A.tif", values))
    assert channels.values[:, 0, 0].tolist() == [*range(1, 13), 14, 15]
    assert channels.known.all()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.ones((1, 4, 4), np.uint16), "1 band of uint16, not 8-bit grey"),
        (np.ones((3, 4, 4), np.uint8), "3 bands of uint8, not 8-bit grey"),
        (np.ones((1, 4, 4), np.float32), "1 band of float32"),
    ],
)
def test_a_sar_image_has_one_band_of_8_bits(
    folder: PairFolder, values: np.ndarray, told: str
) -> None:
    path = folder.raster("S1_A.tif", values, folder.train)
    with pytest.raises(UserError, match=told):
        decode_sar(path.read_bytes(), path)


def test_a_sar_image_may_be_a_geotiff(folder: PairFolder) -> None:
    import rasterio

    values = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    transform = rasterio.Affine(*UTM.transform)
    path = folder.raster("S1_A.tif", values, folder.train, crs=UTM.crs, transform=transform)
    image, converted_from = decode_sar(path.read_bytes(), path)
    np.testing.assert_array_equal(image, values[0])
    assert converted_from is None
    assert sar_grid(path, 4, 5) == replace(UTM, height=4, width=5)


@pytest.mark.parametrize("suffix", [".pgw", ".wld"])
def test_a_world_file_places_a_png(folder: PairFolder, suffix: str) -> None:
    path = folder.sar("train", "S1_A_20200703.png")
    assert sar_grid(path, 40, 50) == Grid(40, 50)
    # A world file tells the centre of the first pixel.
    path.with_suffix(suffix).write_text("20\n0\n0\n-20\n500010\n7599990\n")
    assert sar_grid(path, 40, 50) == Grid(40, 50, None, UTM.transform)


def test_what_is_no_raster_is_told_in_one_line(folder: PairFolder) -> None:
    path = folder.raster("A.tif", folder.reflectance("A"))
    whole = path.read_bytes()
    for data in (b"", b"no raster", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"A\.tif: the raster cannot be read") as caught:
            read_channels(path)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match=r"A\.tif: the raster cannot be read"):
        optical_header(path)


def test_a_file_cannot_stand_for_others(folder: PairFolder) -> None:
    """A virtual raster names files to open: it is no GeoTIFF whatever its ending."""
    secret = folder.raster("secret.tif", folder.reflectance("A"))
    virtual = secret.with_name("A.tif")
    virtual.write_text(
        '<VRTDataset rasterXSize="50" rasterYSize="40"><VRTRasterBand band="1" dataType="Float32">'
        f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(UserError, match="cannot be read"):
        optical_header(virtual)


def test_too_few_bands_and_complex_pixels_are_refused(folder: PairFolder) -> None:
    with pytest.raises(UserError, match="the raster has 14 bands, 15 are needed"):
        read_channels(folder.raster("A.tif", np.ones((14, 2, 2), np.uint8)))
    with pytest.raises(UserError, match="the pixels are complex64"):
        read_channels(folder.raster("B.tif", np.ones((15, 2, 2), np.complex64)))


def test_grids_differ_in_size_reference_or_place() -> None:
    assert UTM.difference(UTM) is None
    assert UTM.difference(Grid(40, 50)) is None
    told = UTM.difference(replace(UTM, height=41))
    assert told == "the image is 40x50 px, its optical image 41x50 px"
    told = UTM.difference(replace(UTM, crs="EPSG:32623"))
    assert told == "the image is in EPSG:32622, its optical image in EPSG:32623"
    moved = replace(UTM, transform=(20.0, 0.0, 500010.0, 0.0, -20.0, 7600000.0))
    assert "up to 0.5 pixels off" in str(UTM.difference(moved))
    wider = replace(UTM, transform=(20.02, 0.0, 500000.0, 0.0, -20.0, 7600000.0))
    assert "up to 0.05 pixels off" in str(UTM.difference(wider))


def test_a_reference_system_is_the_same_however_it_is_written() -> None:
    from rasterio.crs import CRS

    assert UTM.difference(replace(UTM, crs=CRS.from_epsg(32622).to_wkt())) is None


@given(st.floats(-0.19, 0.19), st.floats(-0.19, 0.19))
def test_rounding_in_a_transform_is_no_difference(east_m: float, north_m: float) -> None:
    transform = (20.0, 0.0, 500000.0 + east_m / 2, 0.0, -20.0, 7600000.0 + north_m / 2)
    assert UTM.difference(replace(UTM, transform=transform)) is None
