"""Coordinates of the official images, whose files have none: ``meta_data.csv`` of CaFFe.

The list (Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950) has a line per image with its bounding
box in metres and the reference system. Where it is in the root of a tree, results are written with
coordinates. Lengths stay those of the nominal pixel sizes in the names, as in the benchmark: the
grids of 7 m are most likely 20/3 m.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ssl4sar.core.caffe_layout import METADATA_NAME
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, read_bounded
from ssl4sar.core.grid import Grid
from ssl4sar.core.scene_name import SceneName

_NUMBER: Final = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_NAME: Final = re.compile(r"\s*\"?([\w-]+)_geo\.tif")
_BOX: Final = re.compile(
    r"BoundingBox\(\s*" + r",\s*".join(f"{s}={_NUMBER}" for s in ("left", "bottom", "right", "top"))
)
_CRS: Final = re.compile(r"EPSG:(\d{4,6})\b", re.IGNORECASE)


def listed_grids(root: Path, sizes_px: Mapping[str, tuple[int, int]]) -> dict[str, Grid]:
    """Return the grids that the list in the root of a tree gives for scenes.

    Returns:
        Grids by name, of the scenes that are listed; empty without a list.

    Raises:
        UserError: it cannot be read, or a line of a scene has no box, no system or no area, or
            pixels that are not square or not of the size in the name.
    """
    path = root / METADATA_NAME
    if not path.is_file():
        return {}
    try:
        lines = read_bounded(path).decode("latin-1").splitlines()
    except (OSError, ForeignTextError) as error:
        raise UserError(path, f"the list cannot be read ({error})", "remove it") from error
    grids = {}
    for number, line in enumerate(lines, 1):
        named = _NAME.match(line)
        if named is None or named[1] not in sizes_px:
            continue
        box, crs = _BOX.search(line), _CRS.search(line)
        fix = f"correct it as in the published list, or remove {METADATA_NAME}"
        if box is None or crs is None:
            problem = (
                f"line {number} has no BoundingBox(left=, bottom=, right=, top=) and EPSG:code"
            )
            raise UserError(path, problem, fix)
        left, bottom, right, top = map(float, box.groups())
        if not (left < right and bottom < top):
            raise UserError(path, f"the box of line {number} has no area", fix)
        edges = (left, bottom, right, top)
        grid = Grid.of_bounds(edges, sizes_px[named[1]], f"EPSG:{crs[1]}")
        try:
            # The evaluation asks this of the predictions: better now than after the trainings.
            SceneName.parse(named[1]).spacing_m(grid, path)
        except UserError as error:
            raise UserError(path, f"line {number}: {error.problem}", fix) from error
        grids[named[1]] = grid
    return grids
