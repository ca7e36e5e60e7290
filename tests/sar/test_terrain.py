"""Heights above the ellipsoid, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from made_geoid import undulation, write_grid
from painted_grd import area, lon_lat, write_model
from rasterio.transform import Affine

from ssl4sar.core.errors import UserError
from ssl4sar.core.grid import Grid
from ssl4sar.sar.terrain import Elevation, read_terrain

GRID = area(70)
LON, LAT = lon_lat(GRID)


def ramp(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return 100 * (lon - 8) + 50 * (lat - 70)


@pytest.fixture(scope="module")
def geoid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("geoid") / "made.tif"
    write_grid(path)
    return path


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4979"])
def test_heights_above_the_ellipsoid_are_taken_as_they_are(tmp_path: Path, crs: str) -> None:
    tags = {} if crs == "EPSG:4979" else {"HEIGHTS": "ellipsoidal"}
    model = write_model(tmp_path / "dem.tif", GRID, ramp, crs=crs, **tags)
    found = read_terrain(Elevation(model), GRID, pad=3)
    assert (found.grid, found.pad) == (GRID.pad(3), 3)
    np.testing.assert_allclose(found.heights_m[3:-3, 3:-3], ramp(LON, LAT), atol=0.02)
    assert found.facts["elevation_datum"] == "ellipsoid"
    assert found.facts["geoid"] is None


@pytest.mark.parametrize(
    ("crs", "stated", "datum"),
    [
        ("EPSG:9707", None, "EGM96"),
        ("EPSG:9518", None, "EGM2008"),
        ("EPSG:32632+5773", None, "EGM96"),
        ("EPSG:4326", "EGM96", "EGM96"),
        ("EPSG:4326", "orthometric", "EGM2008"),
    ],
)
def test_heights_above_a_geoid_get_its_undulation(
    tmp_path: Path, geoid: Path, crs: str, stated: str | None, datum: str
) -> None:
    path = tmp_path / "dem.tif"
    if crs.startswith("EPSG:32632"):
        # On the pixels of the grid, in metres.
        grid = GRID.pad(5)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=1,
            dtype="float32",
            crs=crs,
            transform=Affine(*grid.transform),
        ) as file:
            file.write(ramp(*lon_lat(grid)).astype(np.float32), 1)
    else:
        tags = {"HEIGHTS": "orthometric"} if stated == "orthometric" else {}
        write_model(path, GRID, ramp, crs=crs, **tags)
    given = "EGM96" if stated == "EGM96" else None
    with pytest.raises(UserError, match=f"above the geoid {datum}, and there is no geoid grid"):
        read_terrain(Elevation(path, given), GRID)
    found = read_terrain(Elevation(path, given, geoid), GRID)
    expected = ramp(LON, LAT) + undulation(LON, LAT)
    np.testing.assert_allclose(found.heights_m, expected, atol=0.05)
    assert found.facts["elevation_datum"] == datum
    assert found.facts["geoid"] == "made.tif"
    assert len(found.facts["geoid_sha256"]) == 64


def test_the_datum_must_be_stated_once(tmp_path: Path, geoid: Path) -> None:
    silent = write_model(tmp_path / "silent.tif", GRID, ramp)
    with pytest.raises(UserError, match="does not say what its heights refer to"):
        read_terrain(Elevation(silent, geoid=geoid), GRID)
    stated = write_model(tmp_path / "stated.tif", GRID, ramp, crs="EPSG:9707")
    with pytest.raises(UserError, match="refer to EGM96, not to ellipsoid"):
        read_terrain(Elevation(stated, "ellipsoid"), GRID)
    # NAVD88: what it is above has no name here, and an answer of the user would not change that.
    other = write_model(tmp_path / "other.tif", GRID, ramp, crs="EPSG:4326+5703")
    with pytest.raises(UserError, match="refer to NAVD88 height, which is not known") as caught:
        read_terrain(Elevation(other, "EGM96", geoid), GRID)
    # A batch compares it with the path that it was given.
    assert caught.value.subject == str(other)
    with pytest.raises(UserError, match="'MSL' is not a datum; use ellipsoid, EGM96, EGM2008"):
        read_terrain(Elevation(silent, "MSL"), GRID)  # type: ignore[arg-type]


def test_missing_heights_are_nodata_sea_or_refused(tmp_path: Path, geoid: Path) -> None:
    middle = LAT.mean()
    south = np.less(LAT, middle)

    def coast(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return np.where(lat < middle, np.nan, 20.0) + 0 * lon

    model = write_model(tmp_path / "dem.tif", GRID, coast, crs="EPSG:9518")
    # Beside the coast a height and nothing are mixed.
    clear = np.abs(LAT - middle) > 2 / 3600
    flagged = read_terrain(Elevation(model, geoid=geoid), GRID)
    np.testing.assert_array_equal(np.isnan(flagged.heights_m)[clear], south[clear])
    assert flagged.facts["missing_heights_share"] == pytest.approx(0.5, abs=0.02)
    sea = read_terrain(Elevation(model, geoid=geoid, missing="sea"), GRID)
    expected = undulation(LON, LAT) + np.where(south, 0, 20)
    np.testing.assert_allclose(sea.heights_m[clear], expected[clear], atol=0.05)
    with pytest.raises(UserError, match=r"no height at (49|50|51)\.\d+% of the area"):
        read_terrain(Elevation(model, geoid=geoid, missing="refuse"), GRID)
    dry = write_model(tmp_path / "dry.tif", GRID, coast, HEIGHTS="ellipsoidal")
    with pytest.raises(UserError, match="height of the sea above the ellipsoid needs a geoid"):
        read_terrain(Elevation(dry, missing="sea"), GRID)
    wet = read_terrain(Elevation(dry, geoid=geoid, missing="sea"), GRID)
    np.testing.assert_allclose(wet.heights_m[south & clear], expected[south & clear], atol=0.05)
    np.testing.assert_allclose(wet.heights_m[~south & clear], 20, atol=0.01)


def test_models_of_other_places_and_broken_ones_are_refused(tmp_path: Path) -> None:
    void = write_model(
        tmp_path / "void.tif", GRID, lambda lon, lat: np.nan * lon * lat, crs="EPSG:4979"
    )
    with pytest.raises(UserError, match="it has no height in the area"):
        read_terrain(Elevation(void), GRID)
    aside = write_model(tmp_path / "aside.tif", GRID, ramp, crs="EPSG:4979", west_shift=20.0)
    with pytest.raises(UserError, match="it does not reach the area"):
        read_terrain(Elevation(aside), GRID)
    with pytest.raises(UserError, match="does not exist"):
        read_terrain(Elevation(tmp_path / "none.tif"), GRID)
    (tmp_path / "text.tif").write_text("heights")
    with pytest.raises(UserError, match="not a GeoTIFF"):
        read_terrain(Elevation(tmp_path / "text.tif"), GRID)
    unmarked = write_model(
        tmp_path / "unmarked.tif",
        GRID,
        lambda lon, lat: np.where(lat < LAT.mean(), -99_999.0, 20.0) + 0 * lon,
        crs="EPSG:4979",
    )
    with pytest.raises(UserError, match=r"height of -[0-9.e+]+ m is not of the Earth; .*nodata"):
        read_terrain(Elevation(unmarked), GRID)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"scales": (0.1,)}, "scale 0.1 and offset 0; .*gdal_translate -unscale"),
        ({"offsets": (-108.0,)}, "scale 1 and offset -108; .*gdal_translate -unscale"),
        ({"units": ("ft",)}, "its unit is ft; convert it to metres"),
        ({"units": ("Metre",)}, None),
    ],
)
def test_only_plain_metres_are_heights_or_undulations(
    tmp_path: Path, stored: dict[str, tuple[float | str]], message: str | None
) -> None:
    model = write_model(tmp_path / "dem.tif", GRID, ramp, HEIGHTS="orthometric")
    write_grid(tmp_path / "geoid.tif")
    write_grid(tmp_path / "odd.tif")
    good = Elevation(model, geoid=tmp_path / "geoid.tif")
    other_geoid = Elevation(model, geoid=tmp_path / "odd.tif")
    expected = read_terrain(good, GRID).heights_m
    odd = write_model(tmp_path / "odd_dem.tif", GRID, ramp, HEIGHTS="orthometric")
    for path in (odd, tmp_path / "odd.tif"):
        with rasterio.open(path, "r+") as file:
            for name, values in stored.items():
                setattr(file, name, values)
    for elevation, wrong in ((replace(good, path=odd), odd), (other_geoid, tmp_path / "odd.tif")):
        if message is None:
            np.testing.assert_array_equal(read_terrain(elevation, GRID).heights_m, expected)
            continue
        with pytest.raises(UserError, match=message) as caught:
            read_terrain(elevation, GRID)
        assert caught.value.subject == str(wrong)


def test_a_model_that_was_not_written_to_its_end_is_refused(tmp_path: Path) -> None:
    grid = GRID.pad(5)
    with rasterio.open(
        tmp_path / "dem.tif",
        "w",
        driver="GTiff",
        width=grid.width,
        height=grid.height,
        count=1,
        dtype="float32",
        crs=grid.crs,
        transform=Affine(*grid.transform),
        sparse_ok=True,
    ) as file:
        file.write(np.full((10, grid.width), 300, np.float32), 1, window=((0, 10), (0, grid.width)))
    with pytest.raises(UserError, match="blocks have no data"):
        read_terrain(Elevation(tmp_path / "dem.tif", "ellipsoid"), GRID)


@pytest.mark.parametrize("turn", [0.0, -360.0])
def test_the_antimeridian_is_no_border(tmp_path: Path, turn: float) -> None:
    # Longitudes of 178 to 182 degrees, or the same places as -182 to -178.
    grid = Grid.at(600_000, 7_920_000, 200, (60, 600), "EPSG:32660")
    lon, lat = lon_lat(grid)
    assert lon.min() < -179
    assert lon.max() > 179

    def rising(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return 100 * (lon % 360 - 179) + lat

    model = write_model(
        tmp_path / "dem.tif",
        grid,
        rising,
        HEIGHTS="ellipsoidal",
        step_deg=(0.01, 0.005),
        west_shift=turn,
    )
    found = read_terrain(Elevation(model), grid)
    np.testing.assert_allclose(found.heights_m, rising(lon, lat), atol=0.05)


def test_a_model_around_the_globe_that_ends_within_the_area_is_refused(tmp_path: Path) -> None:
    grid = Grid.at(600_000, 7_920_000, 200, (60, 600), "EPSG:32660")
    path = tmp_path / "globe.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=3600, height=40, count=1, dtype="float32",
        crs="EPSG:4326", transform=Affine(0.1, 0, -180, 0, -0.1, 73),
    ) as file:  # fmt: skip
        file.write(np.full((40, 3600), 300, np.float32), 1)
    # Half of the area would be taken for sea.
    with pytest.raises(UserError, match="ends at the antimeridian, within the area"):
        read_terrain(Elevation(path, "ellipsoid"), grid)
    west = Grid.at(400_000, 7_920_000, 200, (60, 60), "EPSG:32660")
    assert (read_terrain(Elevation(path, "ellipsoid"), west).heights_m == 300).all()


def test_fine_models_are_averaged_to_coarse_grids(tmp_path: Path) -> None:
    grid = area(12, 400.0)

    def rough(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(0, 10, np.broadcast(lon, lat).shape)

    model = write_model(tmp_path / "dem.tif", grid, rough, HEIGHTS="ellipsoidal")
    heights = read_terrain(Elevation(model), grid).heights_m
    # 12 to 13 rows and columns of the model per pixel.
    assert heights.std() < 1.5


def test_the_datum_of_a_real_model(test_data: Path, tmp_path: Path) -> None:
    """The undulation at 42 N, 12.5 E is that of EGM96: 48.61 m, not 0."""
    geoid = tmp_path / "plane.tif"
    lon, lat = np.meshgrid(np.arange(12.0, 13.01, 0.25), np.arange(42.5, 41.49, -0.25))
    values = (48.61 + 0.8 * (lon - 12.5) - 1.2 * (lat - 42)).astype(np.float32)
    with rasterio.open(
        geoid,
        "w",
        driver="GTiff",
        width=5,
        height=5,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(0.25, 0, 11.875, 0, -0.25, 42.625),
    ) as file:
        file.write(values, 1)
    model = test_data / "sentinel1" / "dem" / "Rome-30m-DEM.tif"
    # One pixel about the place: in degrees the grid would have no metres, which is of no matter.
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(12.5, 42.0)
    grid = Grid.at(x - 10, y + 10, 20, (1, 1), "EPSG:32633")
    with pytest.raises(UserError, match="above the geoid EGM96, and there is no geoid grid"):
        read_terrain(Elevation(model), grid)
    height = read_terrain(Elevation(model, geoid=geoid), grid).heights_m[0, 0]
    with rasterio.open(model) as file:
        above_sea = file.read(1)
        row, column = file.index(12.5, 42.0)
    around = above_sea[row - 1 : row + 2, column - 1 : column + 2]
    assert around.min() + 48.56 <= height <= around.max() + 48.66
