from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssl4sar.acquire.safe.decoding import decoding_problem

RASTERS: dict[str, dict[str, Any]] = {
    "strips.tif": {"driver": "GTiff"},
    "tiles.tiff": {
        "driver": "GTiff",
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
    },
    "cloud.tif": {"driver": "COG", "compress": "deflate"},
    "band.jp2": {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"},
    "big.tif": {"driver": "GTiff", "BIGTIFF": "YES"},
}
TEXTS = {
    "item.json": b'{"id": [1, 2]}',
    "item.geojson": b"[]",
    "manifest.safe": b'<?xml version="1.0"?><a><b/></a>',
    "schema.XML": b"<a>text</a>",
    "product.xml": b"\xef\xbb\xbf<a/>",
}


def raster(path: Path, options: dict[str, Any]) -> Path:
    import rasterio

    values = np.random.default_rng(0).integers(0, 4000, (1, 200, 150)).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            path, "w", width=150, height=200, count=1, dtype="uint16", **options
        ) as file:
            file.write(values)
    return path


@pytest.mark.parametrize("name", RASTERS)
@pytest.mark.parametrize("cut", [0.01, 0.5, 0.999])
def test_a_raster_that_ends_too_early_is_reported(tmp_path: Path, name: str, cut: float) -> None:
    path = raster(tmp_path / name, RASTERS[name])
    assert decoding_problem(path) is None
    content = path.read_bytes()
    path.write_bytes(content[: int((1 - cut) * len(content))])
    problem = decoding_problem(path)
    assert problem is not None
    assert "\n" not in problem
    assert str(tmp_path) not in problem


def test_damaged_blocks_are_reported(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tiff", RASTERS["tiles.tiff"])
    content = bytearray(path.read_bytes())
    quarter = len(content) // 4
    content[quarter : 3 * quarter] = b"\xff" * (2 * quarter)
    path.write_bytes(content)
    assert "cannot be decoded" in (decoding_problem(path) or "")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_ends_too_early_is_reported(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(TEXTS[name])
    assert decoding_problem(path) is None
    path.write_bytes(TEXTS[name][:-1])
    assert "not complete" in (decoding_problem(path) or "")


@pytest.mark.parametrize("name", ["red.tif", "red.jp2", "red.xml", "red.json", "red.png", "red"])
@pytest.mark.parametrize("content", [b"", b"sign in", b"\x89PNG\r\n"])
def test_what_is_of_another_kind_is_reported(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert decoding_problem(tmp_path / name) is not None


def test_the_ending_tells_what_a_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "red.tif").write_bytes(b"<html/>")
    assert "cannot be decoded" in (decoding_problem(tmp_path / "red.tif") or "")
