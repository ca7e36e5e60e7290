"""Where a radar sees the pixels of a grid whose heights are known.

Azimuth time, slant range and look angle of a point are smooth in its place and its height. They are
solved exactly at the nodes of a lattice at three heights; between them they are cubic in the place
and quadratic in the height. Over relief of 9 km that is right to some millimetres, which a test
measures against the exact solution, and ten times as fast as an iteration per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.grid import Grid
from ssl4sar.geometry.ellipsoid import Cartesian, normals, to_ecef
from ssl4sar.geometry.lattice import Lattice
from ssl4sar.geometry.orbit import Orbit
from ssl4sar.geometry.range_doppler import RadarCoordinates, to_radar

#: Chebyshev's nodes: the parabola through them has the least error between -1 and 1.
_LEVELS: Final = np.cos(np.pi * (2 * np.arange(3) + 1) / 6)
#: The arrays of so many rows stay in the cache of a core.
_ROWS: Final = 32
#: Heights less than this apart would only lose digits, metres.
_LEAST_RELIEF_M: Final = 20.0


@dataclass(frozen=True, eq=False)
class GridToRadar:
    """Polynomials in height at the nodes of a lattice over a grid.

    Attributes:
        lattice: the nodes, M x N.
        middle_m: middle of the heights.
        half_m: half of their range.
        time_s: (3, M, N) coefficients of the azimuth time, lowest power first, of the height
            scaled by ``middle_m`` and ``half_m`` to -1..1.
        range_m: (3, M, N) likewise, slant range.
        off_nadir_rad: (3, M, N) likewise, angle at the satellite between the centre of the Earth
            and the point.
        look: (2, 3, M, N) unit vectors from the ground to the satellite at the middle height and
            their change over ``half_m``: along the columns (x), along the axis y and up.
        stretch: (2, M, N) metres on the ellipsoid per map unit in x and in y.
    """

    lattice: Lattice
    middle_m: float
    half_m: float
    time_s: NDArray[np.float64]
    range_m: NDArray[np.float64]
    off_nadir_rad: NDArray[np.float64]
    look: NDArray[np.float64]
    stretch: NDArray[np.float64]

    @classmethod
    def build(cls, orbit: Orbit, grid: Grid, least_m: float, greatest_m: float) -> Self:
        """Solve the lattice of a grid.

        Args:
            orbit: of the satellite.
            grid: north-up, with a reference system.
            least_m: lowest height above the ellipsoid that will be asked for, metres.
            greatest_m: highest one.
        """
        lattice = Lattice(grid)
        middle = (least_m + greatest_m) / 2
        half = max(greatest_m - least_m, _LEAST_RELIEF_M) / 2
        axes, stretch = _axes(lattice)
        times, ranges, angles, looks = [], [], [], []
        guess = None
        for level in _LEVELS:
            points = lattice.points(middle + half * level)
            found = to_radar(orbit, points, guess)
            guess = np.nan_to_num(found.azimuth_time_s, nan=orbit.centre_s)
            satellite = orbit.position(found.azimuth_time_s)
            line = (satellite - points) / found.slant_range_m
            down = satellite / np.linalg.norm(satellite, axis=0)
            times.append(found.azimuth_time_s)
            ranges.append(found.slant_range_m)
            angles.append(np.arccos((line * down).sum(0)))
            looks.append((axes * line).sum(1))
        return cls(
            lattice,
            middle,
            half,
            _polynomials(np.stack(times), 2),
            _polynomials(np.stack(ranges), 2),
            _polynomials(np.stack(angles), 2),
            _polynomials(np.stack(looks), 1),
            stretch,
        )

    def at(self, rows: slice, heights_m: NDArray[np.floating]) -> RadarCoordinates:
        """Return where the radar sees the pixels of some rows.

        Args:
            rows: rows of the grid.
            heights_m: (rows, W) above the ellipsoid, metres, in the range that was asked for; NaN
                gives NaN.
        """
        time_s = self._value(self.time_s, rows, self._scaled(heights_m))
        return RadarCoordinates(time_s, self.range_at(rows, heights_m))

    def range_at(self, rows: slice, heights_m: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (rows, W) slant ranges of the pixels of some rows, metres."""
        return self._value(self.range_m, rows, self._scaled(heights_m))

    def off_nadir_at(self, rows: slice, heights_m: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (rows, W) angles at the satellite between nadir and the pixels, radians."""
        return self._value(self.off_nadir_rad, rows, self._scaled(heights_m))

    def look_at(self, rows: slice, heights_m: NDArray[np.floating]) -> Cartesian:
        """Return (3, rows, W) unit vectors from pixels to the satellite: x, y of the map, up."""
        height = self._scaled(heights_m)
        return np.stack([self._value(self.look[:, axis], rows, height) for axis in range(3)])

    def stretch_at(self, rows: slice) -> NDArray[np.float64]:
        """Return (2, rows, W) metres on the ellipsoid per map unit in x and in y."""
        return np.stack([self.lattice.spread(axis, rows) for axis in self.stretch])

    def _scaled(self, heights_m: NDArray[np.floating]) -> NDArray[np.float64]:
        return (np.asarray(heights_m, np.float64) - self.middle_m) / self.half_m

    def _value(
        self, coefficients: NDArray[np.float64], rows: slice, height: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        found = np.empty(height.shape)
        for start in range(0, len(height), _ROWS):
            part = slice(start, min(start + _ROWS, len(height)))
            here = slice(rows.start + part.start, rows.start + part.stop)
            value = self.lattice.spread(coefficients[-1], here)
            for each in coefficients[-2::-1]:
                value = value * height[part]
                value += self.lattice.spread(each, here)
            found[part] = value
        return found


def _polynomials(values: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Return coefficients over the heights, lowest power first, from (3, ...) values at levels."""
    inverse = np.linalg.pinv(np.vander(_LEVELS, degree + 1, increasing=True))
    # Summed in a fixed order: the same bytes whatever the number of threads of a library.
    return np.stack([sum(w * v for w, v in zip(row, values, strict=True)) for row in inverse])


def _axes(lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (3, 3, M, N) unit vectors along x, y and up, and (2, M, N) metres per map unit."""
    from pyproj import Transformer

    # Half a metre to both sides: differences of places on the ellipsoid per metre of the map.
    transformer = Transformer.from_crs(lattice.grid.crs, "EPSG:4326", always_xy=True)
    x, y = np.broadcast_arrays(lattice.x(), lattice.y())
    lengths, directions = [], []
    for dx, dy in ((0.5, 0.0), (0.0, 0.5)):
        ahead = to_ecef(*transformer.transform(x + dx, y + dy), 0.0)
        behind = to_ecef(*transformer.transform(x - dx, y - dy), 0.0)
        step = ahead - behind
        lengths.append(np.linalg.norm(step, axis=0))
        directions.append(step / lengths[-1])
    return np.stack([*directions, normals(*lattice.lon_lat)]), np.stack(lengths)
