"""SAR sensors of the benchmark: mission years, radar band, looks, noise and viewing geometry.

Pixel sizes are those of CaFFe (Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022). Looks,
noise and point spread are round values of the usual magnitude for the product types, chosen for
this model; they are not calibration constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

Band = Literal["C", "X", "L"]


@dataclass(frozen=True)
class Sensor:
    """A radar as the scene model sees it.

    Attributes:
        name: token of the scene names.
        band: C (5.6 cm), X (3.1 cm) or L (23.6 cm).
        first: first day of the mission that is rendered.
        last: last day of the mission that is rendered.
        looks: equivalent number of looks of an image pixel, by pixel size in metres.
        noise_db: noise-equivalent sigma nought.
        spread_px: standard deviation of the point spread in pixels of the image.
        incidence_deg: smallest and largest incidence angle of the orbits in use.
        last_orbit: largest track number.
    """

    name: str
    band: Band
    first: date
    last: date
    looks: dict[int, float]
    noise_db: float
    spread_px: float
    incidence_deg: tuple[float, float]
    last_orbit: int


def _sensor(
    name: str,
    band: Band,
    years: tuple[str, str],
    looks: dict[int, float],
    noise_db: float,
    spread_px: float,
    incidence_deg: tuple[float, float],
    last_orbit: int,
) -> Sensor:
    first, last = map(date.fromisoformat, years)
    return Sensor(name, band, first, last, looks, noise_db, spread_px, incidence_deg, last_orbit)


_ALL: Final = (
    _sensor("ERS", "C", ("1995-06-01", "2010-12-31"), {20: 3.0}, -22, 0.6, (22, 24), 501),
    _sensor("ENVISAT", "C", ("2003-01-01", "2012-04-07"), {20: 3.2}, -21, 0.6, (22, 40), 501),
    _sensor("RSAT", "C", ("1996-01-01", "2008-12-31"), {12: 1.6, 20: 3.6}, -21, 0.6, (30, 46), 343),
    _sensor("PALSAR", "L", ("2006-05-16", "2011-04-20"), {17: 4.0}, -24, 0.55, (36, 40), 671),
    _sensor("TSX", "X", ("2008-01-01", "2020-06-30"), {6: 2.2, 7: 2.8}, -21, 0.6, (25, 44), 167),
    _sensor("TDX", "X", ("2010-12-01", "2020-06-30"), {7: 2.8}, -21, 0.6, (25, 44), 167),
    _sensor("S1", "C", ("2014-11-01", "2020-06-30"), {20: 4.4}, -23, 0.55, (31, 45), 175),
)
SENSORS: Final = {sensor.name: sensor for sensor in _ALL}
