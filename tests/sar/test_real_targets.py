"""Point targets through the whole chain, with the metadata of a real product at 20 m."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from painted_grd import write_model
from pyproj import Transformer

from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.geocode import GeocodeOptions, geocode
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import Elevation, read_terrain

SIDE, REACH_PX = 500, 10


def hills(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    return 300 + 100 * np.sin(lat * 60) * np.cos(lon * 50)


@pytest.mark.slow
def test_targets_appear_within_a_tenth_of_a_pixel(test_data: Path, tmp_path: Path) -> None:
    (source,) = (test_data / "sentinel1" / "grdh").glob("*_5371.SAFE")
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    product = open_product(folder)
    annotation = product.annotation("VV")
    points = annotation.tie_points
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(
        points.lon_deg[4, 9], points.lat_deg[4, 9]
    )
    left, top = round(x / 20) * 20 - SIDE * 10, round(y / 20) * 20 + SIDE * 10
    grid = Grid.at(left, top, 20, (SIDE, SIDE), "EPSG:32633")
    model = write_model(tmp_path / "dem.tif", grid, hills, HEIGHTS="ellipsoidal")

    rows, columns = np.meshgrid(
        np.linspace(40.3, 450.7, 5), np.linspace(45.6, 455.2, 5), indexing="ij"
    )
    lon, lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(
        left + (columns + 0.5) * 20, top - (rows + 0.5) * 20
    )
    line, pixel = annotation.image_position(
        to_radar(annotation.orbit, to_ecef(lon, lat, hills(lon, lat)))
    )
    numbers = np.full((annotation.lines, annotation.pixels), 20, np.uint16)
    for at in np.ndindex(line.shape):
        first = round(line[at]) - 20, round(pixel[at]) - 20
        here = np.s_[first[0] : first[0] + 41, first[1] : first[1] + 41]
        down, across = np.mgrid[here]
        squares = (down - line[at]) ** 2 + (across - pixel[at]) ** 2
        numbers[here] = np.rint(np.sqrt(400 + 9e6 * np.exp(-squares / (2 * 3.0**2))))
    with rasterio.open(
        product.measurement("VV"),
        "w",
        driver="GTiff",
        height=annotation.lines,
        width=annotation.pixels,
        count=1,
        dtype="uint16",
        compress="zstd",
    ) as file:
        file.write(numbers, 1)
    del numbers

    options = GeocodeOptions("beta0", remove_noise=False)
    found = geocode(product, "VV", grid, Elevation(model), options)
    distances = displaced_px(10 ** (found.backscatter.values / 10), rows, columns)
    # Where the record of the conversion to ground range changes, the image itself has a seam of up
    # to half a pixel; a target painted across it is bent.
    times_s = annotation.ground_range.times_s
    seams = (times_s[1:] + times_s[:-1]) / 2 / annotation.azimuth_time_interval_s
    whole = np.abs(line.ravel()[:, None] - seams).min(axis=1) > 20
    assert whole.sum() >= 20
    assert distances[whole].max() < 0.02
    assert distances.max() < 0.2

    # In the image of others, who mix the records of the conversion to ground range.
    sarsen = pytest.importorskip("sarsen")
    on_grid = tmp_path / "on_grid.tif"
    write_geotiff(on_grid, read_terrain(Elevation(model), grid).heights_m[None], grid, tags={})
    theirs = sarsen.terrain_correction(
        sarsen.Sentinel1SarProduct(str(folder), measurement_group="IW/VV"),
        str(on_grid),
        output_urlpath=str(tmp_path / "sarsen.tif"),
    )
    # Their rows run from the south to the north.
    north_up = theirs.squeeze(drop=True).sortby("y", ascending=False)
    assert north_up.shape == grid.shape
    assert displaced_px(north_up.values, rows, columns).max() < 0.5


def displaced_px(power: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return how far the centres of targets are from their places, pixels."""
    errors = []
    for row, column in zip(rows.ravel(), columns.ravel(), strict=True):
        top, left = round(row) - REACH_PX, round(column) - REACH_PX
        here = np.s_[top : top + 2 * REACH_PX + 1, left : left + 2 * REACH_PX + 1]
        weights = power[here] - np.median(power[here])
        down, across = np.mgrid[here]
        total = weights.sum()
        errors.append(
            ((weights * down).sum() / total - row, (weights * across).sum() / total - column)
        )
    distances: np.ndarray = np.hypot(*np.array(errors).T)
    return distances
