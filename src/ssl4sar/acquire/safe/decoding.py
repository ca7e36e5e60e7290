"""Whether a file can be decoded whole: the check that is left where no checksum is known."""

from __future__ import annotations

import xml.parsers.expat as expat
from pathlib import Path
from typing import Final, Literal

from ssl4sar.core.foreign import ForeignTextError, read_json
from ssl4sar.core.raster import UnreadableRasterError, open_raster

Kind = Literal["GTiff", "JP2OpenJPEG", "XML", "JSON"]
_KINDS: Final[dict[str, Kind]] = {
    ".tif": "GTiff",
    ".tiff": "GTiff",
    ".jp2": "JP2OpenJPEG",
    ".xml": "XML",
    ".safe": "XML",
    ".json": "JSON",
    ".geojson": "JSON",
}


def decoding_problem(path: str | Path) -> str | None:
    """Return why a file cannot be decoded whole, in one line; None where it can be.

    Rasters (GeoTIFF, JPEG 2000) are read block by block, all bands; XML and JSON are parsed. What a
    file should be is known by its ending. A file of another kind cannot be assessed, which is a
    problem, too. A few changed bytes of a raster are often not found: they decode to other pixels.
    """
    path = Path(path)
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        return "there is no checksum of it, and it is not a GeoTIFF, JPEG 2000, XML or JSON"
    if kind == "XML":
        return _xml_problem(path)
    if kind == "JSON":
        return _json_problem(path)
    return _raster_problem(path, kind)


def _xml_problem(path: Path) -> str | None:
    # Reads no other file, and refuses entities that grow without end.
    parser = expat.ParserCreate()
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        return f"it is not complete XML ({error})"
    return None


def _json_problem(path: Path) -> str | None:
    try:
        read_json(path)
    except ForeignTextError as error:
        return f"it is not complete JSON ({error})"
    return None


def _raster_problem(path: Path, driver: str) -> str | None:
    try:
        with open_raster(path, driver, whole=True) as raster:
            for band in raster.indexes:
                for _, window in raster.block_windows(band):
                    raster.read(band, window=window)
    except UnreadableRasterError as error:
        return f"the image cannot be decoded ({error})"
    return None
