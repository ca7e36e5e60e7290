"""Fetching elevation tiles; sea is distinguished from a tile that is merely at another address.

The service has no tiles where there is only sea: its list of tiles decides, not an answer 404.

A fetched tile is ``NAME.tif`` with the record ``NAME.json``; a sea tile has the record only.

A few tiles of Armenia and Azerbaijan are not public and count as sea: no glacier ends there.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Final

from ssl4sar.acquire.elevation.raster import check_heights, read_tile_grid
from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.acquire.network.download import download
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.cached_file import cached_file, remove_cached
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import LONGEST_BYTES, ForeignTextError, read_bounded
from ssl4sar.core.progress import log
from ssl4sar.core.record import Record
from ssl4sar.core.retry import Patience

#: A line of the public list names a tile like this; other lines are not about tiles.
_LISTED: Final = re.compile(r"([NS]\d\d)_00_([EW]\d\d\d)_00")
PATIENT: Final = Patience()


class TileRecord(Record):
    """What is known of a tile.

    Attributes:
        tile: its name.
        sea: whether there is no file because there is only sea.
        url: address that was asked or would have been.
        evidence: why it is sea, or where the file comes from.
        bytes: size of the file; this and all that follows is None for sea.
        sha256: hash of the file.
        rows: rows per degree.
        columns: columns per degree.
        least_m: lowest height, metres; None for a tile of voids.
        greatest_m: greatest height.
        void_px: pixels without a height.
    """

    SCHEMA: ClassVar[str] = "ssl4sar.elevation-tile/1"
    NAME: ClassVar[str] = "record of a tile"
    FIX: ClassVar[str] = "remove it and fetch the tile again"

    tile: str
    sea: bool
    url: str
    evidence: str
    bytes: int | None = None
    sha256: str | None = None
    rows: int | None = None
    columns: int | None = None
    least_m: float | None = None
    greatest_m: float | None = None
    void_px: int | None = None


def fetch_tile_list(
    config: ElevationConfig, target: str | Path, patience: Patience = PATIENT
) -> frozenset[Tile]:
    """Fetch the list of all tiles.

    Args:
        config: with ``tile_list_url``.
        target: text file to write; it is there only if it is a list.
        patience: with the service.

    Returns:
        Tiles that the service has.

    Raises:
        UserError: the download fails, or the file is not a list of tiles.
    """
    url = config.tile_list_url
    return cached_file(
        target,
        url,
        lambda path: download(url, path, longest_bytes=LONGEST_BYTES, patience=patience),
        lambda path: read_tile_list(path, config),
    ).facts


def read_tile_list(path: str | Path, config: ElevationConfig) -> frozenset[Tile]:
    """Return the tiles of a list.

    Args:
        path: text file as the service publishes it, one tile per line.
        config: with ``known_tile``, without which this is not a list.

    Raises:
        UserError: the file is missing, or the known tile is not in it.
    """
    try:
        text = read_bounded(path).decode("utf-8", errors="replace")
    except (OSError, ForeignTextError) as error:
        raise UserError(path, f"cannot be read ({error})", "fetch it again") from error
    tiles = set()
    for latitude, longitude in _LISTED.findall(text):
        try:
            tiles.add(Tile.parse(f"{latitude}_{longitude}"))
        except ValueError:
            continue
    if config.known_tile not in {tile.name for tile in tiles}:
        raise UserError(
            path,
            f"this is not a list of tiles: {config.known_tile} is not in it, which is land",
            "correct elevation.tile_list_url, or elevation.known_tile for a service of a region",
        )
    return frozenset(tiles)


def fetch_tile(
    tile: Tile,
    config: ElevationConfig,
    folder: str | Path,
    listed: frozenset[Tile],
    patience: Patience = PATIENT,
) -> TileRecord:
    """Fetch a tile, or find out that it is sea; a tile that is there and whole is reused.

    Args:
        tile: the tile.
        config: addresses.
        folder: gets ``NAME.json`` and, unless it is sea, ``NAME.tif``.
        listed: tiles of the service as :func:`read_tile_list` returns them.
        patience: with the service.

    Returns:
        The record that was written.

    Raises:
        UserError: the download fails, the file is another tile, broken or implausible, or a tile
            that should be there is not.
    """
    folder = Path(folder)
    raster, url = folder / f"{tile.name}.tif", tile.url(config.tile_url)
    if tile in listed:
        record = _land(tile, url, raster, patience)
    else:
        evidence = "not in the list of tiles"
        log(f"elevation tile {tile.name}: sea ({evidence})")
        remove_cached(raster)
        record = TileRecord(tile=tile.name, sea=True, url=url, evidence=evidence)
    record.write(folder / f"{tile.name}.json")
    return record


def _land(tile: Tile, url: str, raster: Path, patience: Patience) -> TileRecord:
    got = cached_file(
        raster,
        url,
        lambda path: download(url, path, patience=patience),
        lambda path: (read_tile_grid(path, tile), check_heights(path)),
    )
    grid, heights = got.facts
    return TileRecord(
        tile=tile.name,
        sea=False,
        url=url,
        evidence=f"{'found' if got.is_reused else 'fetched'} and checked",
        bytes=got.bytes,
        sha256=got.sha256,
        rows=grid.height,
        columns=grid.width,
        **asdict(heights),
    )
