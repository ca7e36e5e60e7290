"""8-bit grey images of both formats, and their coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.gray_png import write_gray
from ssl4sar.core.grid import Grid
from ssl4sar.core.image import decode_checked, image_grid, read_image, read_notes, write_image

UTM = Grid.at(500000.0, 7600000.0, 20.0, (40, 50), "EPSG:32622")
PIXELS = np.random.default_rng(0).integers(0, 256, UTM.shape, dtype=np.uint8)


@pytest.mark.parametrize(("grid", "name"), [(UTM, "a.tif"), (None, "a.png")])
def test_an_image_with_coordinates_is_a_geotiff_else_a_png(
    tmp_path: Path, grid: Grid | None, name: str
) -> None:
    path = write_image(tmp_path / "a.png", PIXELS, grid, {"Comment": "SYNTHETIC"})
    assert path == tmp_path / name
    image = read_image(path)
    assert np.array_equal(image.pixels, PIXELS)
    assert image.grid == image_grid(path) == grid
    assert read_notes(path)["Comment"] == "SYNTHETIC"
    assert np.array_equal(decode_checked(path.read_bytes(), path, lossless=True).pixels, PIXELS)
    again = write_image(tmp_path / "b.png", PIXELS, grid, {"Comment": "SYNTHETIC"})
    assert again.read_bytes() == path.read_bytes()


def test_a_png_is_what_it_always_was(tmp_path: Path) -> None:
    write_gray(tmp_path / "a.png", PIXELS)
    assert write_image(tmp_path / "b", PIXELS).read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("suffix", [".pgw", ".wld", ".PGW"])
def test_a_world_file_places_a_png(tmp_path: Path, suffix: str) -> None:
    path = write_image(tmp_path / "a.png", PIXELS)
    # A world file names the centre of the first pixel.
    path.with_suffix(suffix).write_text("20\n0\n0\n-20\n500010\n7599990\n")
    assert image_grid(path) == Grid(40, 50, UTM.transform)


@pytest.mark.parametrize(
    ("bands", "kind", "problem"),
    [(1, "float32", "1 band of float32"), (3, "uint8", "3 bands of uint8, not 8-bit grey")],
)
def test_a_grey_image_has_one_band_of_8_bits(
    tmp_path: Path, bands: int, kind: str, problem: str
) -> None:
    path = tmp_path / "a.tif"
    write_geotiff(path, np.ones((bands, 40, 50), kind), UTM, tags={})
    for read in (read_image, lambda path: decode_checked(path.read_bytes(), path)):
        with pytest.raises(UserError, match=f"a.tif: the image has {problem}"):
            read(path)


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tif", PIXELS, UTM)
    data = path.read_bytes()
    for content in (b"", b"no raster", data[: len(data) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.tif: the raster cannot be read") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        read_image(path)
