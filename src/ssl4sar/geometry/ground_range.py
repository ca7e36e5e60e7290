"""From slant range to ground range, as the processor of a detected product did it.

The annotation of a ground-range product lists polynomials, each valid around its azimuth time
(S1-RS-MDA-52-7441, Sentinel-1 Product Specification, ``coordinateConversion``). The processor used
the nearest one for a line; between two of them a linear mixture is off by up to 1.5 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class GroundRange:
    """Records of conversion: ground range = sum of c_k (slant range - origin)^k.

    Attributes:
        times_s: (R,) azimuth times of the records, ascending, seconds.
        origins_m: (R,) slant range origins, metres.
        coefficients: (R, K) metres per metre^k, lowest power first.
    """

    times_s: NDArray[np.float64]
    origins_m: NDArray[np.float64]
    coefficients: NDArray[np.float64]

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
            ground[here] = np.polyval(
                self.coefficients[index, ::-1], distance[here] - self.origins_m[index]
            )
        return np.where(np.isnan(time), np.nan, ground)
