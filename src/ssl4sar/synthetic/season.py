"""Calendar of the two hemispheres."""

from __future__ import annotations

import math
from datetime import date
from typing import Final

#: Day of the year with the highest mean temperature, north and south.
_WARMEST_DAY: Final = {True: 205, False: 20}


def decimal_year(day: date) -> float:
    """Return a day as a year with fraction, e.g. 2011.46."""
    first = date(day.year, 1, 1).toordinal()
    length = date(day.year + 1, 1, 1).toordinal() - first
    return day.year + (day.toordinal() - first) / length


def warmth(day: date, northern: bool, lag_days: float = 0) -> float:
    """Return the season as a cosine: 1 on the warmest day of an average year, -1 half a year off.

    Args:
        day: day.
        northern: hemisphere.
        lag_days: days by which something follows the air temperature.
    """
    day_of_year = day.timetuple().tm_yday
    return math.cos(2 * math.pi * (day_of_year - _WARMEST_DAY[northern] - lag_days) / 365.25)
