"""Where the terminus stands on a day, and what shape it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ssl4sar.core.seeding import generator
from ssl4sar.synthetic.season import decimal_year, warmth

FIRST_YEAR: Final = 1991
LAST_YEAR: Final = 2026
#: Across-valley positions of a front profile; the valley itself spans -1 to 1.
ACROSS: Final[NDArray[np.float64]] = np.linspace(-1.25, 1.25, 1025)


@dataclass(frozen=True)
class FrontHistory:
    """Front of one outlet over the years.

    The position is a trend plus a seasonal cycle (retreat in late summer) plus calving: each
    event takes a bay of ice out, which the flow refills within a few years.

    Attributes:
        seed: seed of the world.
        key: name of the outlet; with ``seed`` it fixes all draws.
        northern: hemisphere.
        half_width_m: half width of the valley; all excursions scale with it.
        start_m: along-flow position at the beginning of 1995.
    """

    seed: int
    key: str
    northern: bool
    half_width_m: float
    start_m: float

    @cached_property
    def _numbers(self) -> dict[str, float]:
        rng = generator(self.seed, "front", self.key)
        return {
            "trend": -rng.uniform(0.4, 1.1),
            "pace": rng.uniform(6.0, 12.0),
            "phase": rng.uniform(0, 2 * math.pi),
            "season": rng.uniform(0.12, 0.24),
            "bulge": rng.uniform(-0.35, 0.35),
            "bulge_change": rng.uniform(0.1, 0.3),
            "skew": rng.uniform(-0.25, 0.25),
        }

    @cached_property
    def _events(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return year and depth of all calving events, and their (events, 1025) profiles."""
        rng = generator(self.seed, "calving", self.key)
        count = int(rng.poisson(1.1 * (LAST_YEAR - FIRST_YEAR)))
        whole = rng.integers(FIRST_YEAR, LAST_YEAR, count)
        late_summer = 0.67 if self.northern else 0.17
        year = whole + late_summer + rng.normal(0, 0.16, count)
        centre = rng.uniform(-1.0, 1.0, count)
        width = rng.uniform(0.12, 0.5, count)
        depth = rng.gamma(3.0, 0.1, count).clip(0.05, 0.7)
        distance = np.abs(ACROSS[None, :] - centre[:, None]) / width[:, None]
        # A flat bottom with steep sides: ice breaks off as a block, not as a bell curve.
        return year, depth[:, None] * np.exp(-(distance**4))

    def _calving(self, year: float) -> NDArray[np.float64]:
        time, bays = self._events
        age = year - time
        left = np.where(age >= 0, np.exp(-np.maximum(age, 0) / 1.2), 0.0)
        return np.asarray(-(left[:, None] * bays).sum(0), np.float64)

    def _ragged(self, year: float) -> NDArray[np.float64]:
        month = int(np.floor(year * 12))
        weight = year * 12 - month
        return (1 - weight) * self._roughness(month) + weight * self._roughness(month + 1)

    def _roughness(self, month: int) -> NDArray[np.float64]:
        rng = generator(self.seed, "ragged", self.key, month)
        total = np.zeros_like(ACROSS)
        # Octaves of broken lines: a calving front is angular, not smooth.
        for knots, height in ((9, 0.06), (21, 0.035), (47, 0.02), (101, 0.012), (211, 0.007)):
            places = np.linspace(ACROSS[0], ACROSS[-1], knots)
            total += np.interp(ACROSS, places, rng.normal(0, height, knots))
        return total

    def mean_position_m(self, day: date) -> float:
        """Return the along-flow position without the shape of the front, metres downstream."""
        numbers, year = self._numbers, decimal_year(day)
        wobble = 0.12 * math.sin(2 * math.pi * year / numbers["pace"] + numbers["phase"])
        # The front follows the air temperature by about two months.
        season = -numbers["season"] * warmth(day, self.northern, lag_days=60)
        trend = numbers["trend"] * (year - 1995) / 25
        return self.start_m + self.half_width_m * (trend + wobble + season)

    def _smooth_profile_m(self, day: date) -> NDArray[np.float64]:
        numbers, year = self._numbers, decimal_year(day)
        bulge = numbers["bulge"] + numbers["bulge_change"] * math.sin(
            2 * math.pi * year / (0.8 * numbers["pace"]) + 2 * numbers["phase"]
        )
        shape = bulge * (0.5 - np.minimum(ACROSS**2, 1.2)) + numbers["skew"] * ACROSS
        return self.mean_position_m(day) + self.half_width_m * (shape + self._calving(year))

    def profile_m(self, day: date) -> NDArray[np.float64]:
        """Return the along-flow front position at the across-valley positions ``ACROSS``.

        Args:
            day: day between 1991 and 2025.

        Returns:
            (1025,) float64, metres downstream.
        """
        ragged = self.half_width_m * self._ragged(decimal_year(day))
        return self._smooth_profile_m(day) + ragged

    def range_m(self) -> tuple[float, float]:
        """Return the least and largest front position of 1991 to 2025, with a safe margin."""
        days = [date(y, m, 15) for y in range(FIRST_YEAR, LAST_YEAR) for m in (1, 3, 5, 7, 9, 11)]
        profiles = np.stack([self._smooth_profile_m(day) for day in days])
        # Raggedness is below 0.3 half widths, an event between two sampled days below 0.1.
        margin = 0.4 * self.half_width_m
        return float(profiles.min()) - margin, float(profiles.max()) + margin
