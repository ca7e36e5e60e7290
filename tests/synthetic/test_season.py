"""Calendar of the hemispheres."""

from __future__ import annotations

from datetime import date

import pytest

from ssl4sar.synthetic.season import decimal_year, warmth


def test_season_of_the_hemispheres():
    assert warmth(date(2010, 7, 24), northern=True) == pytest.approx(1, abs=1e-3)
    assert warmth(date(2010, 1, 20), northern=False) == pytest.approx(1, abs=1e-3)
    assert decimal_year(date(2012, 7, 2)) == pytest.approx(2012.5, abs=0.01)
