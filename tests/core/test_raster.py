from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from ssl4sar.acquire.elevation.raster import check_heights
from ssl4sar.acquire.safe.decoding import decoding_problem
from ssl4sar.core.errors import UserError
from ssl4sar.core.image import decode_checked
from ssl4sar.core.raster import UnreadableRasterError, open_raster
from ssl4sar.dataset.optical import optical_header


def tiff(
    path: Path,
    side_px: int,
    *,
    rows_per_strip: int | None = None,
    strips: tuple[list[int], list[int]] = ([0], [0]),
    compression: int = 1,
) -> Path:
    """Write a TIFF of 8-bit grey that is hardly more than its header.

    Args:
        path: file.
        side_px: height and width that it claims.
        rows_per_strip: that it claims; all by default.
        strips: offsets and sizes of its strips.
        compression: as in the tag; 8 is deflate.
    """
    offsets, sizes = strips
    count = len(offsets)
    end = 8 + 2 + 9 * 12 + 4
    entries = [
        (256, 4, 1, side_px),
        (257, 4, 1, side_px),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, count, offsets[0] if count == 1 else end),
        (277, 3, 1, 1),
        (278, 4, 1, rows_per_strip or side_px),
        (279, 4, count, sizes[0] if count == 1 else end + 4 * count),
    ]
    content = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    content += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    if count > 1:
        content += struct.pack(f"<{2 * count}I", *offsets, *sizes)
    path.write_bytes(content)
    return path


LIES = {
    "a million rows": {"side_px": 1_000_000},
    "a million rows, one strip": {"side_px": 1_000_000, "strips": ([8], [100]), "compression": 8},
    "a million strips": {"side_px": 1_000_000, "rows_per_strip": 1},
    "100,000 rows without data": {"side_px": 100_000},
    "30,000 rows without data": {"side_px": 30_000},
    "20,000 rows without data": {"side_px": 20_000},
    "200 rows without data": {"side_px": 200},
    "strips without data": {
        "side_px": 200,
        "rows_per_strip": 100,
        "strips": ([100, 0], [20, 0]),
        "compression": 8,
    },
    "a strip behind the end": {"side_px": 20, "strips": ([1000], [400])},
    "a strip over the end": {"side_px": 20, "strips": ([8], [400])},
    "60,000 rows in one strip": {"side_px": 60_000, "strips": ([8], [100]), "compression": 8},
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("name", ["red.tif", "measurement.tiff"])
def test_a_header_is_not_believed(tmp_path: Path, lie: str, name: str) -> None:
    path = tiff(tmp_path / name, **LIES[lie])
    start = time.monotonic()
    problem = decoding_problem(path)
    assert problem is not None
    assert problem.startswith("the image cannot be decoded (")
    with pytest.raises(UserError, match="not a complete raster"):
        check_heights(path)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("lie", [name for name in LIES if "200 rows" not in name])
def test_a_header_of_a_pair_is_not_believed(tmp_path: Path, lie: str) -> None:
    path = tiff(tmp_path / "a.tif", **LIES[lie])
    start = time.monotonic()
    if LIES[lie]["side_px"] > 20_000:
        with pytest.raises(UserError, match="claims"):
            optical_header(path)
        with pytest.raises(UserError, match="claims"):
            decode_checked(path.read_bytes(), path)
    assert time.monotonic() - start < 10


def test_an_image_that_is_read_at_once_fits_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", width=300, height=200, count=3, dtype="uint16"):
        pass
    with open_raster(path, "GTiff", most_bytes=360_000) as raster:
        assert raster.shape == (200, 300)
    with (
        pytest.raises(UnreadableRasterError, match="200 x 300 pixels in 3 bands take"),
        open_raster(path, "GTiff", most_bytes=359_999),
    ):
        pass


# The most that a compression can save is in one large block, the least in many small ones.
@pytest.mark.parametrize(("height", "block"), [(160, 1), (2000, 2000)])
@pytest.mark.parametrize(
    "compress", ["none", "deflate", "lzw", "zstd", "lzma", "packbits", "lerc", "jpeg"]
)
def test_constant_images_of_every_compression_are_whole(
    tmp_path: Path, compress: str, height: int, block: int
) -> None:
    path = tmp_path / "a.tif"
    kind = "uint8" if compress == "jpeg" else "uint16"
    options = {"driver": "GTiff", "width": 4000, "height": height, "count": 1, "dtype": kind}
    options |= {"blockysize": 16 if compress == "jpeg" and block == 1 else block}
    if compress != "none":
        options["compress"] = compress
    try:
        with rasterio.open(path, "w", **options) as raster:
            raster.write(np.full((1, height, 4000), 7, kind))
    except rasterio.errors.RasterioError as error:
        pytest.skip(f"GDAL cannot write it here: {error}")
    assert decoding_problem(path) is None


LAYOUTS = [
    {},
    {"tiled": True, "blockxsize": 128, "blockysize": 128},
    {"interleave": "band"},
    {"BIGTIFF": "YES", "ENDIANNESS": "BIG"},
    {"BIGTIFF": "YES", "tiled": True, "interleave": "band"},
    {"ENDIANNESS": "BIG"},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_every_layout_are_whole(tmp_path: Path, layout: dict[str, object]) -> None:
    path = tmp_path / "a.tif"
    options = {"driver": "GTiff", "width": 700, "height": 500, "count": 4, "dtype": "float32"}
    with rasterio.open(path, "w", **options, **layout) as raster:
        raster.write(np.random.default_rng(0).random((4, 500, 700), np.float32))
    assert decoding_problem(path) is None
    # The same with a block that was never written.
    with rasterio.open(path, "w", **options, **layout, SPARSE_OK="TRUE") as raster:
        raster.write(np.ones((4, 20, 700), np.float32), window=Window(0, 0, 700, 20))
    assert "blocks have no data" in (decoding_problem(path) or "")


@pytest.mark.parametrize("block", [512, 2048])
def test_a_constant_jpeg_2000_is_whole_and_its_header_is_not_believed(
    tmp_path: Path, block: int
) -> None:
    path = tmp_path / "a.jp2"
    options = {"driver": "JP2OpenJPEG", "width": 2048, "height": 2048, "count": 1}
    options |= {"dtype": "uint16", "blockxsize": block, "blockysize": block}
    options |= {"QUALITY": "100", "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", **options) as raster:
        raster.write(np.full((1, 2048, 2048), 7, "uint16"))
    assert decoding_problem(path) is None
    content = bytearray(path.read_bytes())
    size = content.index(b"\xff\x4f\xff\x51") + 8
    image = content.index(b"ihdr") + 4
    for side in (1_000_000, 100_000):
        # The size of the image in both of its headers, and that of the tiles.
        struct.pack_into(">II", content, image, side, side)
        struct.pack_into(">II", content, size, side, side)
        path.write_bytes(content)
        start = time.monotonic()
        assert "cannot be decoded" in (decoding_problem(path) or "")
        assert time.monotonic() - start < 10


def test_another_format_in_a_file_of_that_name_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.tif"
    with rasterio.open(secret, "w", driver="GTiff", width=3, height=2, count=1, dtype="uint8"):
        pass
    path = tmp_path / "tile.tif"
    path.write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(path) as raster:
        assert raster.driver == "VRT"
    with pytest.raises(UserError, match="not a complete raster"):
        check_heights(path)


@pytest.mark.slow
def test_real_images_are_whole(test_data: Path) -> None:
    paths = [path for path in test_data.rglob("*.tif*") if path.suffix in {".tif", ".tiff"}]
    assert len(paths) >= 4
    assert {path.name: decoding_problem(path) for path in paths} == {
        path.name: None for path in paths
    }
