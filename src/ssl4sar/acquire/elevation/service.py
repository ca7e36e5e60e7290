"""Fetching elevation tiles; sea is distinguished from a tile that is merely at another address.

The service has no tiles where there is only sea. Its list of tiles decides; without a list, a tile
that is not there (HTTP 404) is sea only if the service has another tile that is known to be land.

A fetched tile is ``NAME.tif`` with the record ``NAME.json``; a sea tile has the record only.

A few tiles of Armenia and Azerbaijan are not public and count as sea: no glacier ends there.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Final

import requests

from ssl4sar.acquire.elevation.raster import check_heights, read_tile_grid
from ssl4sar.acquire.elevation.tiles import Tile
from ssl4sar.acquire.network.access import Access
from ssl4sar.acquire.network.download import download
from ssl4sar.acquire.network.exchange import (
    TRANSIENT_STATUS,
    failing_line,
    guarded_session,
    short_answer,
    transient_error,
)
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.cached_file import cached_file, remove_cached
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import LONGEST_BYTES, ForeignTextError, read_bounded
from ssl4sar.core.progress import tell
from ssl4sar.core.record import Record
from ssl4sar.core.retry import Patience, patiently

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
        UserError: no address is configured, the download fails, or the file is not a list of tiles.
    """
    if config.tile_list_url is None:
        raise UserError(
            "elevation.tile_list_url", "is null: there is no list to fetch", "give its address"
        )
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
    if known_tile(config) not in tiles:
        raise UserError(
            path,
            f"this is not a list of tiles: {config.known_tile} is not in it, which is land",
            "correct elevation.tile_list_url, or elevation.known_tile for a service of a region",
        )
    return frozenset(tiles)


def known_tile(config: ElevationConfig) -> Tile:
    """Return the tile that is known to be land.

    Raises:
        UserError: the configuration names none that exists.
    """
    try:
        return Tile.parse(config.known_tile)
    except ValueError as error:
        raise UserError(
            "elevation.known_tile", str(error), "give a tile that is on land, such as N78_E016"
        ) from error


def fetch_tile(
    tile: Tile,
    config: ElevationConfig,
    folder: str | Path,
    listed: frozenset[Tile] | None = None,
    patience: Patience = PATIENT,
) -> TileRecord:
    """Fetch a tile, or find out that it is sea; a tile that is there and whole is reused.

    Args:
        tile: the tile.
        config: addresses.
        folder: gets ``NAME.json`` and, unless it is sea, ``NAME.tif``.
        listed: tiles of the service as :func:`read_tile_list` returns them; None asks the service.
        patience: with the service.

    Returns:
        The record that was written.

    Raises:
        UserError: the download fails, the file is another tile, broken or implausible, or a tile
            that should be there is not.
    """
    folder = Path(folder)
    raster, url = folder / f"{tile.name}.tif", tile.url(config.tile_url)
    sea = _why_sea(tile, url, config, listed, patience)
    if sea is not None:
        tell(f"elevation tile {tile.name}: sea ({sea})")
        remove_cached(raster)
        record = TileRecord(tile=tile.name, sea=True, url=url, evidence=sea)
    else:
        record = _land(tile, url, raster, patience)
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


def _why_sea(
    tile: Tile,
    url: str,
    config: ElevationConfig,
    listed: frozenset[Tile] | None,
    patience: Patience,
) -> str | None:
    """Return why a tile is sea; None if the service has it."""
    if listed is not None:
        return None if tile in listed else "not in the list of tiles"
    if _exists(url, patience):
        return None
    known = known_tile(config).url(config.tile_url)
    if tile.name == config.known_tile or not _exists(known, patience):
        raise UserError(
            known,
            f"the service lacks {config.known_tile} too, which is land, so this says nothing "
            f"about {tile.name}",
            "correct elevation.tile_url, or elevation.known_tile for a service of a region",
        )
    return f"HTTP 404, while the service has {config.known_tile}"


def _exists(url: str, patience: Patience) -> bool:
    """Ask the service whether it has a file.

    Raises:
        UserError: it neither says yes nor no.
    """
    access = Access()

    def ask() -> bool:
        with (
            failing_line(url, "correct elevation.tile_url"),
            guarded_session(short_answer(patience.timeout_s), access.may_carry) as session,
            access.open(session, url, method="HEAD", timeout_s=patience.timeout_s) as answer,
        ):
            return _says_yes(answer, url)

    return patiently(
        ask,
        patience,
        "elevation tiles",
        subject=url,
        what="the question whether it exists",
        fix="check connection and elevation.tile_url, then rerun",
    )


def _says_yes(answer: requests.Response, url: str) -> bool:
    problem = f"the server answered {answer.status_code} {answer.reason}"
    if answer.status_code in TRANSIENT_STATUS:
        raise transient_error(answer, problem)
    if answer.status_code in {200, 404, 410}:
        return answer.status_code == 200
    raise UserError(url, problem, "check connection and elevation.tile_url, then rerun")
