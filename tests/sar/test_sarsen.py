"""Against sarsen, an implementation of others, on real metadata and a real elevation model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.geometry.range_doppler import SPEED_OF_LIGHT_M_S, RadarCoordinates
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation, read_terrain

pytestmark = pytest.mark.slow
#: Inside of the elevation model of Rome.
GRID = Grid.at(289_600, 4_658_000, 20, (480, 360), "EPSG:32633")


@pytest.fixture(scope="module")
def product(test_data: Path):
    (path,) = (test_data / "sentinel1" / "grdh").glob("*_5371.SAFE")
    return open_product(path)


@pytest.fixture(scope="module")
def heights(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heights of Rome on the grid, as sarsen wants them: of the ellipsoid, in metres."""
    folder = tmp_path_factory.mktemp("sarsen")
    geoid = folder / "geoid.tif"
    with rasterio.open(
        geoid,
        "w",
        driver="GTiff",
        width=3,
        height=3,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=Affine(1, 0, 11.0, 0, -1, 43.5),
    ) as file:
        file.write(np.full((3, 3), 48.61, np.float32), 1)
    model = test_data / "sentinel1" / "dem" / "Rome-30m-DEM.tif"
    terrain = read_terrain(Elevation(model, geoid=geoid), GRID)
    assert np.isfinite(terrain.heights_m).all()
    path = folder / "dem.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=GRID.width,
        height=GRID.height,
        count=1,
        dtype="float32",
        crs=GRID.crs,
        transform=Affine(*GRID.transform),
    ) as file:
        file.write(terrain.heights_m, 1)
        file.update_tags(HEIGHTS="ellipsoidal")
    return path


def test_positions_in_the_image_agree(product, heights: Path) -> None:
    sarsen = pytest.importorskip("sarsen")
    from sarsen import apps, orbit, scene

    other = sarsen.Sentinel1SarProduct(str(product.path), measurement_group="IW/VV")
    points = scene.convert_to_dem_ecef(scene.open_dem_raster(str(heights)))
    flight = orbit.OrbitPolyfitInterpolator.from_position(other.state_vectors())
    seen = apps.simulate_acquisition(points, flight, {"slant_range_time", "azimuth_time"})
    # sarsen's rows run from the south to the north.
    north_up = {"y": GRID.y()[:, 0], "x": GRID.x()[0]}
    seen = seen.reindex(north_up, method="nearest", tolerance=1.0)
    annotation = product.annotation("VV")
    terrain = read_terrain(Elevation(heights), GRID)
    ours = GridToRadar.build(annotation.orbit, GRID, *terrain.range_m).at(
        slice(0, GRID.height), terrain.heights_m
    )
    slant_m = seen.slant_range_time.values * SPEED_OF_LIGHT_M_S / 2
    since = (seen.azimuth_time.values - annotation.first_line_time) / np.timedelta64(1, "s")
    speed_m_s = annotation.azimuth_pixel_spacing_m / annotation.azimuth_time_interval_s
    assert np.abs(slant_m - ours.slant_range_m).max() < 0.01
    assert np.abs(since - ours.azimuth_time_s).max() * speed_m_s < 0.5

    line, pixel = annotation.image_position(ours)
    theirs = annotation.image_position(RadarCoordinates(since, slant_m))
    same = (np.rint(theirs[0]) == np.rint(line)) & (np.rint(theirs[1]) == np.rint(pixel))
    assert same.mean() > 0.98
    # Between two records sarsen mixes their coefficients, which the processor did not.
    ground = other.slant_range_time_to_ground_range(seen.azimuth_time, seen.slant_range_time)
    assert np.abs(ground.values / annotation.range_pixel_spacing_m - pixel).max() < 0.75
