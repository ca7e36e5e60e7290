"""Weather of a day: sea ice, melange, wind and melt, seen by every sensor alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.season import warmth


@dataclass(frozen=True)
class Environment:
    """State of sea and snow on one day.

    Attributes:
        warmth: season, -1 (coldest) to 1 (warmest).
        wind_m_s: wind speed at 10 m.
        wind_azimuth_rad: direction of the wind streaks.
        sea_ice_fraction: share of the fjord covered with floes, 0 to 1.
        melange_reach: reach of the melange from the front in half widths of the valley.
        melange_packing: share of the melange covered with ice, 0 to 1.
        melt_altitude: height below which snow is wet, in parts of the local relief; negative
            means that all is dry.
        drift: two numbers in [0, 1) that place the floes and blocks of that day.
    """

    warmth: float
    wind_m_s: float
    wind_azimuth_rad: float
    sea_ice_fraction: float
    melange_reach: float
    melange_packing: float
    melt_altitude: float
    drift: tuple[float, float]


def environment_on(seed: int, place: str, northern: bool, day: date) -> Environment:
    """Return the weather of a place and day."""
    rng = generator(seed, "environment", place, day.isoformat())
    warm = warmth(day, northern)
    # Sea ice follows the air by two months and comes and goes with storms.
    ice_season = -warmth(day, northern, lag_days=60)
    sea_ice = 0.5 + 0.55 * ice_season + rng.normal(0, 0.22)
    reach = max(0.0, 1.2 + 0.9 * ice_season + rng.normal(0, 0.9))
    return Environment(
        warmth=warm,
        wind_m_s=float(min(18.0, 7.0 * rng.weibull(2.0))),
        wind_azimuth_rad=float(rng.uniform(0, 6.283185307179586)),
        sea_ice_fraction=float(min(1.0, max(0.0, sea_ice))),
        melange_reach=reach,
        melange_packing=float(min(0.96, max(0.45, 0.76 + 0.1 * ice_season + rng.normal(0, 0.1)))),
        melt_altitude=float(0.55 * warm - 0.1 + rng.normal(0, 0.2)),
        drift=(float(rng.random()), float(rng.random())),
    )
