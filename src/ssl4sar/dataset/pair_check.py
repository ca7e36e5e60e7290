"""Checking one image of a pretraining dataset: read once, every problem listed."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_bounded
from ssl4sar.core.gray_png import LONGEST_FILE_BYTES
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.image import decode_checked, image_grid
from ssl4sar.core.listing import FileRecord
from ssl4sar.core.pair_layout import BANDS, CHANNELS, RASTER_BANDS, PairTree
from ssl4sar.dataset.optical import Channels, OpticalHeader, optical_header, read_channels
from ssl4sar.dataset.problems import Problem, problem_of

#: Names of bands of Sentinel-2 products that are not among the first 15 of Level-2A.
_OTHER_BANDS: Final = ("B10", "TCI_R", "TCI_G", "TCI_B", "MSK_CLDPRB", "MSK_SNWPRB", "QA60")
_EXPORT: Final = f"export the bands {', '.join(BANDS)} in this order"


@dataclass(frozen=True)
class ImageFacts:
    """What one image says.

    Attributes:
        file: path below the root, POSIX.
        record: size and hash; None where the file cannot be read.
        shape: (rows, columns); None where the image cannot be read.
        grid: pixel grid; None without coordinates, and where the image cannot be read.
        bands: number of bands; None where the image cannot be read.
        valid_fraction: share of pixels with data in all channels, 0-1; None for SAR images and
            where the image cannot be read.
        problems: what is wrong with it.
        converted_from: mode of a file that is grey, but not stored so; None for all others.
    """

    file: str
    record: FileRecord | None
    shape: tuple[int, int] | None
    grid: Grid | None
    bands: int | None
    valid_fraction: float | None
    problems: tuple[Problem, ...]
    converted_from: str | None = None


def check_sar(tree: PairTree, path: Path) -> ImageFacts:
    """Read a Sentinel-1 image and list everything that is wrong with it."""
    file = tree.name(path)
    record = None
    try:
        data = read_bounded(path, LONGEST_FILE_BYTES)
        record = FileRecord(len(data), hashlib.sha256(data).hexdigest())
        image, converted_from = decode_checked(data, path, lossless=True)
        grid = image_grid(path)
    except (OSError, UserError, ForeignTextError) as error:
        return ImageFacts(file, record, None, None, None, None, (problem_of(file, error),))
    problems: tuple[Problem, ...] = ()
    if image.min() == image.max():
        problems = (
            Problem(
                "warning",
                file,
                f"all pixels have the same grey value {image[0, 0]}",
                "name it in ssl4sar.leave_out: there is nothing to learn from it",
            ),
        )
    shape = image.shape[0], image.shape[1]
    return ImageFacts(file, record, shape, grid, 1, None, problems, converted_from)


def check_optical(tree: PairTree, path: Path) -> ImageFacts:
    """Read an optical image and list everything that is wrong with it."""
    file = tree.name(path)
    record = None
    try:
        record = FileRecord(path.stat().st_size, sha256_file(path))
        header = optical_header(path)
        problems = list(_band_problems(file, header))
        valid_fraction = None
        if not problems:
            channels = read_channels(path)
            valid_fraction = float(channels.valid.mean())
            problems = list(_pixel_problems(file, channels))
    except (OSError, UserError) as error:
        return ImageFacts(file, record, None, None, None, None, (problem_of(file, error),))
    facts = header.shape, header.grid, header.bands
    return ImageFacts(file, record, *facts, valid_fraction, tuple(problems))


def _band_problems(file: str, header: OpticalHeader) -> Iterator[Problem]:
    """Say which bands lack, by name if the raster names its bands, else by number."""
    names = [_band_name(name) for name in header.names]
    known = set(BANDS) | set(_OTHER_BANDS)
    if header.bands < len(BANDS):
        named = sum(name in known for name in names) == header.bands
        lacking = [b for b in BANDS if b not in names] if named else BANDS[header.bands :]
        guess = "" if named else ", if the order is right"
        yield Problem(
            "error",
            file,
            f"the raster has {header.bands} of {len(BANDS)} bands: {_listed(lacking)}{guess}",
            _EXPORT,
        )
        return
    places = zip(range(1, len(BANDS) + 1), names, BANDS, strict=False)
    wrong = [(n, name, wanted) for n, name, wanted in places if name in known and name != wanted]
    if not wrong:
        return
    lacking = [wanted for _, _, wanted in wrong if wanted not in names]
    number, name, wanted = wrong[0]
    fault = f"{_listed(lacking)}, " if lacking else "the bands are in another order: "
    yield Problem("error", file, f"{fault}band {number} is {name}, not {wanted}", _EXPORT)


def _band_name(description: str) -> str:
    """Return a band's name as Level-2A writes it: B02 is B2."""
    name = description.strip().upper()
    return re.sub(r"^B0(\d)$", r"B\1", name)


def _listed(bands: Sequence[str]) -> str:
    return f"{', '.join(bands)} {'is' if len(bands) == 1 else 'are'} missing"


def _pixel_problems(file: str, channels: Channels) -> Iterator[Problem]:
    if not channels.known.any():
        yield Problem("error", file, "no pixel has data", "replace it by an image of the glacier")
        return
    bands_by_fault: dict[str, list[str]] = defaultdict(list)
    for number, channel in enumerate(CHANNELS):
        fault = _fault(channels.values[number][channels.known[number]])
        if fault is not None:
            bands_by_fault[fault].append(f"band {RASTER_BANDS[number]} ({channel})")
    for fault, bands in bands_by_fault.items():
        named = "every band" if len(bands) == len(CHANNELS) else ", ".join(bands)
        yield Problem("error", file, f"{named}: {fault}", "export the image again")
    if not bands_by_fault and not channels.valid.any():
        yield Problem(
            "error", file, "no pixel has data in all bands", "replace it by another image"
        )


def _fault(known: NDArray[Any]) -> str | None:
    """Return what is wrong with the values of a band where it has data."""
    if known.size == 0:
        return "no data"
    if not np.any(known):
        return "zero everywhere"
    return None if (known > 0).any() else "no value above 0"
