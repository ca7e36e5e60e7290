"""Whether the geometry of a GRD product is understood: its own geolocation grid through our solver.

The processor lists where in the image it put some 200 points of the ground. The solver that
geocodes images computes the same from the points alone; the difference is its error, or that of the
grid.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from rich.table import Table
from rich.text import Text

from ssl4sar.acquire.catalogue.product_name import version_parts
from ssl4sar.core.errors import UserError
from ssl4sar.core.printing import console as safe_console
from ssl4sar.geometry.ellipsoid import to_ecef
from ssl4sar.geometry.range_doppler import to_radar
from ssl4sar.sar.annotation import Annotation
from ssl4sar.sar.border import CLEAN_SINCE
from ssl4sar.sar.product import GrdProduct, open_product
from ssl4sar.sar.radiometry import noise_equivalent_db

SCHEMA: Final = "ssl4sar.sar-check/1"
_WIDTH_WITHOUT_TERMINAL: Final = 120


@dataclass(frozen=True)
class GridErrors:
    """Largest differences from a geolocation grid, or limits of them.

    Attributes:
        azimuth_error_max_m: along the track, metres.
        slant_range_error_max_m: along the line of sight, metres.
        pixel_error_max_px: in columns of the image.
        line_error_max_px: in lines of the image.
    """

    azimuth_error_max_m: float
    slant_range_error_max_m: float
    pixel_error_max_px: float
    line_error_max_px: float

    def within(self, limits: GridErrors) -> bool:
        """Return whether no error is beyond its limit; what is not a number is."""
        pairs = zip(asdict(self).values(), asdict(limits).values(), strict=True)
        return all(value <= limit for value, limit in pairs)


#: Of processors from a version on. Times in the grids of older ones are off by a constant (0.4 ms
#: of 2.36, 0.1 ms of 2.70), and a conversion record is missing in 2.36. Lines are rounded in all
#: grids, so the azimuth time decides.
_LIMITS: Final = (
    ((2, 90), GridErrors(0.05, 0.01, 0.02, 0.25)),
    ((2, 70), GridErrors(1.0, 0.01, 0.02, 0.5)),
    ((0, 0), GridErrors(5.0, 0.01, 5.0, 1.0)),
)


@dataclass(frozen=True)
class PolarisationCheck:
    """What was found of one polarisation.

    Attributes:
        errors: against the geolocation grid.
        nesz_centre_db: noise equivalent sigma0 at the centre of the image, dB; None where the
            product has no noise, or only zeros.
        orbit_source: where the state vectors are from.
        orbit_vectors: number of state vectors.
        orbit_misfit_m: largest distance between the orbit and a vector.
    """

    errors: GridErrors
    nesz_centre_db: float | None
    orbit_source: str
    orbit_vectors: int
    orbit_misfit_m: float


@dataclass(frozen=True)
class ProductCheck:
    """What was found of a product.

    Attributes:
        product: the product.
        polarisations: what was found of each that has an annotation, copolar first.
        limits: of the errors, by the version of its processor.
    """

    product: GrdProduct
    polarisations: dict[str, PolarisationCheck]
    limits: GridErrors

    @property
    def within_limits(self) -> bool:
        """Whether the errors of all polarisations are within the limits."""
        return all(each.errors.within(self.limits) for each in self.polarisations.values())

    @property
    def border(self) -> str:
        """What the border of the images holds."""
        if version_parts(self.product.processor_version) >= CLEAN_SINCE:
            return "set to 0 by the processor"
        return "noise, to be cut off (processor before 2.90)"


def check_product(path: str | Path) -> ProductCheck:
    """Check a product.

    Args:
        path: folder ``NAME.SAFE``, or a zip that holds one.

    Raises:
        UserError: it is not a GRD product, has no annotation, or a file of it is damaged.
    """
    product = open_product(path)
    there = [each for each in product.polarisations if product.has("annotation", each)]
    if not there:
        raise UserError(path, "all of its annotations are missing", "get the product again")
    version = version_parts(product.processor_version)
    limits = next((limits for start, limits in _LIMITS if version >= start), _LIMITS[-1][1])
    return ProductCheck(product, {each: _check(product, each) for each in there}, limits)


def _check(product: GrdProduct, polarisation: str) -> PolarisationCheck:
    annotation = product.annotation(polarisation)
    return PolarisationCheck(
        errors=grid_errors(annotation),
        nesz_centre_db=_nesz_centre_db(product, annotation),
        orbit_source=annotation.orbit_source,
        orbit_vectors=annotation.orbit.vectors,
        orbit_misfit_m=annotation.orbit.misfit_m,
    )


def grid_errors(annotation: Annotation) -> GridErrors:
    """Return the largest errors of the solver against the geolocation grid of an annotation."""
    grid = annotation.tie_points
    radar = to_radar(annotation.orbit, to_ecef(grid.lon_deg, grid.lat_deg, grid.height_m))
    line, pixel = annotation.image_position(radar)
    ground_speed_m_s = annotation.azimuth_pixel_spacing_m / annotation.azimuth_time_interval_s
    return GridErrors(
        azimuth_error_max_m=_largest(radar.azimuth_time_s - grid.azimuth_time_s) * ground_speed_m_s,
        slant_range_error_max_m=_largest(radar.slant_range_m - grid.slant_range_m),
        pixel_error_max_px=_largest(pixel - grid.pixel),
        line_error_max_px=_largest(line - grid.line),
    )


def _nesz_centre_db(product: GrdProduct, annotation: Annotation) -> float | None:
    polarisation = annotation.polarisation
    if not (product.has("noise", polarisation) and product.has("calibration", polarisation)):
        return None
    noise, calibration = product.noise(polarisation), product.calibration(polarisation)
    if noise is None:
        return None
    line, pixel = annotation.lines // 2, annotation.pixels // 2
    centre = slice(line, line + 1), slice(pixel, pixel + 1)
    nesz_db = noise_equivalent_db(noise.power(*centre), calibration.gain("sigma0", *centre)).item()
    return nesz_db if math.isfinite(nesz_db) else None


def _largest(differences: ArrayLike) -> float:
    return float(np.abs(differences).max())


def print_check(check: ProductCheck, *, as_json: bool) -> None:
    """Print what was found, for people or for programs."""
    if as_json:
        sys.stdout.write(json.dumps(_values(check), indent=1, allow_nan=False) + "\n")
    else:
        _print(check)


def _values(check: ProductCheck) -> dict[str, Any]:
    product, found = check.product, check.polarisations
    first = next(iter(found.values()))
    each_errors = [asdict(each.errors) for each in found.values()]
    # The worst of all polarisations; the noise of the first one that has it.
    worst = {key: _worst([errors[key] for errors in each_errors]) for key in each_errors[0]}
    noise = (each.nesz_centre_db for each in found.values())
    return {
        "schema": SCHEMA,
        "product": product.name,
        "platform": product.platform,
        "mode": product.mode,
        "processor_version": product.processor_version,
        "orbit_pass": product.orbit_pass,
        "relative_orbit": product.relative_orbit,
        "absolute_orbit": product.absolute_orbit,
        **worst,
        "nesz_centre_db": next((each for each in noise if each is not None), None),
        "border": check.border,
        "orbit": _orbit_values(first),
        "missing": {name: list(kinds) for name, kinds in product.missing.items()},
        "limits": asdict(check.limits),
        "within_limits": check.within_limits,
        "polarisations": {
            name: {
                **{key: _worst([value]) for key, value in asdict(each.errors).items()},
                "nesz_centre_db": each.nesz_centre_db,
                "orbit": _orbit_values(each),
            }
            for name, each in found.items()
        },
    }


def _worst(errors: Sequence[float]) -> float | None:
    """Return the largest error; None where the solver found no answer, for JSON has no NaN."""
    return max(errors) if all(map(math.isfinite, errors)) else None


def _orbit_values(check: PolarisationCheck) -> dict[str, Any]:
    return {
        "source": check.orbit_source,
        "vectors": check.orbit_vectors,
        "misfit_m": check.orbit_misfit_m,
    }


def _print(check: ProductCheck) -> None:
    product = check.product
    console = safe_console(
        highlight=False, width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    )
    table = Table(title=Text("Largest errors against the geolocation grid"))
    for heading in ("", "azimuth [m]", "slant range [m]", "pixel [px]", "line [px]", "NESZ [dB]"):
        table.add_column(Text(heading), no_wrap=True, justify="right")
    for name, each in check.polarisations.items():
        nesz = "-" if each.nesz_centre_db is None else f"{each.nesz_centre_db:.1f}"
        table.add_row(name, *_error_cells(each.errors, check.limits), nesz)
    table.add_section()
    table.add_row("limit", *(f"{limit:g}" for limit in asdict(check.limits).values()), "")
    console.print(table)
    first = next(iter(check.polarisations.values()))
    track = "unknown" if product.relative_orbit is None else product.relative_orbit
    missing = (f"{', '.join(kinds)} of {name}" for name, kinds in product.missing.items())
    lines = {
        "product": product.name,
        "satellite": f"{product.platform}, {product.mode}, processor {product.processor_version}, "
        f"{product.orbit_pass or 'unknown'} pass, relative orbit {track}",
        "orbit": f"{first.orbit_source}: {first.orbit_vectors} state vectors, which the "
        f"polynomials fit to {1000 * first.orbit_misfit_m:.1f} mm",
        "border": check.border,
        "missing": "; ".join(missing) or "nothing",
        "verdict": "the geometry is that of the processor"
        if check.within_limits
        else "an error is BEYOND ITS LIMIT: do not trust images made of this product",
    }
    for key, text in lines.items():
        console.print(Text(f"{key:>9}: {text}"), soft_wrap=True)


def _error_cells(errors: GridErrors, limits: GridErrors) -> list[Text]:
    pairs = zip(asdict(errors).values(), asdict(limits).values(), strict=True)
    return [Text(f"{value:.4f}", "" if value <= limit else "red") for value, limit in pairs]
