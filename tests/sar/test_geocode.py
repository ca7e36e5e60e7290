"""The whole way from digital numbers to a map; the exact solver says where targets are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_grd import zip_grd
from painted_grd import (
    GAINS,
    SHAPE,
    area,
    hills,
    image_positions,
    lon_lat,
    painted,
    write_model,
    write_product,
)

from ssl4sar.core.errors import UserError
from ssl4sar.sar.geocode import GeocodeOptions, geocode
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation

GRID = area()
#: Rows and columns of 25 targets, between the centres of pixels.
TARGETS = np.meshgrid(np.linspace(40.3, 250.7, 5), np.linspace(45.6, 255.2, 5), indexing="ij")


def at(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes at fractional pixels of the grid; 0 is the centre of the first."""
    from pyproj import Transformer

    x = GRID.left + (column + 0.5) * GRID.spacing
    y = GRID.top - (row + 0.5) * GRID.spacing
    return Transformer.from_crs(GRID.crs, 4326, always_xy=True).transform(x, y)


def offsets_px(power: np.ndarray) -> np.ndarray:
    """(2, 5, 5) distances of the centres of mass of targets from where they are to be, pixels."""
    found = np.full((2, *TARGETS[0].shape), np.nan)
    for index in np.ndindex(TARGETS[0].shape):
        row, column = (round(float(part[index])) for part in TARGETS)
        around = power[row - 9 : row + 10, column - 9 : column + 10]
        weights = around - np.median(around)
        rows, columns = np.mgrid[row - 9 : row + 10, column - 9 : column + 10]
        found[0][index] = (weights * rows).sum() / weights.sum() - TARGETS[0][index]
        found[1][index] = (weights * columns).sum() / weights.sum() - TARGETS[1][index]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Product with 25 targets on hills, and the elevation model of the hills."""
    base = tmp_path_factory.mktemp("geocode")
    lon, lat = at(*TARGETS)
    write_product(base, painted(*image_positions(lon, lat, hills(lon, lat))))
    write_model(base / "dem.tif", GRID, HEIGHTS="ellipsoidal")
    return base


@pytest.fixture
def product(folder: Path):
    return open_product(next(folder.glob("*.SAFE")))


def test_targets_appear_where_they_are(folder: Path, product) -> None:
    found = geocode(product, "HH", GRID, Elevation(folder / "dem.tif"))
    offsets = offsets_px(10 ** (found.backscatter.values / 10))
    assert np.abs(offsets).max() < 0.1
    assert found.valid.all()
    assert not found.layover_shadow.any()


def test_a_height_error_moves_targets_away_from_the_radar(folder: Path, product) -> None:
    model = write_model(
        folder / "high.tif", GRID, lambda lon, lat: hills(lon, lat) + 50, HEIGHTS="ellipsoidal"
    )
    found = geocode(product, "HH", GRID, Elevation(model))
    offsets = offsets_px(10 ** (found.backscatter.values / 10))
    # At an incidence of 35.4 degrees 50 m of height are 70 m on the ground.
    moved_m = np.hypot(*offsets) * GRID.spacing
    assert moved_m.mean() == pytest.approx(70, abs=2)
    assert (offsets[1] > 0.5).all()


def test_a_map_is_labelled_and_says_what_it_was_made_from(folder: Path, product) -> None:
    found = geocode(product, "HV", GRID, Elevation(folder / "dem.tif"))
    assert found.backscatter.dims == ("y", "x")
    np.testing.assert_array_equal(found.x, GRID.x()[0])
    np.testing.assert_array_equal(found.y, GRID.y()[:, 0])
    assert found.attrs["product"] == product.name
    assert found.attrs["polarisation"] == "HV"
    assert found.attrs["elevation_datum"] == "ellipsoid"
    assert found.attrs["noise"] == "the product lists zeros"
    assert found.attrs["looks"] == [1, 1]
    json.dumps(found.attrs, allow_nan=False)


@pytest.mark.parametrize(
    ("quantity", "gain"),
    [("sigma0", "sigmaNought"), ("beta0", "betaNought"), ("gamma0", "gamma")],
)
@pytest.mark.parametrize("denoised", [True, False])
def test_backscatter_is_calibrated(
    folder: Path, tmp_path: Path, quantity: str, gain: str, denoised: bool
) -> None:
    product = open_product(write_product(tmp_path, np.full(SHAPE, 40, np.uint16), noise=600.0))
    options = GeocodeOptions(quantity, remove_noise=denoised)  # type: ignore[arg-type]
    found = geocode(product, "HH", area(60), Elevation(folder / "dem.tif"), options)
    power = (1600 - 600 * denoised) / GAINS[gain] ** 2
    np.testing.assert_allclose(found.backscatter, 10 * np.log10(power), atol=1e-4)
    assert found.attrs["noise"] == ("subtracted" if denoised else "not subtracted")


def test_zips_threads_and_folders_give_the_same_bytes(folder: Path, product) -> None:
    elevation = Elevation(folder / "dem.tif")
    first = geocode(product, "HH", GRID, elevation)
    zipped = open_product(zip_grd(product.path))
    second = geocode(zipped, "HH", GRID, elevation, GeocodeOptions(workers=2))
    assert first.identical(second)


def test_images_are_averaged_to_the_spacing_of_the_grid(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = (100 * np.sqrt(rng.gamma(1, 1, SHAPE))).astype(np.uint16)
    product = open_product(write_product(tmp_path, numbers))
    coarse = geocode(product, "HH", area(60, 120.0), Elevation(folder / "dem.tif"))
    assert coarse.attrs["looks"] == [3, 3]
    power = 10 ** (coarse.backscatter.values / 10)
    assert power.mean() == pytest.approx(1.0, rel=0.03)
    # Nine looks, and some more by sampling between pixels.
    assert 9 < (power.mean() / power.std()) ** 2 < 25


def test_beyond_the_image_nothing_is_invented(folder: Path, product) -> None:
    shifted = GRID.crop(slice(0, 300), slice(290, 590))
    model = write_model(folder / "beside.tif", shifted, HEIGHTS="ellipsoidal")
    found = geocode(product, "HH", shifted, Elevation(model))
    line, pixel = image_positions(*lon_lat(shifted), hills(*lon_lat(shifted)))
    inside = (line >= 0) & (line <= SHAPE[0] - 1) & (pixel >= 0) & (pixel <= SHAPE[1] - 1)
    edge = np.abs(pixel - (SHAPE[1] - 1)) < 0.01
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_array_equal(found.valid.values[~edge], inside[~edge])
    assert np.isnan(found.backscatter.values[~found.valid.values]).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (3000, "the area is not in the scene"),
        (-3000, "not in the scene"),
        (565, r"only \d\.\d% of"),
    ],
)
def test_an_area_outside_of_the_scene_is_refused(
    folder: Path, product, columns: int, message: str
) -> None:
    aside = GRID.crop(slice(0, 300), slice(columns, columns + 300))
    model = write_model(folder / f"{columns}.tif", aside, HEIGHTS="ellipsoidal")
    with pytest.raises(UserError, match=message):
        geocode(product, "HH", aside, Elevation(model))


def test_a_scene_without_pixels_is_refused(folder: Path, tmp_path: Path) -> None:
    product = open_product(write_product(tmp_path, np.zeros(SHAPE, np.uint16)))
    with pytest.raises(UserError, match="nothing was measured in the area"):
        geocode(product, "HH", GRID, Elevation(folder / "dem.tif"))


def test_where_there_is_no_height_there_is_no_value(folder: Path, product) -> None:
    def pierced(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        heights = hills(lon, lat)
        heights[lat[:, 0] > lon_lat(GRID)[1].mean()] = np.nan
        return heights

    model = write_model(folder / "void.tif", GRID, pierced, HEIGHTS="ellipsoidal")
    found = geocode(product, "HH", GRID, Elevation(model))
    assert not found.valid.values[:100].any()
    assert found.valid.values[200:].all()
    assert 0.4 < found.attrs["missing_heights_share"] < 0.6


@pytest.mark.parametrize("kind", ["truncated", "smaller", "signed"])
def test_damaged_images_are_refused(folder: Path, tmp_path: Path, kind: str) -> None:
    product = open_product(write_product(tmp_path, np.full(SHAPE, 40, np.uint16)))
    path = Path(product.measurement("HH"))
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-200_000])
    else:
        shape = SHAPE if kind == "signed" else (SHAPE[0] - 1, SHAPE[1])
        dtype = "int16" if kind == "signed" else "uint16"
        with rasterio.open(
            path, "w", driver="GTiff", height=shape[0], width=shape[1], count=1, dtype=dtype
        ) as file:
            file.write(np.full(shape, 40, dtype), 1)
    with pytest.raises(UserError, match="get the product again"):
        geocode(product, "HH", GRID, Elevation(folder / "dem.tif"))


def test_flattened_gamma0_is_backscatter_per_area_of_terrain(folder: Path, tmp_path: Path) -> None:
    """The area of terrain in a pixel of the image, by the exact solver and differences."""
    product = open_product(write_product(tmp_path, np.full(SHAPE, 40, np.uint16)))
    options = GeocodeOptions("gamma0_rtc")
    found = geocode(product, "HH", GRID, Elevation(folder / "dem.tif"), options)
    lon, lat = lon_lat(GRID)
    line, pixel = image_positions(lon, lat, hills(lon, lat))
    by_row, by_column = np.gradient(line), np.gradient(pixel)
    pixels = np.abs(by_row[0] * by_column[1] - by_row[1] * by_column[0])
    north, east = np.gradient(hills(lon, lat), GRID.spacing)
    steepness = np.sqrt(1 + north**2 + east**2)
    facing = np.cos(np.radians(found.local_incidence_angle.values))
    sine = np.sin(np.radians(35.4))
    expected = 10 * np.log10(1600 / GAINS["betaNought"] ** 2 * sine * pixels / (steepness * facing))
    error = (found.backscatter.values - expected)[5:-5, 5:-5]
    assert np.abs(error).max() < 0.25
    assert np.ptp(expected) > 1


def test_flattening_leaves_no_value_beside_missing_heights(folder: Path, product) -> None:
    def pierced(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        heights = hills(lon, lat)
        heights[lat[:, 0] > lon_lat(GRID)[1].mean()] = np.nan
        return heights

    model = write_model(folder / "rtc.tif", GRID, pierced, HEIGHTS="ellipsoidal")
    plain = geocode(product, "HH", GRID, Elevation(model))
    flat = geocode(product, "HH", GRID, Elevation(model), GeocodeOptions("gamma0_rtc"))
    lost = (plain.valid & ~flat.valid).values.sum(axis=0)
    assert ((lost >= 3) & (lost <= 8)).all()
