"""How backscatter is stored: hundredths of a decibel as 16-bit numbers, or 8 bits for networks.

So is how it was seen: angles in hundredths of a degree, and a mask of layover and shadow. Images
are cloud-optimised GeoTIFFs (OGC 21-026) with overviews. Steps of 0.01 dB are far below speckle and
take 12 bits per pixel, half of what 32-bit floats need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json
from ssl4sar.core.grid import Grid
from ssl4sar.core.raster import UnreadableRasterError, open_raster

#: Stored value of a pixel that was not measured.
NODATA: Final = -32768
#: Stored numbers per decibel, and per degree.
STEPS_PER_DB: Final = 100
#: Weaker pixels, and the zeros that noise subtraction leaves, are stored as this: Sentinel-1 does
#: not measure below -32 dB, and averages of decibels must not be ruled by single pixels.
LOWEST_DB: Final = -60.0
HIGHEST_DB: Final = 327.67
#: One JSON object with all that is known about the image.
_TAG: Final = "SSL4SAR"
_AGAIN: Final = "remove it and make it again"


class Coded(NamedTuple):
    """An image as it is stored.

    Attributes:
        image: (H, W) integers.
        clamped_px: pixels that were beyond the range of the code.
    """

    image: NDArray[Any]
    clamped_px: int


@dataclass(frozen=True)
class GrayMapping:
    """Linear mapping of decibels to 8 bits: 0 is no data, 1 to 255 the window.

    Attributes:
        low_db: what becomes 1, as all below it.
        high_db: what becomes 255, as all above it.
    """

    low_db: float = -25.0
    high_db: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an empty window.

        Raises:
            ValueError: the ends are not in order or not finite.
        """
        if not -np.inf < self.low_db < self.high_db < np.inf:
            raise ValueError(f"{self.low_db} to {self.high_db} dB are not a window")

    @property
    def step_db(self) -> float:
        """Decibels per grey value."""
        return (self.high_db - self.low_db) / 254

    def to_json(self) -> dict[str, Any]:
        """Return the parameters, for a record of the image."""
        return {**asdict(self), "step_db": self.step_db, "nodata": 0}

    def encode(self, db: NDArray[np.float32]) -> Coded:
        """Return (H, W) uint8 of (H, W) decibels; NaN becomes 0."""
        steps = np.rint((db - self.low_db) / self.step_db) + 1
        return _clamped(steps, 1, 255, 0, np.uint8)


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image as it was read back.

    Attributes:
        db: (H, W) float32, decibels; NaN where nothing was measured.
        grid: where it is.
        metadata: what was stored with it.
    """

    db: NDArray[np.float32]
    grid: Grid
    metadata: dict[str, Any]


@dataclass(frozen=True, eq=False)
class StoredGeometry:
    """How an image was seen, as it was read back.

    Attributes:
        incidence_deg: (H, W) float32, local incidence angle; NaN where a height is missing.
        layover_shadow: (H, W) uint8, 1 layover, 2 shadow, 3 both.
        grid: where it is.
        metadata: what was stored with it.
    """

    incidence_deg: NDArray[np.float32]
    layover_shadow: NDArray[np.uint8]
    grid: Grid
    metadata: dict[str, Any]


@dataclass(frozen=True)
class _Band:
    """What is stored of a band besides its numbers: a number times the scale is in the unit."""

    name: str
    unit: str | None
    scale: float


_STEP: Final = 1 / STEPS_PER_DB
#: Speckle is worth the default effort. Angles of 0.01 degrees take a third of that time and a tenth
#: more bytes with the least; codes of a mask have no average.
_IMAGE_OPTIONS: Final = {"overview_resampling": "average"}
_GEOMETRY_OPTIONS: Final = {"overview_resampling": "nearest", "level": "1"}
_GEOMETRY: Final = (
    _Band("local incidence angle", "degree", _STEP),
    _Band("1 layover, 2 shadow, 3 both", None, 1.0),
)


def to_db(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return decibels of linear power; -inf for 0, NaN stays NaN."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def encode(db: NDArray[np.float32]) -> Coded:
    """Return (H, W) int16 of (H, W) decibels, rounded to 0.01 dB; NaN becomes `NODATA`."""
    low, high = round(LOWEST_DB * STEPS_PER_DB), round(HIGHEST_DB * STEPS_PER_DB)
    return _clamped(np.rint(db * STEPS_PER_DB), low, high, NODATA, np.int16)


def decode(image: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return decibels of a stored image; NaN where nothing was measured."""
    db = image.astype(np.float32)
    db /= STEPS_PER_DB
    db[image == NODATA] = np.nan
    return db


def _clamped(
    steps: NDArray[Any], low: int, high: int, nodata: int, kind: type[np.integer[Any]]
) -> Coded:
    beyond = int(((steps < low) | (steps > high)).sum())
    known = np.clip(np.nan_to_num(steps, nan=low), low, high)
    return Coded(np.where(np.isnan(steps), nodata, known).astype(kind), beyond)


def write_backscatter(
    path: str | Path,
    db: NDArray[np.float32],
    grid: Grid,
    *,
    name: str,
    metadata: Mapping[str, Any],
) -> int:
    """Write an image as a cloud-optimised GeoTIFF, atomically; equal images give equal bytes.

    Args:
        path: file.
        db: (H, W) decibels; NaN where nothing was measured.
        grid: where it is, north up.
        name: what it shows, e.g. sigma0.
        metadata: JSON values, stored in the file.

    Returns:
        Pixels that were beyond the range of the code and were clamped; in the metadata, too.

    Raises:
        ValueError: the image is not that of the grid, the grid is not north up, or the metadata
            are not JSON.
        UserError: the disk is full or the folder cannot be written.
    """
    coded = encode(db)
    about = {"quantity": name, "lowest_db": LOWEST_DB, "clamped_px": coded.clamped_px}
    band = _Band(name, "dB", _STEP)
    _write(path, coded.image[None], grid, [band], {**metadata, **about}, _IMAGE_OPTIONS)
    return coded.clamped_px


def write_geometry(
    path: str | Path,
    incidence_deg: NDArray[np.float32],
    layover_shadow: NDArray[np.uint8],
    grid: Grid,
    *,
    metadata: Mapping[str, Any],
) -> None:
    """Write how an image was seen beside it, as :func:`write_backscatter` writes the image.

    Args:
        path: file.
        incidence_deg: (H, W) local incidence angle, rounded to 0.01; NaN where it is not known.
        layover_shadow: (H, W) 1 layover, 2 shadow, 3 both.
        grid: where it is, north up.
        metadata: JSON values, stored in the file.

    Raises:
        ValueError, UserError: as :func:`write_backscatter`.
    """
    angles = encode(incidence_deg).image
    image = np.stack([angles, layover_shadow.astype(np.int16)])
    _write(path, image, grid, _GEOMETRY, metadata, _GEOMETRY_OPTIONS)


def _write(
    path: str | Path,
    image: NDArray[np.int16],
    grid: Grid,
    bands: Sequence[_Band],
    metadata: Mapping[str, Any],
    options: Mapping[str, str],
) -> None:
    if image.shape[1:] != grid.shape or not grid.is_north_up:
        raise ValueError(f"expected an image of {grid.shape}, north up, got {image.shape[1:]}")
    text = json.dumps(dict(metadata), sort_keys=True, allow_nan=False)
    # Heavy, and needed by few: the rest of the package works without it.
    import rasterio.shutil
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    # In memory first: errors of the disk are then reported like those of any other file.
    with MemoryFile() as plain, MemoryFile(ext=".tif") as optimised:
        with plain.open(
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=len(bands),
            dtype="int16",
            nodata=NODATA,
            crs=grid.crs,
            transform=Affine(*grid.transform),
        ) as file:
            file.write(image)
            file.descriptions = tuple(band.name for band in bands)
            file.units = tuple(band.unit for band in bands)
            file.scales, file.offsets = tuple(band.scale for band in bands), (0.0,) * len(bands)
            file.update_tags(**{_TAG: text})
        with plain.open() as file:
            rasterio.shutil.copy(
                file,
                optimised.name,
                driver="COG",
                compress="zstd",
                predictor="yes",
                overview_predictor="yes",
                num_threads="1",
                **options,
            )
        write_bytes(path, optimised.read())


def read_backscatter(path: str | Path) -> StoredImage:
    """Read an image that :func:`write_backscatter` wrote.

    Raises:
        UserError: the file is missing, damaged, not of this form, or not north up.
    """
    image, grid, metadata = _read(path, [_STEP], "decibels in steps of 0.01")
    return StoredImage(decode(image[0]), grid, metadata)


def read_coded(path: str | Path, grid: Grid) -> NDArray[np.int16]:
    """Read an image as :func:`read_backscatter`, but as it is stored; see :func:`decode`.

    Args:
        path: file.
        grid: where the image must be.

    Raises:
        UserError: as :func:`read_backscatter`, or the image is on another grid.
    """
    image, found, _ = _read(path, [_STEP], "decibels in steps of 0.01")
    _require_grid(path, found, grid)
    coded: NDArray[np.int16] = image[0]
    return coded


def read_geometry(path: str | Path, grid: Grid | None = None) -> StoredGeometry:
    """Read a file that :func:`write_geometry` wrote.

    Args:
        path: file.
        grid: where it must be; None takes any.

    Raises:
        UserError: the file is missing, damaged, not of this form, not north up, or on another grid.
    """
    scales = [band.scale for band in _GEOMETRY]
    (angles, marks), found, metadata = _read(path, scales, "incidence angles and a mask")
    if grid is not None:
        _require_grid(path, found, grid)
    return StoredGeometry(decode(angles), marks.astype(np.uint8), found, metadata)


def _require_grid(path: str | Path, found: Grid, grid: Grid) -> None:
    fault = found.difference(grid, "the grid of its stack")
    if fault is not None:
        raise UserError(path, fault, "make the stack again")


def _read(
    path: str | Path, scales: Sequence[float], what: str
) -> tuple[NDArray[np.int16], Grid, dict[str, Any]]:
    form = (("int16",) * len(scales), NODATA, tuple(scales))
    try:
        with open_raster(path, "GTiff", whole=True) as file:
            if (file.dtypes, file.nodata, file.scales) != form:
                raise UserError(path, f"it does not hold {what}", _AGAIN)
            grid = Grid.of_raster(file)
            if grid is None or not grid.is_north_up:
                raise UserError(path, "it is not north up", _AGAIN)
            metadata = parse_json(file.tags().get(_TAG, "null"))
            image = file.read()
    except (UnreadableRasterError, ForeignTextError) as error:
        raise UserError(path, f"this is not a stored image ({error})", _AGAIN) from error
    if not isinstance(metadata, dict):
        raise UserError(path, f"its tag {_TAG} is missing", _AGAIN)
    return image, grid, metadata
