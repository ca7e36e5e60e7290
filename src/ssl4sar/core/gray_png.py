"""Eight-bit single-channel PNGs: strict reading, deterministic atomic writing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ssl4sar.core.atomic import atomic_file
from ssl4sar.core.errors import UserError

# CaFFe scenes reach 16 megapixels; Sentinel scenes of later stages a few hundred. Pillow's own
# limit warns at 89 megapixels and is meant for untrusted uploads.
MAX_PIXELS = 2_000_000_000


def read_gray(path: str | Path) -> NDArray[np.uint8]:
    """Read an 8-bit single-channel PNG.

    Args:
        path: file.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: missing, empty, truncated, not a PNG, RGB, palette or 16-bit.
    """
    path = Path(path)
    again = "replace the file by the original"
    try:
        if path.stat().st_size == 0:
            raise UserError(path, "the file is empty", again)
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(path, f"{image.width}x{image.height} px is too large", again)
            if image.mode != "L":
                raise UserError(
                    path,
                    f"the image has mode {image.mode}, not 8-bit grey",
                    "convert it to a single-channel 8-bit PNG",
                )
            return np.array(image)
    except FileNotFoundError as error:
        raise UserError(path, "the file does not exist", "check the folder and the name") from error
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(path, "the file is not a readable PNG", again) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(path, f"the PNG is damaged ({error})", again) from error


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
