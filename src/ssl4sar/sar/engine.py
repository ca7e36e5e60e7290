"""What geocodes: our own engine, or SNAP by way of pyroSAR, with the same result in form.

The latter is imported by its name alone, so that it counts only in the digests of jobs that use it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ssl4sar.config.stack import SNAP_MODULE
from ssl4sar.core.grid import Grid
from ssl4sar.sar.geocode import GeocodeOptions, geocode
from ssl4sar.sar.product import GrdProduct
from ssl4sar.sar.terrain import Elevation

if TYPE_CHECKING:
    import xarray


def geocode_with_engine(
    product: GrdProduct,
    polarisation: str,
    grid: Grid,
    elevation: Elevation,
    options: GeocodeOptions,
) -> xarray.Dataset:
    """Return backscatter on a grid by the engine that the options name.

    Args:
        product: as :func:`ssl4sar.sar.product.open_product` returns it.
        polarisation: one of the product's.
        grid: north-up, in metres.
        elevation: model of the area.
        options: how, and by what.

    Returns:
        As :func:`ssl4sar.sar.geocode.geocode`; the attribute ``engine`` says what made it.

    Raises:
        EngineError: the engine is not installed, or does not make what is asked for.
        UserError: as :func:`ssl4sar.sar.geocode.geocode`.
    """
    by_snap = options.engine == "pyrosar"
    engine = import_module(SNAP_MODULE).geocode_by_snap if by_snap else geocode
    image: xarray.Dataset = engine(product, polarisation, grid, elevation, options)
    return image
