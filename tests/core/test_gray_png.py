from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssl4sar.core import gray_png
from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import (
    decode_gray,
    decode_lossless,
    read_gray,
    read_text,
    write_gray,
)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, h: int, w: int, seed: int) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    image = np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)
    write_gray(path, image)
    np.testing.assert_array_equal(read_gray(path), image)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("no picture")


def _truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    write_gray(path, noise)
    path.write_bytes(path.read_bytes()[:-900])


def _rgb(path: Path) -> None:
    Image.new("RGB", (4, 4)).save(path, format="PNG")


def _sixteen_bit(path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(path, format="PNG")


def _palette(path: Path) -> None:
    Image.new("P", (4, 4)).save(path, format="PNG")


def _jpeg(path: Path) -> None:
    Image.new("L", (4, 4)).save(path, format="JPEG")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_empty, "empty"),
        (_text, "not a readable PNG"),
        (_truncated, "damaged"),
        (_rgb, "mode RGB"),
        (_sixteen_bit, "mode I;16"),
        (_palette, "mode P"),
        (_jpeg, "not a readable PNG"),
        (lambda path: None, "does not exist"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, make: object, told: str) -> None:
    path = tmp_path / "scene.png"
    make(path)  # type: ignore[operator]
    with pytest.raises(UserError, match=told) as caught:
        read_gray(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
GREY = Image.fromarray(GREYS)


def _in_a_palette(alpha: int = 255) -> Image.Image:
    """The greys under other numbers, as a palette may order them."""
    picture = Image.fromarray(255 - GREYS)
    picture.putpalette([255 - number // 3 for number in range(768)])
    picture.info["transparency"] = bytes([alpha]) + b"\xff" * 255
    return picture


def _bytes_of(picture: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("picture", "mode"),
    [
        (GREY, None),
        (GREY.convert("LA"), "LA"),
        (GREY.convert("RGB"), "RGB"),
        (GREY.convert("RGBA"), "RGBA"),
        (_in_a_palette(), "P"),
    ],
)
def test_grey_in_another_mode_loses_nothing(picture: Image.Image, mode: str | None) -> None:
    image, converted_from = decode_lossless(_bytes_of(picture), "a.png")
    np.testing.assert_array_equal(image, GREYS)
    assert image.dtype == np.uint8
    assert converted_from == mode
    # What the loader of the original does gives the same.
    np.testing.assert_array_equal(image, np.array(picture.convert("RGBA").convert("L")))


def _coloured() -> Image.Image:
    picture = GREY.convert("RGB")
    picture.putpixel((3, 5), (9, 9, 8))
    return picture


def _transparent() -> Image.Image:
    picture = GREY.convert("RGBA")
    picture.putpixel((3, 5), (9, 9, 9, 254))
    return picture


def _png(width: int, height: int, bits: int, colour: int, pixels: bytes) -> bytes:
    """A file of these pixels, compressed, whatever its header claims."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


#: Grey of 16 bits in three channels, which Pillow cannot write: no filter; two pixels.
DEEP = _png(2, 1, 16, 2, zlib.compress(b"\0" + b"\x12\x34" * 6))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (_bytes_of(_coloured()), "mode RGB and colours"),
        (_bytes_of(_transparent()), "mode RGBA and transparent pixels"),
        (_bytes_of(_in_a_palette(alpha=254)), "mode P and transparent pixels"),
        (_bytes_of(GREY.convert("RGB"), transparency=(7, 7, 7)), "mode RGB and transparent"),
        (_bytes_of(Image.fromarray(GREYS.astype(np.uint16))), "mode I;16 with 16 bit"),
        # Two bytes of grey per channel: Pillow would keep the upper one alone.
        (DEEP, "mode RGB with 16 bit"),
        (b"", "empty"),
        (_bytes_of(GREY.convert("RGB"))[:-40], "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_lose_something_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(UserError, match=f"a.png: .*{told}"):
        decode_lossless(data, "a.png")


def test_text_entries_come_back(tmp_path: Path) -> None:
    write_gray(tmp_path / "a.png", np.zeros((2, 3), np.uint8), {"Comment": "SYNTHETIC"})
    write_gray(tmp_path / "b.png", np.zeros((2, 3), np.uint8))
    assert read_text(tmp_path / "a.png") == {"Comment": "SYNTHETIC"}
    assert read_text(tmp_path / "b.png") == {}


#: Reads a file within a limit of memory beyond what the imports take; prints size or error.
WITHIN_MEMORY = """
import resource, sys
from pathlib import Path
from ssl4sar.core import gray_png
from ssl4sar.core.errors import UserError
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(gray_png.decode_lossless(data, "a.png").pixels.shape)
except UserError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def _read_apart(path: Path) -> tuple[str, float]:
    """Return what reading a file printed, and the memory that it took, MB."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHIN_MEMORY, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    told, memory_mb = done.stdout.splitlines()
    return told, float(memory_mb)


@pytest.mark.slow
def test_a_zone_map_of_400_megapixels_is_read_within_the_stated_memory(tmp_path: Path) -> None:
    write_gray(tmp_path / "a.png", np.full((20_000, 20_000), 127, np.uint8))
    told, memory_mb = _read_apart(tmp_path / "a.png")
    assert told == "(20000, 20000)"
    assert memory_mb < 2 * 400 + 100
    assert read_text(tmp_path / "a.png") == {}


@pytest.mark.slow
def test_a_large_image_in_colours_is_read_within_the_stated_memory(tmp_path: Path) -> None:
    Image.new("RGB", (13_000, 13_000), (9, 9, 9)).save(tmp_path / "a.png", compress_level=1)
    told, memory_mb = _read_apart(tmp_path / "a.png")
    assert told == "(13000, 13000)"
    assert memory_mb < 5 * 169 + 150


@pytest.mark.parametrize(
    ("width", "height", "colour", "told"),
    [
        (50_000, 50_000, 0, "50000x50000 px are more than the 2,000,000,000 that are read"),
        (2**31 - 1, 2**31 - 1, 0, "are more than the 2,000,000,000"),
        (40_000, 40_000, 0, "it claims 40000x40000 px, which its 67 bytes cannot hold"),
        (30_000, 30_000, 2, "cannot hold"),
        (0, 5, 0, "damaged"),
    ],
)
def test_a_header_is_not_believed(width: int, height: int, colour: int, told: str) -> None:
    data = _png(width, height, 8, colour, zlib.compress(b"")[:2] + bytes(8))
    tracemalloc.start()
    for decode in (decode_gray, decode_lossless):
        with pytest.raises(UserError, match=told):
            decode(data, "a.png")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_an_image_in_colours_has_a_limit_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _bytes_of(GREY.convert("RGB"))
    monkeypatch.setattr(gray_png, "MAX_COLOUR_PIXELS", GREYS.size - 1)
    with pytest.raises(UserError, match=r"px of mode RGB are more than the .* that are read"):
        decode_lossless(data, "a.png")


def test_strips_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gray_png, "_STRIP_PX", 2 * GREYS.shape[1])
    for mode in ("L", "LA", "RGB", "RGBA"):
        found = decode_lossless(_bytes_of(GREY.convert(mode)), "a.png")
        np.testing.assert_array_equal(found.pixels, GREYS)
    with pytest.raises(UserError, match="colours"):
        decode_lossless(_bytes_of(_coloured()), "a.png")
    with pytest.raises(UserError, match="transparent"):
        decode_lossless(_bytes_of(_transparent()), "a.png")
