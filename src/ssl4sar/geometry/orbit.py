"""The orbit of a satellite during one scene: polynomials through its state vectors.

Times are seconds since a moment that the caller chooses, best the first line of the scene: doubles
then resolve far less than a nanosecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssl4sar.geometry.ellipsoid import Cartesian

#: A polynomial of degree 7 through the eight nearest vectors was off by 10,000 km where they are
#: one second apart; degree 5 through all of them fits 10 s and 1 s alike, to some millimetres.
DEGREE: Final = 5
#: Vectors farther than this from a scene would only bend the polynomials, seconds.
REACH_S: Final = 100.0


@dataclass(frozen=True, eq=False)
class Orbit:
    """Positions and velocities of the satellite as polynomials of time.

    Velocities have a polynomial of their own: in near-real-time products they differ from the
    slope of the positions by some centimetres per second, and the processor focused the image
    with them (0.27 m along the track in a product of 2021-04-01).

    Attributes:
        positions: (3, DEGREE + 1) coefficients of x, y, z in metres, ECEF, highest power first, of
            the time scaled by ``centre_s`` and ``scale_s`` to -1..1.
        velocities: (3, DEGREE + 1) likewise, metres per second in the rotating frame.
        centre_s: middle of the vectors, seconds.
        scale_s: half of their span, seconds.
        misfit_m: largest distance between the positions and a vector, metres.
        vectors: number of state vectors.
    """

    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    centre_s: float
    scale_s: float
    misfit_m: float
    vectors: int

    @classmethod
    def fit(cls, times_s: ArrayLike, positions_m: Cartesian, velocities_m_s: Cartesian) -> Self:
        """Return the orbit that fits state vectors best (least squares).

        Args:
            times_s: (N,) ascending, seconds, N > DEGREE.
            positions_m: (3, N) metres, ECEF.
            velocities_m_s: (3, N) metres per second, in the rotating frame.

        Raises:
            ValueError: there are too few vectors.
        """
        times = np.asarray(times_s, np.float64)
        if times.size <= DEGREE:
            raise ValueError(f"{times.size} state vectors, at least {DEGREE + 1} are needed")
        centre, scale = (times[0] + times[-1]) / 2, (times[-1] - times[0]) / 2
        powers = np.vander((times - centre) / scale, DEGREE + 1)
        both = np.concatenate([positions_m, velocities_m_s])
        coefficients = np.linalg.lstsq(powers, both.T, rcond=None)[0].T
        misfit = np.linalg.norm(coefficients[:3] @ powers.T - positions_m, axis=0).max()
        return cls(
            positions=coefficients[:3],
            velocities=coefficients[3:],
            centre_s=float(centre),
            scale_s=float(scale),
            misfit_m=float(misfit),
            vectors=times.size,
        )

    def position(self, times_s: ArrayLike) -> Cartesian:
        """Return (3, ...) positions, metres, ECEF."""
        return self._values(self.positions, times_s)

    def velocity(self, times_s: ArrayLike) -> Cartesian:
        """Return (3, ...) velocities in the rotating frame, metres per second."""
        return self._values(self.velocities, times_s)

    def acceleration(self, times_s: ArrayLike) -> Cartesian:
        """Return (3, ...) accelerations in the rotating frame, metres per second squared."""
        slopes = np.stack([np.polyder(axis) for axis in self.velocities]) / self.scale_s
        return self._values(slopes, times_s)

    def _values(self, coefficients: NDArray[np.float64], times_s: ArrayLike) -> Cartesian:
        scaled = (np.asarray(times_s, np.float64) - self.centre_s) / self.scale_s
        return np.stack([np.polyval(axis, scaled) for axis in coefficients])
