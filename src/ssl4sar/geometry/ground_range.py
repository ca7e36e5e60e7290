"""From slant range to ground range, as the processor of a detected product did it.

The annotation of a ground-range product lists polynomials, each valid around its azimuth time
(S1-RS-MDA-52-7441, Sentinel-1 Product Specification, ``coordinateConversion``). The processor used
the nearest one for a line; between two of them a linear mixture is off by up to 1.5 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Inverse polynomials are off by up to 40 m; far beyond the image all of them diverge.
_MOST_STEP_M: Final = 100.0


@dataclass(frozen=True, eq=False)
class GroundRange:
    """Records of conversion: ground range = sum of c_k (slant range - origin)^k.

    Attributes:
        times_s: (R,) azimuth times of the records, ascending, seconds.
        origins_m: (R,) slant range origins, metres.
        coefficients: (R, K) metres per metre^k, lowest power first.
        slant_coefficients: (R, L) of the way that the processor went: slant range = sum of
            d_k (ground range)^k; None: the others are exact.
    """

    times_s: NDArray[np.float64]
    origins_m: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    slant_coefficients: NDArray[np.float64] | None = None

    def at(self, azimuth_time_s: ArrayLike, slant_range_m: ArrayLike) -> NDArray[np.float64]:
        """Return ground ranges from the first pixel, metres; NaN stays NaN.

        Args:
            azimuth_time_s: decides about the record: the nearest, the outer ones beyond the ends.
            slant_range_m: distances, metres; broadcast with the times.
        """
        time, distance = np.broadcast_arrays(azimuth_time_s, slant_range_m)
        between = (self.times_s[1:] + self.times_s[:-1]) / 2
        record = np.searchsorted(between, np.nan_to_num(time))
        ground = np.full(time.shape, np.nan)
        # A block of an image meets one or two records: a polynomial each is far faster than
        # gathering coefficients per pixel.
        for index in np.unique(record):
            here = record == index
            ground[here] = self._ground_m(int(index), distance[here])
        return np.where(np.isnan(time), np.nan, ground)

    def _ground_m(self, record: int, slant_m: NDArray[np.float64]) -> NDArray[np.float64]:
        offset_m = slant_m - self.origins_m[record]
        ground: NDArray[np.float64] = np.polyval(self.coefficients[record, ::-1], offset_m)
        if self.slant_coefficients is None:
            return ground
        # One step of Newton's iteration: polynomials so close to lines leave less than 2 mm.
        back = self.slant_coefficients[record, ::-1]
        step = (np.polyval(back, ground) - slant_m) / np.polyval(np.polyder(back), ground)
        return ground - np.clip(step, -_MOST_STEP_M, _MOST_STEP_M)
