"""From a raw product to backscatter on a map: the main function of this package.

Range-Doppler terrain correction: every pixel of the grid is looked up in the image at the place
where the radar saw it, by its height, the orbit of the satellite and the processor's conversion
from slant to ground range (S1-RS-MDA-52-7441, Sentinel-1 Product Specification 3/9; Schreier (ed.),
SAR Geocoding: Data and Systems, 1993).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.grid_to_radar import GridToRadar
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.blocks import in_blocks
from ssl4sar.sar.calibration import Quantity
from ssl4sar.sar.coding import to_db
from ssl4sar.sar.flattening import (
    bin_position,
    bins_of_terrain,
    flattening_factor,
    surely_covered,
)
from ssl4sar.sar.image import RadarImage, calibrated, looks_for, measured, read_window
from ssl4sar.sar.incidence import REACH_M, layover_and_shadow, local_incidence_deg
from ssl4sar.sar.noise import Noise
from ssl4sar.sar.product import GrdProduct
from ssl4sar.sar.resample import sample
from ssl4sar.sar.terrain import Elevation, Terrain, read_terrain
from ssl4sar.sar.window import needed_window

if TYPE_CHECKING:
    import xarray

#: ``gamma0_rtc`` is gamma0 after terrain flattening.
Coefficient = Literal["sigma0", "beta0", "gamma0", "gamma0_rtc"]
#: What geocodes: this module, or SNAP by way of pyroSAR (:mod:`ssl4sar.sar.engine`).
Engine = Literal["builtin", "pyrosar"]
#: Rows of the grid that are looked up at once.
_ROWS: Final = 128
#: For slopes at the edges.
_LEAST_PAD_PX: Final = 2


@dataclass(frozen=True)
class GeocodeOptions:
    """How an image is made.

    Attributes:
        quantity: backscatter coefficient; gamma0 is that of the ellipsoid, gamma0_rtc that of the
            terrain (flattened).
        remove_noise: subtract the thermal noise that the product lists.
        engine: what :func:`ssl4sar.sar.engine.geocode_with_engine` geocodes with.
        snap_timeout_min: minutes after which the engine pyrosar stops.
        orbit_file: EOF file whose orbit replaces that of the annotation.
        workers: blocks of rows made at the same time, in threads.
    """

    quantity: Coefficient = "sigma0"
    remove_noise: bool = True
    engine: Engine = "builtin"
    snap_timeout_min: int = 60
    orbit_file: Path | None = None
    workers: int = 1


def geocode(
    product: GrdProduct,
    polarisation: str,
    grid: Grid,
    elevation: Elevation,
    options: GeocodeOptions | None = None,
) -> xarray.Dataset:
    """Return calibrated, terrain-corrected backscatter on a grid.

    Args:
        product: as :func:`ssl4sar.sar.product.open_product` returns it.
        polarisation: one of the product's.
        grid: north-up, in metres.
        elevation: model of the area.
        options: defaults where None.

    Returns:
        Bands over (y, x), float32 but for the masks: ``backscatter`` (dB; -inf where the noise is
        stronger, NaN where ``valid`` is False), ``local_incidence_angle`` (degrees),
        ``layover_shadow`` (uint8, 1 layover, 2 shadow, 3 both) and ``valid`` (bool: measured, and
        with a height). The attributes say what it was made from, and how: plain values.

    Raises:
        UserError: a file of the product is missing or damaged, the elevation model cannot be used,
            or the scene does not cover the area.
    """
    options = options or GeocodeOptions()
    spacing_m = grid.require_metres("the grid")
    annotation = product.annotation(polarisation, options.orbit_file)
    terrain = read_terrain(elevation, grid, margin_px(spacing_m))
    window = needed_window(annotation, grid, terrain.range_m, product.name)

    dn = read_window(product, annotation, window)
    calibration, noise = product.calibration(polarisation), product.noise(polarisation)
    valid = measured(product, annotation, dn, window, noise)
    subtracted = noise if options.remove_noise and noise and not noise.is_zero else None
    looks = looks_for(annotation, spacing_m)
    quantity: Quantity = "beta0" if options.quantity == "gamma0_rtc" else options.quantity
    image = calibrated(dn, window, looks, calibration, quantity, subtracted, valid, options.workers)
    del dn, valid

    to_radar = GridToRadar.build(annotation.orbit, terrain.grid, *terrain.range_m)
    marks = layover_and_shadow(to_radar, terrain.heights_m, options.workers)
    area = (
        bins_of_terrain(annotation, image, to_radar, terrain.heights_m, marks)
        if options.quantity == "gamma0_rtc"
        else None
    )
    bands = _sampled(annotation, image, to_radar, terrain, area, options.workers)
    bands["layover_shadow"] = _inner(marks, terrain.pad)
    facts = image_facts(product, annotation, terrain, options, noise, image.looks)
    return labelled(bands, grid, {**facts, "engine": "builtin"})


def margin_px(spacing_m: float) -> int:
    """Return how many pixels around a grid shape its image: slopes, layover and shadow."""
    return _LEAST_PAD_PX + math.ceil(REACH_M / spacing_m)


def _sampled(
    annotation: Annotation,
    image: RadarImage,
    to_radar: GridToRadar,
    terrain: Terrain,
    area: NDArray[np.float32] | None,
    workers: int,
) -> dict[str, Any]:
    """Return backscatter, incidence angle and what is valid on the grid without its margin."""
    height, width = (side - 2 * terrain.pad for side in terrain.heights_m.shape)
    columns = slice(terrain.pad, terrain.pad + width)
    backscatter = np.empty((height, width), np.float32)
    incidence = np.empty((height, width), np.float32)
    sure = surely_covered(terrain.heights_m)

    def look_up(block: slice) -> None:
        rows = slice(block.start + terrain.pad, block.stop + terrain.pad)
        radar = to_radar.at(rows, terrain.heights_m[rows])
        line, pixel = annotation.image_position(radar)
        row, column = image.position(line[:, columns], pixel[:, columns])
        power = sample(image.power, row, column)
        if area is not None:
            look_up = to_radar.look_at(rows, terrain.heights_m[rows])[2][:, columns]
            seen = sample(area, *bin_position(row, column))
            power *= flattening_factor(seen, look_up, sure[rows, columns])
        backscatter[block] = to_db(power)
        angle = local_incidence_deg(to_radar, terrain.heights_m, rows)
        incidence[block] = angle[:, columns]

    in_blocks(look_up, height, _ROWS, workers)
    return {
        "backscatter": backscatter,
        "local_incidence_angle": incidence,
        "valid": ~np.isnan(backscatter),
    }


def _inner(values: Any, pad: int) -> Any:
    return np.ascontiguousarray(values[pad:-pad, pad:-pad])


def image_facts(
    product: GrdProduct,
    annotation: Annotation,
    terrain: Terrain,
    options: GeocodeOptions,
    noise: Noise | None,
    looks: tuple[int, int],
) -> dict[str, Any]:
    """Return what an image was made from, and how: plain values."""
    if noise is None or noise.is_zero:
        treatment = "the product lists none" if noise is None else "the product lists zeros"
    else:
        treatment = "subtracted" if options.remove_noise else "not subtracted"
    return {
        "product": product.name,
        "platform": product.platform,
        "mode": product.mode,
        "polarisation": annotation.polarisation,
        "processor_version": product.processor_version,
        "orbit_pass": product.orbit_pass,
        "relative_orbit": product.relative_orbit,
        "absolute_orbit": product.absolute_orbit,
        "orbit_source": annotation.orbit_source,
        "start": product.start.isoformat(),
        "stop": product.stop.isoformat(),
        "quantity": options.quantity,
        "noise": treatment,
        "looks": list(looks),
        "spacing_m": terrain.grid.spacing,
        **terrain.facts,
    }


def labelled(bands: dict[str, Any], grid: Grid, facts: dict[str, Any]) -> xarray.Dataset:
    """Return the bands of an image, by name, with its places and facts."""
    # Heavy, and needed by few: the rest of the package works without it.
    import xarray

    about = {
        "backscatter": {"units": "dB", "long_name": facts["quantity"]},
        "local_incidence_angle": {"units": "degree"},
        "layover_shadow": {"meaning": "1 layover, 2 shadow, 3 both"},
        "valid": {"meaning": "measured, and with a height"},
    }
    variables = {name: (("y", "x"), bands[name], about[name]) for name in about}
    places = {"y": grid.y()[:, 0], "x": grid.x()[0]}
    return xarray.Dataset(variables, places, {**facts, "crs": grid.crs})
