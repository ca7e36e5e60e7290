"""Backscatter: its properties, and the agreement with an independent reader of the tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from radiometry_samples import samples

from ssl4sar.sar.coding import to_db
from ssl4sar.sar.noise import read_noise
from ssl4sar.sar.radiometry import backscatter, noise_equivalent_db

NUMBERS = arrays.arrays(np.uint16, (3, 4))


@given(dn=NUMBERS, noise=st.floats(0, 1e6, width=32), gain=st.floats(100, 1000, width=32))
def test_power_is_calibrated_without_noise_and_never_negative(
    dn: np.ndarray, noise: float, gain: float
) -> None:
    eta, a = np.full((3, 4), noise, np.float32), np.full((3, 4), gain, np.float32)
    power = backscatter(dn, eta, a)
    assert power.dtype == np.float32
    assert power.min() >= 0
    exact = np.maximum(dn.astype(float) ** 2 - noise, 0) / gain**2
    np.testing.assert_allclose(power, exact, rtol=1e-5, atol=1e-6 * (1 + noise / gain**2))
    np.testing.assert_allclose(backscatter(dn, None, a), dn.astype(float) ** 2 / gain**2, rtol=1e-6)


def test_noise_equivalent_is_the_backscatter_of_noise_alone() -> None:
    noise, gain = np.array([900, 0], np.float32), np.array([600, 600], np.float32)
    np.testing.assert_allclose(noise_equivalent_db(noise, gain), [-26.0206, -np.inf], rtol=1e-5)


@pytest.fixture
def painted(test_data: Path, tmp_path: Path) -> tuple[Path, tuple[slice, slice], np.ndarray]:
    """A copy of a real product, with digital numbers of its own in a window."""
    rasterio = pytest.importorskip("rasterio")
    name = "S1B_IW_GRDH_1SDV_20211223T051122_20211223T051147_030148_039993_5371.SAFE"
    product = tmp_path / name
    shutil.copytree(test_data / "sentinel1/grdh" / name, product, copy_function=shutil.copyfile)
    for path in (product, *product.rglob("*")):
        path.chmod(0o755)
    window = slice(5000, 6300), slice(17000, 18100)  # around the border of IW2 and IW3
    dn = np.random.default_rng(1).integers(1, 1000, (1300, 1100), dtype=np.uint16)
    (measurement,) = product.glob("measurement/*.tiff")
    with rasterio.open(measurement) as file:
        profile = {**file.profile, "nodata": None, "sparse_ok": True, "tiled": True}
        profile.update(blockxsize=512, blockysize=512, compress="deflate")
    measurement.unlink()
    with rasterio.open(measurement, "w", **profile) as file:
        file.write(dn, 1, window=rasterio.windows.Window.from_slices(*window))
    return product, window, dn


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:rioxarray")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_calibration_agrees_with_xarray_sentinel(
    painted: tuple[Path, tuple[slice, slice], np.ndarray], test_data: Path
) -> None:
    """A4 of the specification: 1e-4 dB."""
    peer = pytest.importorskip("xarray_sentinel")
    product, window, dn = painted
    sample = next(each for each in samples(test_data) if each.name.startswith("5371"))
    calibration = sample.calibration()
    image = peer.open_sentinel1_dataset(str(product), group="IW/VV").measurement
    part = image.isel(azimuth_time=window[0], ground_range=window[1]).load()
    np.testing.assert_array_equal(part.values, dn)
    tables = peer.open_sentinel1_dataset(str(product), group="IW/VV/calibration")
    for quantity, table in {
        "sigma0": "sigmaNought",
        "beta0": "betaNought",
        "gamma0": "gamma",
    }.items():
        theirs = peer.calibrate_intensity(part, tables[table]).values
        ours = backscatter(dn, None, calibration.gain(quantity, *window))
        difference_db = np.abs(to_db(ours) - 10 * np.log10(theirs.astype(float)))
        print(quantity, f"{difference_db.max():.1e} dB at most, mean {difference_db.mean():.1e}")
        assert difference_db.max() <= 1e-4
    noise = read_noise(sample.noise_xml, sample.name).power(*window)
    gain = calibration.gain("sigma0", *window)
    nesz_db = noise_equivalent_db(noise, gain)
    print(f"NESZ in the window: {nesz_db.min():.1f} to {nesz_db.max():.1f} dB")
    assert backscatter(dn, noise, gain).min() >= 0
