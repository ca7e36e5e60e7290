"""Fetching elevation tiles, and telling sea from a tile that is merely not where it was looked for.

The service has no tiles where there is only sea. Its list of tiles decides; without a list, a tile
that is not there (HTTP 404) is sea only if the service has another tile that is known to be land.

A fetched tile is ``NAME.tif`` with the record ``NAME.json``; a sea tile has the record only. A job
that is run again loses the record before it begins, so ``NAME.source.json`` keeps where the tile
came from.

A few tiles of Armenia and Azerbaijan are not public and count as sea: no glacier ends there.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

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
from ssl4sar.core.atomic import write_json
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import LONGEST_BYTES, ForeignTextError, read_bounded, read_json
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import tell
from ssl4sar.core.retry import Patience, patiently

TILE_SCHEMA: Final = "ssl4sar.elevation-tile/1"
#: A line of the public list names a tile like this; other lines are not about tiles.
_LISTED: Final = re.compile(r"([NS]\d\d)_00_([EW]\d\d\d)_00")


PATIENT: Final = Patience()


@dataclass(frozen=True, kw_only=True)
class TileRecord:
    """What is known of a tile.

    Attributes:
        tile: its name.
        sea: whether there is no file because there is only sea.
        url: address that was asked or would have been.
        evidence: why it is sea, or where the file comes from.
        bytes: size of the file; None for sea.
        sha256: hash of the file; None for sea.
        rows: rows per degree; None for sea.
        columns: columns per degree; None for sea.
        least_m: lowest height, metres; None for sea or a tile of voids.
        greatest_m: greatest height.
        void_px: pixels without a height.
    """

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

    def write(self, path: str | Path) -> None:
        """Write it as JSON, atomically."""
        write_json(path, {"schema": TILE_SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a record.

        Raises:
            UserError: the file is missing or no record of a tile.
        """
        try:
            values: Any = read_json(path)
            return cls(**_without_schema(values))
        except FileNotFoundError as error:
            raise UserError(path, "the tile is not there", "fetch it first") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                path, f"this is no record of a tile ({error})", "remove it and fetch the tile again"
            ) from error


def _without_schema(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("schema") != TILE_SCHEMA:
        raise ValueError(f"its schema is not {TILE_SCHEMA}")
    return {key: value for key, value in values.items() if key != "schema"}


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
        UserError: no address is configured, the download fails, or the file is no list of tiles.
    """
    if config.tile_list_url is None:
        raise UserError(
            "elevation.tile_list_url", "is null: there is no list to fetch", "give its address"
        )
    target = Path(target)
    fetched = target.with_name(f"{target.name}.fetched")
    download(config.tile_list_url, fetched, longest_bytes=LONGEST_BYTES, **asdict(patience))
    try:
        tiles = read_tile_list(fetched, config)
    except UserError as error:
        fetched.unlink()
        raise UserError(config.tile_list_url, error.problem, error.fix) from error
    fetched.replace(target)
    return tiles


def read_tile_list(path: str | Path, config: ElevationConfig) -> frozenset[Tile]:
    """Return the tiles of a list.

    Args:
        path: text file as the service publishes it, one tile per line.
        config: with ``known_tile``, without which this is no list.

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
            f"this is no list of tiles: {config.known_tile} is not in it, which is land",
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
    """Fetch a tile, or find out that it is sea; what is there and whole is not fetched again.

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
    raster, record_path = folder / f"{tile.name}.tif", folder / f"{tile.name}.json"
    earlier = _earlier(raster, record_path, tile, config, listed)
    if earlier is not None:
        return earlier
    url = tile.url(config.tile_url)
    sea = _why_sea(tile, url, config, listed, patience)
    if sea is not None:
        tell(f"elevation tile {tile.name}: sea ({sea})")
        raster.unlink(missing_ok=True)
        _origin_path(raster).unlink(missing_ok=True)
        record = TileRecord(tile=tile.name, sea=True, url=url, evidence=sea)
    else:
        record = _found_land(tile, url, raster, record_path) or _fetch_land(
            tile, url, raster, patience
        )
    record.write(record_path)
    return record


def _earlier(
    raster: Path,
    record_path: Path,
    tile: Tile,
    config: ElevationConfig,
    listed: frozenset[Tile] | None,
) -> TileRecord | None:
    """Return the record of an earlier fetch that still holds."""
    try:
        record = TileRecord.read(record_path)
    except UserError:
        return None
    if record.tile != tile.name or record.url != tile.url(config.tile_url):
        return None
    if listed is not None and record.sea != (tile not in listed):
        return None
    if record.sea:
        return None if raster.exists() else record
    if not raster.is_file() or sha256_file(raster) != record.sha256:
        return None
    return record


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
            f"the service lacks {config.known_tile} too, which is land, so this tells nothing "
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


def _found_land(tile: Tile, url: str, raster: Path, record_path: Path) -> TileRecord | None:
    """Return a record of a tile whose record is lost, as of a job that is run again."""
    if record_path.exists() or not raster.is_file():
        return None
    if _origin(raster) != {"url": url, "sha256": sha256_file(raster)}:
        tell(f"elevation tile {tile.name}: it came from elsewhere or has changed: fetched again")
        return None
    try:
        return _described(tile, url, raster, "found and checked")
    except UserError as error:
        tell(f"{error}: fetched again")
        return None


def _fetch_land(tile: Tile, url: str, raster: Path, patience: Patience) -> TileRecord:
    # It gets its name when it is checked: a wrong file must never pass for a tile.
    fetched = raster.with_name(f"{tile.name}.fetched.tif")
    download(url, fetched, **asdict(patience))
    try:
        record = _described(tile, url, fetched, "fetched and checked")
    except UserError as error:
        fetched.unlink()
        raise UserError(f"{tile.name} ({url})", error.problem, error.fix) from error
    fetched.replace(raster)
    write_json(_origin_path(raster), {"url": url, "sha256": record.sha256})
    return record


def _origin_path(raster: Path) -> Path:
    return raster.with_suffix(".source.json")


def _origin(raster: Path) -> dict[str, Any] | None:
    """Return address and hash of a tile that was fetched; None where they are not known."""
    try:
        values = read_json(_origin_path(raster))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _described(tile: Tile, url: str, raster: Path, evidence: str) -> TileRecord:
    grid, heights = read_tile_grid(raster, tile), check_heights(raster)
    return TileRecord(
        tile=tile.name,
        sea=False,
        url=url,
        evidence=evidence,
        bytes=raster.stat().st_size,
        sha256=sha256_file(raster),
        rows=grid.rows,
        columns=grid.columns,
        least_m=heights.least_m,
        greatest_m=heights.greatest_m,
        void_px=heights.void_px,
    )
