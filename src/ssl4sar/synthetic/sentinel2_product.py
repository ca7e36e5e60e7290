"""SYNTHETIC Sentinel-2 Level-2A products: an image of the scene model in SAFE format.

What a reader of real products meets is in them: JPEG 2000 at 10, 20 and 60 m, quantification and
offset of the baseline, a manifest with a checksum of every file (S2-PDGS-TAS-DI-PSD, Sentinel-2
Products Specification Document, version 14.9, section 4). No pixel is an observation: names carry
the unit ``S2X``, and the metadata says so.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.atomic import write_bytes, write_text
from ssl4sar.core.grid import Grid
from ssl4sar.synthetic.optical import BANDS, GSD_M

NOTE: Final = "SYNTHETIC product of the ssl4sar scene model, not an observation"
BASELINE: Final = "05.09"
#: Reflectance of a number: (number + offset) / quantification, from baseline 04.00 on.
_OFFSET, _QUANTIFICATION = -1000, 10_000
_AIR_QUANTIFICATION: Final = 1000
_MAPS: Final = ("AOT", "WVP", "SCL")
#: A product of a real tile is 109.8 km wide; pixels of 60 m must fit the grid of 20 m.
_BLOCK: Final = 3
#: Bands of the instrument in the order of their numbers; the scene model has no B10.
_INSTRUMENT: Final = (*BANDS[:10], "B10", *BANDS[10:12])


def product_name(taken: datetime, tile: str) -> str:
    """Return the name of a product without ``.SAFE``."""
    time = f"{taken:%Y%m%dT%H%M%S}"
    return f"S2X_MSIL2A_{time}_N{BASELINE.replace('.', '')}_R000_T{tile}_{time}"


def write_optical_product(
    folder: Path, image: NDArray[np.float32], grid: Grid, taken: datetime, tile: str
) -> Path:
    """Write an image as a Level-2A product.

    Args:
        folder: where ``NAME.SAFE`` is made.
        image: (15, H, W) bands of :data:`ssl4sar.synthetic.optical.BANDS`: reflectance x 10000, AOT
            and WVP x 1000, SCL a code; NaN without data. H and W are multiples of 3.
        grid: of 20 m, north-up, with a CRS.
        taken: time of the image, UTC.
        tile: name of the tile, e.g. ``22WEB``.

    Returns:
        The folder ``NAME.SAFE``.

    Raises:
        ValueError: the image does not fit the grid, or the grid not pixels of 60 m.
    """
    if image.shape != (len(BANDS), *grid.shape) or grid.height % _BLOCK or grid.width % _BLOCK:
        raise ValueError(f"expected 15 bands of {grid.shape} in multiples of 3, got {image.shape}")
    name = product_name(taken, tile)
    product = folder / f"{name}.SAFE"
    granule = f"GRANULE/L2A_T{tile}_A000000_{taken:%Y%m%dT%H%M%S}"
    files = [_write_metadata(product, name, taken)]
    for band, plane in zip(BANDS, image, strict=True):
        for gsd_m in sorted({GSD_M[BANDS.index(band)], 20 if band in _MAPS else 60}):
            path = f"{granule}/IMG_DATA/R{gsd_m}m/T{tile}_{taken:%Y%m%dT%H%M%S}_"
            path += f"{_file_name(band)}_{gsd_m}m.jp2"
            write_bytes(product / path, _jpeg2000(_numbers(band, plane), grid, gsd_m))
            files.append(path)
    write_text(product / "manifest.safe", _manifest(product, files))
    return product


def _file_name(band: str) -> str:
    return f"B0{band[1]}" if band[0] == "B" and len(band) == 2 else band


def _numbers(band: str, plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the numbers of the product, still with fractions; NaN without data."""
    if band in _MAPS:
        return plane
    return np.clip(plane - _OFFSET, 1, np.iinfo(np.uint16).max - 1)


def _jpeg2000(plane: NDArray[np.float32], grid: Grid, gsd_m: int) -> bytes:
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    factor = gsd_m / grid.spacing
    if factor > 1:
        rows, columns = (side // _BLOCK for side in grid.shape)
        plane = plane.reshape(rows, _BLOCK, columns, _BLOCK).mean((1, 3))
    elif factor < 1:
        plane = plane.repeat(2, 0).repeat(2, 1)
    pixels = np.nan_to_num(np.rint(plane)).astype(np.uint16)
    with MemoryFile(ext=".jp2") as memory:
        with memory.open(
            driver="JP2OpenJPEG",
            width=pixels.shape[1],
            height=pixels.shape[0],
            count=1,
            dtype="uint16",
            crs=grid.crs,
            transform=Affine(*grid.resized(pixels.shape, factor).transform),
            QUALITY="100",
            REVERSIBLE="YES",
        ) as file:
            file.write(pixels, 1)
        return bytes(memory.read())


def _write_metadata(product: Path, name: str, taken: datetime) -> str:
    offsets = "".join(
        f'<BOA_ADD_OFFSET band_id="{number}">{_OFFSET}</BOA_ADD_OFFSET>'
        for number in range(len(_INSTRUMENT))
    )
    write_text(
        product / "MTD_MSIL2A.xml",
        f"""<?xml version="1.0" encoding="UTF-8"?>
<Level-2A_User_Product><!-- {NOTE} -->
<General_Info><Product_Info>
<PRODUCT_START_TIME>{taken:%Y-%m-%dT%H:%M:%S.000Z}</PRODUCT_START_TIME>
<PRODUCT_URI>{name}.SAFE</PRODUCT_URI><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
<PROCESSING_BASELINE>{BASELINE}</PROCESSING_BASELINE>
<Datatake><SPACECRAFT_NAME>SYNTHETIC</SPACECRAFT_NAME>
<DATATAKE_SENSING_START>{taken:%Y-%m-%dT%H:%M:%S.000Z}</DATATAKE_SENSING_START></Datatake>
</Product_Info><Product_Image_Characteristics>
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
<SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<QUANTIFICATION_VALUES_LIST>
<BOA_QUANTIFICATION_VALUE unit="none">{_QUANTIFICATION}</BOA_QUANTIFICATION_VALUE>
<AOT_QUANTIFICATION_VALUE unit="none">{_AIR_QUANTIFICATION}.0</AOT_QUANTIFICATION_VALUE>
<WVP_QUANTIFICATION_VALUE unit="cm">{_AIR_QUANTIFICATION}.0</WVP_QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST><BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></General_Info></Level-2A_User_Product>
""",
    )
    return "MTD_MSIL2A.xml"


def _manifest(product: Path, files: list[str]) -> str:
    objects = []
    for number, file in enumerate(files):
        content = (product / file).read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        objects.append(
            f'<dataObject ID="file{number}"><byteStream mimeType="application/octet-stream" '
            f'size="{len(content)}"><fileLocation locatorType="URL" href="./{file}"/>'
            f'<checksum checksumName="MD5">{digest}</checksum></byteStream></dataObject>'
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1">'
        f"<!-- {NOTE} --><dataObjectSection>{''.join(objects)}</dataObjectSection>"
        "</xfdu:XFDU>\n"
    )
