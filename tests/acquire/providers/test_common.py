"""Directions in any spelling, kinds of products, and records of another form."""

from __future__ import annotations

import pytest

from ssl4sar.acquire.providers.common import is_kind, known_form, orbit_direction
from ssl4sar.core.errors import UserError


@pytest.mark.parametrize("text", ["ASCENDING", "Ascending", "ascending"])
def test_directions(text: str) -> None:
    assert orbit_direction(text) == "ascending"
    assert orbit_direction("Descending") == "descending"
    for unknown in (None, "", "north", f"{text}!"):
        assert orbit_direction(unknown) is None


@pytest.mark.parametrize(
    ("kind", "wanted", "fitting"),
    [
        ("IW_GRDH_1S", "IW_GRDH_1S", True),
        ("IW_GRDH_1S-COG", "IW_GRDH_1S", True),
        ("S3_GRDH_1S", "SM_GRDH_1S", True),
        ("S3_GRDH_1S-COG", "SM_GRDH_1S", True),
        ("EW_GRDH_1S", "SM_GRDH_1S", False),
        ("EW_GRDH_1S", "EW_GRDM_1S", False),
    ],
)
def test_kinds(kind: str, wanted: str, fitting: bool) -> None:
    assert is_kind(kind, wanted) is fitting


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("datetime"), "'datetime' is missing"),
        (OverflowError("too large"), "too large"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "surrogates"),
        (RecursionError("deep"), "deep"),
        (ValueError("\x1b[31m" + "x" * 10_000), r"\\x1b\[31mx"),
    ],
)
def test_what_a_strange_record_raises_is_one_short_line(error: Exception, told: str) -> None:
    with (
        pytest.raises(UserError, match=f"a record of another form: .*{told}") as caught,
        known_form("https://there", "ask there"),
    ):
        raise error
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
