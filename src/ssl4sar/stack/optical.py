"""The optical image of a glacier: tiles of Sentinel-2 on the grid of its SAR images.

Level-2A products in SAFE format (S2-PDGS-TAS-DI-PSD, Sentinel-2 Products Specification Document,
version 14.9, section 4): JPEG 2000 at 10, 20 and 60 m, reflectance = (DN + offset) / quantification
from baseline 04.00 on, DN / quantification before. Bands and units are those of the pretraining
dataset: reflectance x 10000, AOT and WVP x 1000, SCL a code; NaN where there is no data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.fetch_record import unchanged_product
from ssl4sar.acquire.safe.package import SafePackage, open_package
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json, parse_xml
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.core.pair_layout import BANDS, CHANNELS
from ssl4sar.core.progress import track
from ssl4sar.core.raster import UnreadableRasterError, open_raster

if TYPE_CHECKING:
    import xarray as xr

#: What the values of the dataset are, over those of the product in their own units.
_SCALES: Final = {"AOT": 1000.0, "WVP": 1000.0, "SCL": 1.0}
_REFLECTANCE: Final = 10_000.0
_NODATA, _SATURATED = 0, 65_535
#: What a resampling reads around a grid, pixels of the coarser of the two.
_MARGIN_PX: Final = 3
#: Bands by their numbers in ``BOA_ADD_OFFSET``: those of the instrument, with B10.
_BAND_IDS: Final = dict(
    enumerate(("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"))
)
_IMAGE: Final = re.compile(r"granule/([^/]+)/img_data/r\d+m/\w+_(b\d[\da]|aot|wvp|scl)_(\d+)m\.jp2")
_METADATA: Final = "MTD_MSIL2A.xml"
_AGAIN: Final = "fetch the product again"
#: Below this share of the area an image is not a partner of its SAR images; below the second a note
#: says how much it covers.
_LEAST_COVERED, _WHOLE = 0.5, 0.99
_CHOOSE: Final = (
    "name it in acquisition.leave_out: the next of the inventory is used; for more of them raise "
    "optical.count or optical.max_cloud_percent and run the target refresh"
)
#: One JSON object with all that is known about the image.
_TAG: Final = "SSL4SAR"
_REMAKE: Final = "remove it and make it again"


@dataclass(frozen=True)
class OpticalProduct:
    """A Level-2A product.

    Attributes:
        name: of the product, without ``.SAFE``.
        day: of its datatake, UTC.
        baseline: processing baseline, e.g. 04.00.
        images: name for rasterio of the finest image of every band; AOT, which no pretraining
            reads, may be missing.
        offsets: what is added to the numbers of each band.
        quantification: what the numbers of each band are divided by.
    """

    name: str
    day: date
    baseline: str
    images: dict[str, str]
    offsets: dict[str, float]
    quantification: dict[str, float]


def open_optical(path: str | Path) -> OpticalProduct:
    """Open a Level-2A product.

    Args:
        path: folder ``NAME.SAFE`` or a zip of it.

    Raises:
        UserError: missing, of another level, of several tiles, or without one of the bands.
    """
    package = open_package(path, _METADATA, "give a Level-2A product of Sentinel-2")
    finest: dict[str, tuple[int, str]] = {}
    granules = set()
    for file in package.members:
        match = _IMAGE.fullmatch(file)
        if match is not None:
            granules.add(match[1])
            band = re.sub(r"^B0", "B", match[2].upper())
            found = (int(match[3]), file)
            finest[band] = min(found, finest.get(band, found))
    if len(granules) > 1:
        problem = f"it holds {len(granules)} tiles"
        raise UserError(package.path, problem, "give products of one tile each")
    missing = [band for band in CHANNELS if band not in finest]
    if missing:
        raise UserError(package.path, f"the bands {', '.join(missing)} are missing", _AGAIN)
    try:
        root = parse_xml(package.read(_METADATA.lower()))
        return _product(package, root, {band: file for band, (_, file) in finest.items()})
    except (KeyError, ValueError) as error:
        raise UserError(package.path, f"{_METADATA} is damaged ({error})", _AGAIN) from error


def open_fetched(manifest: str | Path) -> OpticalProduct:
    """Open a product that was fetched, once its files are those that its manifest lists.

    Raises:
        UserError: as :func:`open_optical`, or the product is missing, or a file has changed.
    """
    return open_optical(unchanged_product(manifest))


def _product(package: SafePackage, root: Element, images: dict[str, str]) -> OpticalProduct:
    def number(name: str) -> float:
        text = root.findtext(f".//{name}")
        if text is None:
            raise KeyError(f"{name} is missing")
        return float(text)

    start = root.findtext(".//DATATAKE_SENSING_START") or root.findtext(".//PRODUCT_START_TIME")
    baseline = root.findtext(".//PROCESSING_BASELINE")
    if start is None or baseline is None:
        raise KeyError("the time or the processing baseline is missing")
    added = {
        _BAND_IDS[int(each.get("band_id", ""))]: float(each.text or "")
        for each in root.iterfind(".//BOA_ADD_OFFSET")
    }
    # Its absence must not pass for an offset of 0: every reflectance would be off by 0.1.
    if float(baseline) >= 4.0 and not set(BANDS[:12]) <= set(added):
        raise KeyError(f"baseline {baseline} without BOA_ADD_OFFSET of every band")
    maps = {
        "AOT": number("AOT_QUANTIFICATION_VALUE"),
        "WVP": number("WVP_QUANTIFICATION_VALUE"),
        "SCL": 1.0,
    }
    boa = number("BOA_QUANTIFICATION_VALUE")
    if not all(0 < value < np.inf for value in (boa, *maps.values())):
        raise ValueError("a quantification value is not positive")
    if not np.isfinite(list(added.values())).all():
        raise ValueError("an offset is not a number")
    return OpticalProduct(
        name=package.name,
        day=datetime.fromisoformat(start).date(),
        baseline=baseline,
        images={band: package.raster_name(file) for band, file in images.items()},
        offsets={band: added.get(band, 0.0) for band in BANDS},
        quantification={band: maps.get(band, boa) for band in BANDS},
    )


def optical_image(products: Sequence[OpticalProduct], grid: Grid) -> xr.DataArray:
    """Return the bands of a glacier's optical image on its grid.

    Finer pixels are averaged, coarser ones interpolated (bilinear), classes taken from the nearest
    pixel. Where tiles overlap, an earlier product of the list is in front.

    Args:
        products: of one day, of whatever tile, UTM zone and baseline.
        grid: north-up, in metres.

    Returns:
        (15, H, W) float32 with coordinates ``band``, ``y`` and ``x``; see the top of this module
        for units. Attributes: ``products``, ``baselines``, ``crs``, ``day``, and ``note`` where
        tiles of several zones or baselines were combined or a part is not covered.

    Raises:
        UserError: the products are of several days, one cannot be read, or they cover less than
            half of the grid.
    """
    days = sorted({product.day for product in products})
    if len(days) != 1:
        raise UserError(
            " ".join(product.name for product in products),
            f"the tiles are of {len(days)} days",
            "combine tiles of one day",
        )
    image = np.full((len(BANDS), *grid.shape), np.nan, np.float32)
    zones: set[str] = set()
    steps = [(product, band) for product in products for band in BANDS if band in product.images]
    for product, band in track(steps, f"optical image of {days[0]}"):
        plane = image[BANDS.index(band)]
        values, zone = _on_grid(product, band, grid)
        np.copyto(plane, values, where=np.isnan(plane))
        zones.add(zone)
    names = [product.name for product in products]
    covered = _covered(image)
    if covered < _LEAST_COVERED:
        part = f"they cover only {covered:.1%} of the area" if covered else "none covers the area"
        raise UserError(", ".join(names), part, _CHOOSE)
    baselines = sorted({product.baseline for product in products})
    notes = [
        f"tiles of {len(found)} {what}: {', '.join(sorted(found))}"
        for found, what in ((zones, "UTM zones"), (set(baselines), "baselines"))
        if len(found) > 1
    ]
    if covered < _WHOLE:
        notes.append(f"{covered:.1%} of the area is covered")
    attrs = {
        "crs": grid.crs,
        "day": days[0].isoformat(),
        "products": names,
        "baselines": baselines,
        **({"note": "; ".join(notes)} if notes else {}),
    }
    return _labelled(image, grid, attrs)


def _covered(image: NDArray[np.float32]) -> float:
    """Return the share of pixels that have all bands of the pretraining."""
    bands = [BANDS.index(band) for band in CHANNELS]
    return float(np.isfinite(image[bands]).all(axis=0).mean())


def _on_grid(product: OpticalProduct, band: str, grid: Grid) -> tuple[NDArray[np.float32], str]:
    """Return one band on a grid in the units of the dataset, NaN without data, and its zone."""
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.warp import reproject

    values = np.full(grid.shape, np.nan, np.float32)
    try:
        with open_raster(product.images[band], "JP2OpenJPEG") as raster:
            source = Grid.of_raster(raster)
            if source is None or source.crs is None:
                raise UserError(product.images[band], "it has no coordinates", _AGAIN)
            part = _needed_part(source, grid)
            if part is None:
                return values, source.crs
            numbers = raster.read(1, window=part)
            # Before the warp, which would blend them with their neighbours.
            numbers[numbers == _SATURATED] = _NODATA
            how = Resampling.average if source.spacing < grid.spacing else Resampling.bilinear
            reproject(
                numbers,
                values,
                src_transform=Affine(*source.crop(*part).transform),
                src_crs=source.crs,
                src_nodata=_NODATA,
                dst_transform=Affine(*grid.transform),
                dst_crs=grid.crs,
                dst_nodata=np.nan,
                resampling=Resampling.nearest if band == "SCL" else how,
            )
    except UnreadableRasterError as error:
        raise UserError(product.images[band], f"it cannot be read ({error})", _AGAIN) from error
    scale = _SCALES.get(band, _REFLECTANCE) / product.quantification[band]
    return (values + np.float32(product.offsets[band])) * np.float32(scale), source.crs


def _needed_part(band: Grid, grid: Grid) -> tuple[slice, slice] | None:
    """Return the rows and columns of a band that a grid needs; None where they do not meet."""
    from rasterio.warp import transform_bounds

    left, bottom, right, top = transform_bounds(grid.crs, band.crs, *grid.bounds)
    if not np.isfinite((left, bottom, right, top)).all():
        return None
    margin = _MARGIN_PX * max(1.0, grid.spacing / band.spacing)
    first_row, first_column = (floor(n - margin) for n in (band.row(top), band.column(left)))
    last_row, last_column = (ceil(n + margin) for n in (band.row(bottom), band.column(right)))
    rows = slice(max(first_row, 0), min(last_row, band.height))
    columns = slice(max(first_column, 0), min(last_column, band.width))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def write_optical(path: str | Path, image: xr.DataArray, grid: Grid) -> None:
    """Write an optical image as GeoTIFF, atomically; :func:`read_optical` reads it."""
    facts = json.dumps(image.attrs, sort_keys=True)
    write_geotiff(path, image.values, grid, descriptions=BANDS, tags={_TAG: facts})


def read_optical(path: str | Path) -> xr.DataArray:
    """Read an optical image that :func:`write_optical` wrote.

    Raises:
        UserError: the file is missing, damaged, or not of this form.
    """
    try:
        with open_raster(path, "GTiff", whole=True) as file:
            grid, values = Grid.of_raster(file), file.read()
            attrs = parse_json(file.tags().get(_TAG, "null"))
    except (UnreadableRasterError, ForeignTextError) as error:
        raise UserError(path, f"it is not an optical image ({error})", _REMAKE) from error
    if grid is None or not isinstance(attrs, dict) or len(values) != len(BANDS):
        raise UserError(path, "it is not an optical image of a stack", _REMAKE)
    return _labelled(values, grid, attrs)


def _labelled(values: NDArray[np.float32], grid: Grid, attrs: dict[str, Any]) -> xr.DataArray:
    import xarray as xr

    return xr.DataArray(
        values,
        dims=("band", "y", "x"),
        coords={"band": list(BANDS), "y": grid.y()[:, 0], "x": grid.x()[0]},
        name="reflectance",
        attrs=attrs,
    )


def optical_grid(image: xr.DataArray) -> Grid:
    """Return where the pixels of an optical image are, from its coordinates."""
    bounds = []
    for axis in ("x", "y"):
        first, last = (float(image[axis][index]) for index in (0, -1))
        half = (last - first) / (image.sizes[axis] - 1) / 2
        bounds.append((first - half, last + half))
    (left, right), (top, bottom) = bounds
    shape = image.sizes["y"], image.sizes["x"]
    return Grid.of_bounds((left, bottom, right, top), shape, image.attrs["crs"])


def optical_facts(image: xr.DataArray) -> dict[str, Any]:
    """Return what a manifest says about the making of an optical image, as plain values."""
    return {
        **{key: image.attrs[key] for key in ("products", "baselines", "day")},
        "note": image.attrs.get("note"),
        "covered_percent": round(100 * _covered(image.values), 3),
        "units": "reflectance x 10000, AOT and WVP x 1000, SCL a code",
    }
