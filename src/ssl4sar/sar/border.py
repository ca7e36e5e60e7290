"""Which pixels of a product are measurements: its borders hold zeros, older ones faint noise.

Images are cut out of a larger frame along slanted lines. Newer processors leave zeros outside of
the measured part. Those before 2.9 leave small numbers there, at the first and last columns, which
look like a very dark sea (ESA's note MPC-0243 describes them). The measured part cannot be that
dark: thermal noise is in every measurement, so a strip far below it was never measured.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ssl4sar.acquire.catalogue.product_name import version_parts

#: The first processor that clears the borders itself.
CLEAN_SINCE: Final = (2, 90)
#: Interpolation along the border spoils some pixels beside it.
_ERODED_PX: Final = 4
#: A smaller group of zeros at the side of a window is dark water, not border.
_SPECK_PX: Final = 64
#: Strips of faint noise are some hundred pixels wide; farther from the image's sides are none.
_REACH_PX: Final = 1000
#: Pixels that one step of the profile along a line looks at.
_PROFILE_PX: Final = 41
#: Of the thermal noise: nine of ten pixels of pure noise with 4.4 looks are stronger.
_FAINT: Final = 0.5
#: Where the product gives no noise (processor 2.36): DN^2 of -36 dB, below all measured noise.
_FAINTEST_POWER: Final = 100.0


def valid_pixels(
    dn: NDArray[Any],
    processor_version: str,
    *,
    first_column: int = 0,
    image_columns: int | None = None,
    noise_power: NDArray[np.float32] | None = None,
) -> NDArray[np.bool_]:
    """Return (rows, columns) True where a window of an image was measured.

    Pixels of 0 amid the image are measurements: dark sea, or shadow. Only groups that reach the
    side of the window are border, and of a window without any other pixel all is border.

    Args:
        dn: (rows, columns) digital numbers of a window.
        processor_version: e.g. 2.36 or 3.40.
        first_column: column of the image where the window begins.
        image_columns: width of the image; None if the window reaches its last column.
        noise_power: (rows, columns) thermal noise of the window, DN^2, where the product has it.
    """
    if not dn.any():
        return np.zeros(dn.shape, np.bool_)
    border = _zeros_at_the_sides(dn == 0)
    if version_parts(processor_version) < CLEAN_SINCE:
        behind = 0 if image_columns is None else image_columns - first_column - dn.shape[1]
        for before, turn in ((first_column, np.s_[:, :]), (behind, np.s_[:, ::-1])):
            width = _REACH_PX - before
            if width > 0:
                noise = None if noise_power is None else noise_power[turn][:, :width]
                border[turn][:, :width] |= _faint_strip(dn[turn][:, :width], noise)
    valid: NDArray[np.bool_] = ~border
    if border.any():
        valid = ndimage.minimum_filter(valid, size=2 * _ERODED_PX + 1)
    return valid


def _zeros_at_the_sides(zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not any(side.any() for side in (zero[0], zero[-1], zero[:, 0], zero[:, -1])):
        return np.zeros_like(zero)
    groups, count = ndimage.label(zero)
    sides = np.concatenate([groups[0], groups[-1], groups[:, 0], groups[:, -1]])
    is_border = np.bincount(groups.ravel(), minlength=count + 1) > _SPECK_PX
    is_border[np.setdiff1d(np.arange(count + 1), sides)] = False
    is_border[0] = False
    border: NDArray[np.bool_] = is_border[groups]
    return border


def _faint_strip(dn: NDArray[Any], noise_power: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    """Return True from the first column of each line to where most pixels are strong enough."""
    threshold: NDArray[np.float32] | float = _FAINTEST_POWER
    if noise_power is not None:
        # One figure per line: the outermost columns of a swath have a noise of zero.
        along = np.median(noise_power, axis=1, keepdims=True)
        threshold = np.maximum(_FAINT * along, threshold)
    strong = (np.square(dn.astype(np.float32)) > threshold).astype(np.float32)
    # The share of strong pixels, like a median, crosses one half right at an edge, however bright
    # the land behind it is; a mean would see it from afar.
    share = ndimage.uniform_filter1d(strong, _PROFILE_PX, axis=1, mode="reflect")
    measured: NDArray[np.bool_] = np.maximum.accumulate(share > 0.5, axis=1)
    return ~measured
