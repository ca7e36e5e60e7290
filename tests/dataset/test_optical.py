"""Optical rasters: headers, channels, and golden bytes of their scaling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pair_folder import PairFolder

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.dataset.optical import Channels, optical_bytes, optical_header, read_channels

UTM = Grid.at(500000.0, 7600000.0, 20.0, (40, 50), "EPSG:32622")


@pytest.fixture
def folder(tmp_path: Path) -> PairFolder:
    return PairFolder(tmp_path)


def channels(first: list[list[float]], dtype: str = "float32") -> Channels:
    """Return 14 channels: the given one and ones of the constant 2."""
    band = np.array(first, dtype)
    values = np.full((14, *band.shape), 2, dtype)
    values[0] = band
    known = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    return Channels(values, known)


def test_golden_bytes_of_a_band_with_no_data() -> None:
    nan, inf = np.nan, np.inf
    given_values = [[0.8, 0.4, 0.2, 0.1], [0.003, nan, -inf, inf], [-0.5, 0.0, 0.79, 0.001]]
    out, tops = optical_bytes(channels(given_values), "maximum")
    # 255 * 0.1 / 0.8 = 31.9; 255 * 0.003 / 0.8 = 0.96; 255 * 0.79 / 0.8 = 251.8.
    assert out[..., 0].tolist() == [[255, 128, 64, 32], [1, 0, 0, 0], [0, 0, 252, 0]]
    assert out[..., 14].tolist() == [[255] * 4, [255, 0, 0, 0], [255] * 4]
    assert (out[..., 1:14] == 255).all()
    assert tops == pytest.approx((0.8, *([2.0] * 13)))
    assert out.shape == (3, 4, 15)
    assert out.flags.c_contiguous


def test_whole_numbers_are_divided_exactly() -> None:
    out, tops = optical_bytes(channels([[10000, 5000, 39, 20]], "uint16"), "maximum")
    assert out[0, :, 0].tolist() == [255, 128, 1, 1]
    assert tops[0] == 10000


def test_what_is_marked_as_no_data_counts_neither_as_value_nor_as_maximum() -> None:
    given_channels = channels([[9999, 100, 50]], "uint16")
    given_channels.known[0, 0, 0] = False
    out, tops = optical_bytes(given_channels, "maximum")
    assert out[0, :, 0].tolist() == [0, 255, 128]
    assert out[0, :, 14].tolist() == [0, 255, 255]
    assert tops[0] == 100


@pytest.mark.parametrize("scale", ["maximum", "percentile"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
@pytest.mark.filterwarnings("error")
def test_a_band_without_a_value_above_0_is_0(scale: str, value: float) -> None:
    out, tops = optical_bytes(channels([[value, value]]), scale)  # type: ignore[arg-type]
    assert not out[..., 0].any()
    assert tops[0] == 0
    assert (out[..., 1:14] == 255).all()


def test_one_saturated_pixel_moves_the_maximum_and_not_the_percentile() -> None:
    values = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    values[0, 0] = 1000
    out, tops = optical_bytes(channels(values.tolist()), "maximum")
    assert tops[0] == 1000
    assert np.median(out[..., 0]) == 0
    out, tops = optical_bytes(channels(values.tolist()), "percentile")
    assert tops[0] == pytest.approx(0.999, abs=1e-3)
    assert np.median(out[..., 0]) == pytest.approx(127.5, abs=1)
    assert out[0, 0, 0] == 255


def test_a_band_that_is_0_nearly_everywhere_keeps_its_maximum() -> None:
    values = np.zeros((100, 100), np.float32)
    values[5, 5] = 3
    out, tops = optical_bytes(channels(values.tolist()), "percentile")
    assert tops[0] == 3
    assert out[..., 0].sum() == 255


def test_zero_in_every_channel_is_no_data() -> None:
    given_channels = channels([[4, 0, 0]], "uint16")
    given_channels.values[1:, 0, 1] = 0
    out, _ = optical_bytes(given_channels, "maximum")
    assert out[0, :, 14].tolist() == [255, 0, 255]


@given(
    arrays(np.float32, (14, 3, 5), elements=st.floats(-2, 1e4, width=32)),
    st.floats(2**-10, 2**10, width=32),
)
def test_the_unit_of_reflectance_does_not_matter(values: np.ndarray, factor: float) -> None:
    known = np.ones(values.shape, bool)
    one, _ = optical_bytes(Channels(values, known), "maximum")
    other, _ = optical_bytes(Channels(values.astype(np.float64) * factor, known), "maximum")
    assert np.abs(one.astype(int) - other).max() <= 1


@given(arrays(np.float32, (14, 4, 4), elements=st.floats(-2, 1e4, width=32)), st.booleans())
def test_bytes_keep_the_order_of_the_values(values: np.ndarray, percentile: bool) -> None:
    known = np.ones(values.shape, bool)
    scale = "percentile" if percentile else "maximum"
    out, tops = optical_bytes(Channels(values, known), scale)  # type: ignore[arg-type]
    for number in range(14):
        order = np.argsort(values[number], axis=None, kind="stable")
        assert (np.diff(out[..., number].ravel()[order].astype(int)) >= 0).all()
        if tops[number] > 0:
            assert out[..., number].max() == 255


def test_a_raster_has_its_grid_and_bands(folder: PairFolder) -> None:
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


def test_angles_are_not_metres(folder: PairFolder) -> None:
    import rasterio

    transform = rasterio.Affine(0.001, 0, -50, 0, -0.001, 70)
    path = folder.raster("A.tif", np.ones((15, 4, 5), "u1"), crs="EPSG:4326", transform=transform)
    grid = optical_header(path).grid
    assert grid is not None
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


def test_what_is_not_a_raster_is_one_line(folder: PairFolder) -> None:
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


def test_too_few_bands_and_complex_pixels_are_refused(folder: PairFolder) -> None:
    with pytest.raises(UserError, match="the raster has 14 bands, 15 are needed"):
        read_channels(folder.raster("A.tif", np.ones((14, 2, 2), np.uint8)))
    with pytest.raises(UserError, match="the pixels are complex64"):
        read_channels(folder.raster("B.tif", np.ones((15, 2, 2), np.complex64)))
