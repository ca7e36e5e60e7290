"""The elevation model of a glacier: tiles of GLO-30 in one grid, with flags and a stated datum."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.acquire.areas import Glacier
from ssl4sar.acquire.elevation.geoid import TILES_GEOID, GeoidGrid, read_geoid, warn_of_other_geoid
from ssl4sar.acquire.elevation.mosaic import (
    ROWS_AT_ONCE,
    Source,
    assemble,
    centres,
    choose_grid,
    per_degree,
    read_sources,
)
from ssl4sar.acquire.elevation.tiles import bounds_of_area, tiles_of_bounds
from ssl4sar.acquire.elevation.voids import FILLED, MEASURED, SEA, VOID, VoidCount, fill_voids
from ssl4sar.config.services import ElevationConfig
from ssl4sar.core.atomic import write_json
from ssl4sar.core.geotiff import write_geotiff
from ssl4sar.core.grid import Grid
from ssl4sar.core.hashing import sha256_file
from ssl4sar.core.progress import log

ELEVATION_SCHEMA: Final = "ssl4sar.elevation/1"
FLAG_NAMES: Final = {
    MEASURED: "measured",
    SEA: "sea tile, geoid height 0",
    FILLED: "void filled",
    VOID: "void",
}
ELLIPSOIDAL: Final = "ellipsoidal"
ORTHOMETRIC: Final = "orthometric"
_ATTRIBUTION: Final = (
    "Copernicus DEM GLO-30, (c) DLR e.V. 2010-2014 and (c) Airbus Defence and Space GmbH "
    "2014-2018, provided under COPERNICUS by the European Union and ESA; all rights reserved"
)


def build_elevation(
    glacier: Glacier,
    tile_folder: str | Path,
    target: str | Path,
    config: ElevationConfig,
    geoid: str | Path | None = None,
) -> dict[str, Any]:
    """Build the elevation model of a glacier.

    Args:
        glacier: with its area.
        tile_folder: tiles and records as :func:`ssl4sar.acquire.elevation.service.fetch_tile`
            leaves them.
        target: GeoTIFF to write: band 1 heights in metres (float32, NaN where void), band 2 the
            flags 0 measured, 1 sea, 2 void filled, 3 void. Its record is beside it, ``.json``.
        config: margin, geoid and voids.
        geoid: geoid grid. With it heights refer to the ellipsoid; without it they stay above the
            geoid, as the tags say, and are not fit for the geometry of SAR.

    Returns:
        The record.

    Raises:
        UserError: a tile is missing or changed, grids do not fit, the area holds a pole or is too
            large, the geoid grid does not cover it, or the file cannot be written.
    """
    target = Path(target)
    bounds = bounds_of_area(glacier.area, config.margin_km, glacier.name)
    sources = read_sources(tiles_of_bounds(bounds), Path(tile_folder))
    grid = choose_grid(glacier.name, bounds, sources)
    undulations = None
    if geoid is not None:
        warn_of_other_geoid(config.geoid_model)
        undulations = read_geoid(geoid)
    heights_m, flags = assemble(grid, sources, glacier.name)
    voids = fill_voids(heights_m, flags, config.max_void_px)
    _report_voids(glacier.name, voids, config.max_void_px)
    if undulations is not None:
        _add_undulation(heights_m, grid, undulations)
    facts = _facts(glacier, grid, sources, config, geoid)
    _write(target, heights_m, flags, grid, facts)
    record = {
        **facts,
        "voids": asdict(voids),
        "flags_px": _flag_counts(flags),
        **_range_m(heights_m),
        "sha256": sha256_file(target),
    }
    write_json(target.with_suffix(".json"), record)
    return record


def _add_undulation(heights_m: NDArray[np.float32], grid: Grid, geoid: GeoidGrid) -> None:
    lon, lat = centres(grid)
    for start in range(0, len(lat), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        heights_m[rows] += geoid.undulation_m(lon[None, :], lat[rows, None]).astype(np.float32)


def _report_voids(name: str, voids: VoidCount, max_void_px: int) -> None:
    if voids.filled:
        log(f"elevation model of {name}: {voids.filled} voids filled, {voids.filled_px} pixels")
    if voids.left:
        log(
            f"elevation model of {name}: {voids.left} voids of {voids.left_px} pixels are left, "
            f"deeper than elevation.max_void_px {max_void_px}"
        )


def _flag_counts(flags: NDArray[np.uint8]) -> dict[str, int]:
    counts = Counter(dict(enumerate(np.bincount(flags.ravel(), minlength=4).tolist())))
    return {name: counts[flag] for flag, name in FLAG_NAMES.items()}


def _range_m(heights_m: NDArray[np.float32]) -> dict[str, float | None]:
    if np.isnan(heights_m).all():
        return {"least_m": None, "greatest_m": None}
    return {"least_m": float(np.nanmin(heights_m)), "greatest_m": float(np.nanmax(heights_m))}


def _facts(
    glacier: Glacier,
    grid: Grid,
    sources: Sequence[Source],
    config: ElevationConfig,
    geoid: str | Path | None,
) -> dict[str, Any]:
    ellipsoidal = geoid is not None
    rows, columns = per_degree(grid)
    return {
        "schema": ELEVATION_SCHEMA,
        "glacier": glacier.name,
        "heights": ELLIPSOIDAL if ellipsoidal else ORTHOMETRIC,
        "datum": "height above the ellipsoid WGS 84, metres"
        if ellipsoidal
        else f"height above the geoid {TILES_GEOID}, metres: no geoid grid was given, so it is not "
        "fit for the geometry of SAR",
        "geoid": None
        if geoid is None
        else {
            "model": config.geoid_model,
            "file": Path(geoid).name,
            "sha256": sha256_file(geoid),
        },
        "crs": grid.crs,
        "shape": list(grid.shape),
        "transform": list(grid.transform),
        "columns_per_degree": columns,
        "rows_per_degree": rows,
        "margin_km": config.margin_km,
        "max_void_px": config.max_void_px,
        "tiles": [
            {
                "tile": source.tile.name,
                "sea": source.record.sea,
                "sha256": source.record.sha256,
                "columns_per_degree": source.record.columns,
            }
            for source in sources
        ],
        "attribution": _ATTRIBUTION,
    }


def _write(
    target: Path,
    heights_m: NDArray[np.float32],
    flags: NDArray[np.uint8],
    grid: Grid,
    facts: Mapping[str, Any],
) -> None:
    geoid = facts["geoid"] or {"model": "none", "file": "none", "sha256": "none"}
    tags = {
        "GLACIER": facts["glacier"],
        "HEIGHTS": facts["heights"],
        "DATUM": facts["datum"],
        "GEOID_MODEL": geoid["model"],
        "GEOID_FILE": geoid["file"],
        "GEOID_SHA256": geoid["sha256"],
        "TILES": json.dumps({t["tile"]: t["sha256"] or "sea" for t in facts["tiles"]}),
        "FLAGS": json.dumps({str(flag): name for flag, name in FLAG_NAMES.items()}),
        "ATTRIBUTION": facts["attribution"],
    }
    image = np.stack([heights_m, flags.astype(np.float32)])
    write_geotiff(target, image, grid, descriptions=("height (m)", "flag"), tags=tags)
