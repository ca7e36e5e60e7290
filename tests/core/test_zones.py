from __future__ import annotations

import numpy as np
import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.core.zones import (
    CLASS_GREYS,
    GLACIER,
    NA,
    OCEAN,
    ROCK,
    classes_from_greys,
    greys_from_classes,
    ocean_beside_glacier,
)


def test_round_trip_and_tolerance() -> None:
    greys = np.array([list(CLASS_GREYS)], np.uint8)
    classes = classes_from_greys(greys, "a")
    assert classes.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_array_equal(greys_from_classes(classes), greys)
    assert classes_from_greys(np.array([[63]], np.uint8), "a").item() == 1


def test_unknown_grey_is_located() -> None:
    with pytest.raises(UserError, match=r"a\.png: grey value 128 at row 1, column 0 .*2 such"):
        classes_from_greys(np.array([[0, 64], [128, 3]], np.uint8), "a.png")


def test_front_lies_on_the_ocean_side_and_not_at_the_border() -> None:
    g, r, n, o = GLACIER, ROCK, NA, OCEAN
    zones = np.array([[g, g, o, o], [r, g, o, o], [r, r, o, o], [n, n, o, o]], np.uint8)
    expected = np.zeros((4, 4), bool)
    expected[[0, 1], [2, 2]] = True
    np.testing.assert_array_equal(ocean_beside_glacier(zones), expected)
    assert not ocean_beside_glacier(np.full((3, 3), o, np.uint8)).any()
