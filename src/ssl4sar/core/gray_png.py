"""Eight-bit single-channel PNGs: strict reading, deterministic atomic writing."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_bounded

#: CaFFe scenes reach 16 megapixels, whole Sentinel scenes a few hundred. Decoding takes two bytes
#: of memory per pixel besides the file, so 4 GB at most. Pillow's own limit of 179 megapixels is
#: meant for uploads to web services, and would call such a scene damaged.
MAX_PIXELS: Final = 2_000_000_000
#: No image file that is read whole is longer.
LONGEST_FILE_BYTES: Final = 2_500_000_000
#: Of images in colour, which take five bytes per pixel: 2 GB at most.
MAX_COLOUR_PIXELS: Final = 400_000_000
#: Deflate makes nothing smaller than by this.
_MOST_RATIO: Final = 1032
_HARMLESS_BYTES: Final = 10_000_000
#: Pixels that are converted at one time.
_STRIP_PX: Final = 4_000_000
_AGAIN: Final = "replace the file by the original"
_CONVERT: Final = "convert it to a single-channel 8-bit PNG"
#: Modes that can hold 8-bit grey in another form.
_GRAY_ALIKE: Final = frozenset({"RGB", "RGBA", "LA", "P"})
#: Place of the bit depth in a PNG file: behind signature, chunk header, width and height.
_BIT_DEPTH: Final = 24
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: What Pillow meets in damaged files.
_DAMAGE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError)


class GrayImage(NamedTuple):
    """A grey image and how its file held it.

    Attributes:
        pixels: (H, W) uint8.
        converted_from: mode of the file, e.g. RGB; None where it is 8-bit grey itself.
    """

    pixels: NDArray[np.uint8]
    converted_from: str | None


def read_gray(path: str | Path) -> NDArray[np.uint8]:
    """Read an 8-bit single-channel PNG.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: missing, empty, truncated, not a PNG, RGB, palette or 16-bit.
    """
    path = Path(path)
    try:
        data = read_bounded(path, MAX_PIXELS)
    except FileNotFoundError as error:
        raise UserError(path, "the file does not exist", "check the folder and the name") from error
    except OSError as error:
        raise UserError(path, f"the file cannot be read ({error.strerror})", _AGAIN) from error
    except ForeignTextError as error:
        raise UserError(path, f"this is not a PNG: {error}", _AGAIN) from error
    return decode_gray(data, path)


def decode_gray(data: bytes, source: str | Path) -> NDArray[np.uint8]:
    """Decode the content of an 8-bit single-channel PNG file.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: empty, truncated, not a PNG, RGB, palette or 16-bit.
    """
    with _opened(data, source) as image:
        if image.mode != "L":
            raise UserError(source, f"the image has mode {image.mode}, not 8-bit grey", _CONVERT)
        return _gray_pixels(image)


def decode_lossless(data: bytes, source: str | Path) -> GrayImage:
    """Decode a PNG file that holds 8-bit grey, also as colours without colour.

    Colours (direct, or in a palette) must be grey and opaque at every pixel; then taking one
    channel is what any conversion to grey gives.

    Raises:
        UserError: empty, truncated, not a PNG, more than 8 bits, coloured or transparent.
    """
    with _opened(data, source) as image:
        mode = image.mode
        if mode == "L":
            return GrayImage(_gray_pixels(image), None)
        # Pillow drops the lower byte of colours without a word.
        if mode not in _GRAY_ALIKE or data[_BIT_DEPTH] > 8:
            problem = f"the image has mode {mode} with {data[_BIT_DEPTH]} bit, not 8-bit grey"
            raise UserError(source, problem, _CONVERT)
        _require_size(image, MAX_COLOUR_PIXELS, source)
        pixels = np.empty((image.height, image.width), np.uint8)
        transparent = coloured = False
        for rows, strip in _strips(image):
            red, green, blue, alpha = np.moveaxis(np.asarray(strip.convert("RGBA")), -1, 0)
            transparent |= bool(alpha.min() < 255)
            coloured |= not (np.array_equal(red, green) and np.array_equal(red, blue))
            pixels[rows] = red
    if transparent:
        raise UserError(source, f"the image has mode {mode} and transparent pixels", _CONVERT)
    if coloured:
        raise UserError(source, f"the image has mode {mode} and colours, not 8-bit grey", _CONVERT)
    return GrayImage(pixels, mode)


def _gray_pixels(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.empty((image.height, image.width), np.uint8)
    for rows, strip in _strips(image):
        pixels[rows] = np.asarray(strip)
    return pixels


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield parts of an image: converted whole, it would be several times in memory."""
    step = max(_STRIP_PX // image.width, 1)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _require_size(image: Image.Image, most_px: int, source: str | Path) -> None:
    if image.width * image.height > most_px:
        kind = "" if image.mode == "L" else f" of mode {image.mode}"
        raise UserError(
            source,
            f"{image.width}x{image.height} px{kind} are more than the {most_px:,} that are read",
            "cut it into parts" if image.mode == "L" else f"cut it into parts, or {_CONVERT}",
        )


@contextmanager
def _opened(data: bytes, source: str | Path) -> Iterator[Image.Image]:
    """Open a PNG file; what is wrong with it, also while it is read, is the user's matter."""
    if not data:
        raise UserError(source, "the file is empty", _AGAIN)
    if not data.startswith(_SIGNATURE):
        raise UserError(source, "the file is not a readable PNG", _AGAIN)
    try:
        # Not by `Image.open`: its limit of pixels is one for the whole process.
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            _require_size(image, MAX_PIXELS, source)
            row_bytes = -(-image.width * data[_BIT_DEPTH] // 8)
            if image.height * row_bytes > _HARMLESS_BYTES + _MOST_RATIO * len(data):
                claimed = f"it claims {image.width}x{image.height} px"
                problem = f"{claimed}, which its {len(data):,} bytes cannot hold"
                raise UserError(source, problem, _AGAIN)
            yield image
    except _DAMAGE as error:
        raise UserError(source, f"the PNG is damaged ({error})", _AGAIN) from error


def png_damage(data: bytes) -> str | None:
    """Say what is wrong with the checksums of a PNG, or None: decoding forgives those of pixels."""
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            image.verify()
    except _DAMAGE as error:
        return str(error)
    return None


def read_text(path: str | Path) -> dict[str, str]:
    """Read the text entries of a PNG before its pixels, e.g. a note that it is synthetic.

    Returns:
        Texts by key; empty without any.

    Raises:
        UserError: missing or not a PNG.
    """
    try:
        with PngImagePlugin.PngImageFile(path) as image:
            entries = dict(image.info)
    except _DAMAGE as error:
        raise UserError(
            path, f"the PNG cannot be read ({error})", "replace the file by the original"
        ) from error
    return {str(key): value for key, value in entries.items() if isinstance(value, str)}


def write_gray(
    path: str | Path, image: NDArray[np.uint8], text: Mapping[str, str] | None = None
) -> None:
    """Write (H, W) uint8 as PNG, atomically; equal arrays and texts give equal bytes.

    Args:
        path: file.
        image: (H, W) uint8.
        text: PNG text entries, e.g. a note that the image is synthetic.

    Raises:
        ValueError: ``image`` is not (H, W) uint8.
        UserError: the disk is full or the folder cannot be written.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"expected (H, W) uint8, got {image.shape} {image.dtype}")
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    with atomic_file(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", pnginfo=info, compress_level=4)
