"""Pictures and card of a stack: the same each time, with what matters in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_glacier import Stacked
from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.fetch_record import ProductManifest
from ssl4sar.report.coregistration import draw_coregistration, draw_quick_looks
from ssl4sar.report.dataset_card import CARD, PICTURE, card_text, write_dataset_card
from ssl4sar.report.elevation import draw_elevation, read_elevation
from ssl4sar.report.raw_scene import draw_raw_scene, read_raw_scene
from ssl4sar.sar.product import open_product
from ssl4sar.sar.terrain import read_terrain
from ssl4sar.sar.window import needed_window
from ssl4sar.stack.coregistration import check_coregistration, track_median
from ssl4sar.stack.pairs import GlacierImages, build_pairs
from ssl4sar.stack.record import image_path

pytestmark = pytest.mark.slow


def test_pictures_of_a_stack(stacked: Stacked, tmp_path: Path) -> None:
    everywhere = np.ones(stacked.raw.grid.shape, bool)
    stack = check_coregistration(stacked.stack, stacked.record, everywhere)
    paths = [image_path(stacked.record, scene) for scene in stack.usable]
    median = track_median(paths, stack.pixels)
    for name in ("a.png", "b.png"):
        draw_coregistration(tmp_path / name, stack, median, everywhere)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_quick_looks(tmp_path / "looks.png", stack, stacked.record)
    with Image.open(tmp_path / "looks.png") as picture:
        gray = np.asarray(picture.convert("L"))
    # Three scenes in a row of six: the right half is empty.
    assert gray[60:200, : gray.shape[1] // 2].std() > 20
    assert (gray[60:, gray.shape[1] // 2 + 20 :] == 255).all()


def test_a_raw_scene_shows_where_the_grid_is(stacked: Stacked, tmp_path: Path) -> None:
    raw = stacked.raw
    product = open_product(raw.scenes[0].path)
    view = read_raw_scene(product, "HH", raw.grid, raw.elevation)
    about = view.annotation
    assert view.columns <= about.pixels
    assert np.isfinite(view.amplitude_db).mean() > 0.9
    # The part of the scene that the geocoding reads, by the heights of the whole grid.
    rows, columns = needed_window(
        about, raw.grid, read_terrain(raw.elevation, raw.grid).range_m, product.name
    )
    line, pixel = view.outline
    assert rows.start <= line.min() < line.max() <= rows.stop
    assert columns.start <= pixel.min() < pixel.max() <= columns.stop
    side_m = raw.grid.spacing * raw.grid.width
    reach_m = (line.max() - line.min()) * about.azimuth_pixel_spacing_m
    assert side_m < reach_m < 1.5 * side_m
    # A closed line whose north is seen last: the satellite flies north.
    np.testing.assert_allclose(view.outline[:, :, -1], np.roll(view.outline[:, :, 0], -1, 1))
    north, _, south, _ = line
    assert north.min() > south.max()

    manifest = tmp_path / f"{product.name}.manifest.json"
    gone = ProductManifest(name=product.name, status="missing", path=None, files={})
    gone.write(manifest)
    draw_raw_scene(tmp_path / "gone.png", manifest, stacked.stack, raw.elevation)
    (tmp_path / product.name).mkdir()
    (tmp_path / product.name / product.path.name).symlink_to(product.path)
    gone.model_copy(update={"status": "fetched", "path": product.path.name}).write(manifest)
    draw_raw_scene(tmp_path / "drawn.png", manifest, stacked.stack, raw.elevation)
    sizes = {path.stem: Image.open(path).size[1] for path in tmp_path.glob("*.png")}
    assert sizes["gone"] < 300 < sizes["drawn"]


def test_heights_of_the_scene_model_are_drawn_like_others(stacked: Stacked, tmp_path: Path) -> None:
    path = stacked.raw.elevation.path
    view = read_elevation(path, 200)
    assert view.synthetic
    assert not view.flags.any()
    heights_m = read_terrain(stacked.raw.elevation, stacked.raw.grid).heights_m
    assert np.nanmin(view.heights_m) == pytest.approx(heights_m.min(), abs=5)
    assert np.nanmax(view.heights_m) > 0.8 * heights_m.max()
    west, south, east, north = view.west, view.south, view.east, view.north
    area = MultiPolygon([box(west + 0.02, south + 0.01, east - 0.02, north - 0.01)])
    draw_elevation(tmp_path / "a.png", path, Glacier("A", "SYNTHETIC", "nowhere", area, 32622))
    assert (tmp_path / "a.png").is_file()


def test_a_card_counts_and_says_synthetic(stacked: Stacked, tmp_path: Path) -> None:
    images = GlacierImages(stacked.stack, stacked.record, stacked.raw.optical)
    manifest = build_pairs([images], tmp_path / "pairs")
    write_dataset_card(manifest)
    text = (tmp_path / "pairs" / CARD).read_text()
    assert text == card_text(manifest)
    assert "**SYNTHETIC**" in text
    assert "| Synthetic01 | 2 | 1 | 150 x 150 | 20 | EPSG:32622 | 2018-08-01 |" in text
    assert "2018-05-12 to 2018-07-12" in text
    assert (tmp_path / "pairs" / PICTURE).is_file()
    real = manifest.model_copy(update={"synthetic": False})
    assert "SYNTHETIC**" not in card_text(real)
    assert "Copernicus" in card_text(real)
