"""Weather by season and hemisphere."""

from __future__ import annotations

from datetime import date

import numpy as np

from ssl4sar.synthetic.environment import environment_on


def test_weather_follows_the_hemisphere():
    def mean(northern, month, field):
        days = [date(year, month, 15) for year in range(1995, 2020)]
        return np.mean([getattr(environment_on(1, "x", northern, day), field) for day in days])

    for northern, cold, warm in ((True, 3, 9), (False, 9, 3)):
        assert mean(northern, cold, "sea_ice_fraction") > 0.6
        assert mean(northern, warm, "sea_ice_fraction") < 0.4
        assert mean(northern, cold, "melange_reach") > mean(northern, warm, "melange_reach")
    assert mean(True, 7, "melt_altitude") > 0.2 > 0 > mean(True, 1, "melt_altitude")


def test_weather_is_the_same_for_every_asker_and_within_its_ranges():
    for day in (date(1999, 1, 31), date(2012, 2, 29), date(2019, 12, 31)):
        weather = environment_on(2, "SI", False, day)
        assert weather == environment_on(2, "SI", False, day)
        assert weather != environment_on(3, "SI", False, day)
        assert 0 <= weather.sea_ice_fraction <= 1
        assert 0 < weather.melange_packing < 1
        assert weather.melange_reach >= 0
        assert 0 <= weather.wind_m_s <= 18
